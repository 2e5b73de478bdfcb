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

// digest is what a device's readings of a stretch of time come to. Two are equal
// if, and only if, the readings are.
type digest struct {
	Readings int64
	Sum      [sha256.Size]byte
}

// sums are digests in the making, by device.
type sums map[string]*summing

type summing struct {
	hash     hash.Hash
	readings int64
	buffer   []byte
}

func (s sums) add(page []wattline.Reading) {
	for _, reading := range page {
		if s[reading.Device] == nil {
			s[reading.Device] = &summing{hash: sha256.New()}
		}
		s[reading.Device].add(reading)
	}
}

func (s sums) digest(device string) (d digest) {
	if one := s[device]; one != nil {
		d.Readings = one.readings
		one.hash.Sum(d.Sum[:0])
	}
	return d
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
