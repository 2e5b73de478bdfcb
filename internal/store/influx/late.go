package influx

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/store/quarters"
)

// lateAfter is how long after its end an hour's readings are late: they may have
// been left out of what was sealed. It is shorter than what a quarters.Keeper
// waits before it seals an hour by as much as clocks may differ.
const lateAfter = time.Minute

// lateDays are the days of the readings that may belong to what is sealed, seen
// when they have been written.
func (l lines) lateDays(readings []wattline.Reading, now time.Time) map[deviceDay]struct{} {
	bound := now.Add(-lateAfter).Truncate(time.Hour)
	var days map[deviceDay]struct{}
	for _, line := range l.each {
		r := &readings[line.index]
		if !r.Time.Before(bound) {
			continue
		}
		if days == nil {
			days = map[deviceDay]struct{}{}
		}
		days[deviceDay{r.Device, quarters.DayOf(r.Time.Time)}] = struct{}{}
	}
	return days
}

// unseal marks the days of late readings. It comes after the readings are written
// and before anybody is told so: what was sealed without them does not count from
// then on, and what will be sealed with this mark is made of readings that were
// read later. A bucket of quarter-hours that may not be made has nothing sealed.
func (s *Store) unseal(ctx context.Context, days map[deviceDay]struct{}) error {
	if len(days) == 0 {
		return nil
	}
	s.late.add(days)
	var text strings.Builder
	mark := newMark()
	for one := range days {
		writeMark(&text, one, mark)
	}
	err := s.keep(ctx, text.String())
	if errors.Is(err, errNoBucket) {
		return nil
	}
	return err
}

func newMark() string { return rand.Text() }

func writeMark(to *strings.Builder, one deviceDay, mark string) {
	fmt.Fprintf(to, "%s,device=%s %s=\"%s\" %d\n", recordMeasurement, one.device, fieldMark, mark, one.day.Start().UnixMilli())
}

// maxLate bounds what is remembered of late readings; what is forgotten is found
// when all days are gone through.
const maxLate = 100_000

// lateBook remembers which records this process un-sealed, for its Upkeep.
type lateBook struct {
	mu   sync.Mutex
	days map[deviceDay]struct{} // nil while there is no Upkeep
}

func (b *lateBook) add(days map[deviceDay]struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for one := range days {
		if b.days != nil && len(b.days) < maxLate {
			b.days[one] = struct{}{}
		}
	}
}

// take empties the book, and opens it.
func (b *lateBook) take() map[deviceDay]struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	days := b.days
	b.days = map[deviceDay]struct{}{}
	return days
}

func (b *lateBook) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.days = nil
}
