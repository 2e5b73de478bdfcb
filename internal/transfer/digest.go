package transfer

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"iter"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/store"
)

// digest is what a device's readings of a stretch of time come to. Two are equal
// if, and only if, the readings are.
type digest struct {
	Readings int64
	Sum      [sha256.Size]byte
}

// digests reads the part from a store, page by page; each, if there, gets every
// page.
func (p part) digests(ctx context.Context, from store.Store, each func(context.Context, []wattline.Reading) error) (map[string]digest, error) {
	found := make(map[string]digest, len(p.held))
	var device string
	var sum summing
	finish := func() {
		if sum.readings > 0 {
			found[device] = sum.digest()
		}
	}
	for page, err := range pages(ctx, from, store.Query{Devices: p.devices(), From: p.from, To: p.to, Limit: store.MaxLimit}) {
		if err != nil {
			return nil, err
		}
		if each != nil {
			if err := each(ctx, page); err != nil {
				return nil, err
			}
		}
		for _, reading := range page {
			if reading.Device != device {
				finish()
				device, sum = reading.Device, summing{hash: sha256.New()}
			}
			sum.add(reading)
		}
	}
	finish()
	return found, nil
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
