package collector

import (
	"fmt"
	"testing"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/agents/kasa"
)

// statistics are what a socket's plug keeps of its days, over losses of power.
type statistics struct {
	truth wattline.Milli // when last looked
	wh    map[kasa.Date]wattline.Milli
}

func (s *statistics) look(at *socket) kasa.Days {
	today := kasa.DateOf(at.at, time.UTC)
	s.wh[today] += at.truth - s.truth
	s.truth = at.truth
	days := kasa.Days{Zone: time.UTC, First: kasa.DateOf(start, time.UTC), Wh: map[kasa.Date]wattline.Milli{}}
	for day, used := range s.wh {
		days.Wh[day] = used / halfMilliseconds / meterStep * meterStep
	}
	return days
}

// The counter of what draws little never comes to a step when the power goes again and
// again, and is zero after each time as it was before.
func TestASmallLoadThatOftenLosesItsPowerIsCounted(t *testing.T) {
	const days, every = 2, 15 * time.Minute
	for _, power := range []wattline.Milli{500, 1_000, 2_000, 5_000} {
		for _, dark := range []time.Duration{20 * time.Second, 8 * time.Minute} {
			for _, keeps := range []bool{false, true} {
				t.Run(fmt.Sprintf("%v W, dark for %v, keeps statistics: %v", power, dark, keeps), func(t *testing.T) {
					w := newWatch(&socket{at: start, power: power, mac: "A", closed: start.Add(-time.Hour)}, 5*time.Second)
					s := statistics{wh: map[kasa.Date]wattline.Milli{}}
					for next := start.Add(every); w.at.Before(start.AddDate(0, 0, days)); w.pass(w.interval, power) {
						before := w.last
						w.read()
						if told := s.look(w.socket); keeps && daysDue(w.last) {
							w.last.reconcile(before, told)
						}
						if w.at.After(next) {
							next = next.Add(every)
							w.cut(dark)
						}
					}
					if off := w.off(); off < -w.used()/40 || off > w.used()/40 {
						t.Errorf("%v Wh more than was used, of which %v Wh", off, w.used())
					}
				})
			}
		}
	}
}
