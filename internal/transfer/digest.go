package transfer

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"iter"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/store"
)

// digest is what a device's readings of a stretch of time come to. Two are equal
// if, and only if, the readings are.
type digest struct {
	Readings int64
	Sum      [sha256.Size]byte
}

// step is short enough for the archive to take all devices' readings of a step as
// new ones, one device after the other.
const step = time.Hour

// digests reads the part from a store. Each, if there, gets every page, and the
// devices go through the part step by step then.
func (p part) digests(ctx context.Context, from store.Store, each func(context.Context, []wattline.Reading) error) (map[string]digest, error) {
	sums := make(map[string]*summing, len(p.held))
	stride := p.to.Sub(p.from)
	if each != nil {
		stride = step
	}
	for at := p.from; at.Before(p.to); at = at.Add(stride) {
		query := store.Query{Devices: p.devices(), From: at, To: earliest(at.Add(stride), p.to), Limit: store.MaxLimit}
		for page, err := range pages(ctx, from, query) {
			if err == nil && each != nil {
				err = each(ctx, page)
			}
			if err != nil {
				return nil, err
			}
			sum(sums, page)
		}
	}
	found := make(map[string]digest, len(sums))
	for device, s := range sums {
		found[device] = s.digest()
	}
	return found, nil
}

// sum adds a page to the sums of its devices.
func sum(sums map[string]*summing, page []wattline.Reading) {
	for _, reading := range page {
		if sums[reading.Device] == nil {
			sums[reading.Device] = &summing{hash: sha256.New()}
		}
		sums[reading.Device].add(reading)
	}
}

// pages asks page after page; an error is the last thing it gives.
func pages(ctx context.Context, from store.Store, query store.Query) iter.Seq2[[]wattline.Reading, error] {
	return func(yield func([]wattline.Reading, error) bool) {
		for {
			page, err := from.Readings(ctx, query)
			if err != nil {
				yield(nil, err)
				return
			}
			if len(page) > 0 && !yield(page, nil) || len(page) < query.Limit {
				return
			}
			last := page[len(page)-1]
			query.After = store.Position{Device: last.Device, Time: last.Time.Time}
		}
	}
}

// summing is a digest in the making.
type summing struct {
	hash     hash.Hash
	readings int64
	buffer   []byte
}

// add takes a reading. Its canonical form is its values in the order of their
// declaration, each a whole number of 8 bytes, the highest byte first.
func (s *summing) add(r wattline.Reading) {
	on := int64(0)
	if r.Relay == wattline.RelayOn {
		on = 1
	}
	s.readings++
	s.buffer = s.buffer[:0]
	for _, n := range [...]int64{
		r.Time.UnixMilli(), int64(r.PowerW), int64(r.VoltageV), int64(r.CurrentA), int64(r.EnergyWh), int64(r.MeterWh),
		on, int64(r.RSSIdBm), int64(r.CoversS), int64(r.Quality),
	} {
		s.buffer = binary.BigEndian.AppendUint64(s.buffer, uint64(n))
	}
	s.hash.Write(s.buffer)
}

func (s *summing) digest() digest {
	d := digest{Readings: s.readings}
	s.hash.Sum(d.Sum[:0])
	return d
}
