package year_test

import (
	"encoding/json"
	"log/slog"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/agents/emulator"
	"github.com/wattline/wattline/components/history"
	"github.com/wattline/wattline/internal/store/storetest"
)

// desk is a workstation, and 15 W for its screens, its dock and what else is never off.
type desk struct{ emulator.Load }

func (d desk) At(ms int64) emulator.Demand {
	demand := d.Load.At(ms)
	demand.PowerMW += 15_000
	return demand
}

func workstation(t *testing.T) emulator.Load {
	load, err := emulator.NewLoad(emulator.Workstation, 11, zone(t, "Europe/Madrid"))
	if err != nil {
		t.Fatal(err)
	}
	return desk{load}
}

// The year has 200 resets and 50 outages of minutes to days, and clocks that go
// forward and back.
func TestAYear(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		madrid := zone(t, "Europe/Madrid")
		from, to := time.Date(2026, 1, 1, 0, 0, 0, 0, madrid), time.Date(2027, 1, 1, 0, 0, 0, 0, madrid)
		time.Sleep(time.Until(from.Add(-10 * time.Minute)))
		s := newSite(t, emulator.Spec{Model: emulator.HS110HW4, Load: workstation(t)}, time.Minute)
		s.live(happens{from: from, to: to, resets: 200, outages: 50, longestOutage: 4 * 24 * time.Hour, random: rand.New(rand.NewPCG(1, 2))})
		h := s.history()
		h.hold(wattline.WindowDay, from, to, 0.005)
		h.hold(wattline.WindowMonth, from, to, 0.001)
		h.holdWhole(from, to, 0.0001)
	})
}

// The month is that of a plug of the other generation, read often, whose clock is
// set to another zone than its office's.
func TestAMonth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pacific := zone(t, "America/Los_Angeles")
		from, to := time.Date(2026, 10, 1, 0, 0, 0, 0, pacific), time.Date(2026, 11, 1, 0, 0, 0, 0, pacific)
		time.Sleep(time.Until(from.Add(-10 * time.Minute)))
		s := newSite(t, emulator.Spec{Model: emulator.HS110HW1, Load: workstation(t), Zone: pacific}, 10*time.Second)
		s.live(happens{from: from, to: to, resets: 30, outages: 8, longestOutage: 2 * 24 * time.Hour, random: rand.New(rand.NewPCG(3, 4))})
		h := s.history()
		h.hold(wattline.WindowDay, from, to, 0.005)
		h.hold(wattline.WindowMonth, from, to, 0.001)
	})
}

// live lets everything happen.
func (s *site) live(h happens) {
	s.start()
	for events := h.schedule(); len(events) > 0; {
		next := events[0]
		events = events[1:]
		time.Sleep(time.Until(next.at))
		synctest.Wait()
		if next.seen && !s.isRead() {
			next.at = next.at.Add(time.Hour)
			place, _ := slices.BinarySearchFunc(events, next, byTime)
			events = slices.Insert(events, place, next)
			continue
		}
		next.do(s)
		s.t.Logf("%s: %s", wattline.At(next.at), next.what)
	}
	time.Sleep(time.Until(h.to.Add(10 * time.Minute)))
	synctest.Wait()
	s.stop()
	s.t.Logf("%d readings; %d of %d resets in outages", len(s.readings()), h.within, h.resets)
}

// past is what is known of a site afterwards.
type past struct {
	*site
	history *history.History
}

func (s *site) history() past {
	store := storetest.NewMemory()
	if err := store.Write(s.t.Context(), s.readings()); err != nil {
		s.t.Fatal(err)
	}
	return past{s, history.New(history.Options{Store: store, Log: slog.New(slog.DiscardHandler)})}
}

// consumption asks the history as the gateway does.
func (p past) consumption(window wattline.Window, from, to time.Time) []wattline.Consumption {
	query, err := json.Marshal(wattline.ConsumptionQuery{
		Groups: []wattline.Group{{Name: deviceID, Devices: []string{deviceID}}}, From: wattline.At(from), To: wattline.At(to),
		Window: window, Timezone: from.Location().String(), Limit: wattline.MaxPage,
	})
	if err != nil {
		p.t.Fatal(err)
	}
	answer, err := p.history.Verbs()[wattline.VerbConsumption](p.t.Context(), query)
	if err != nil {
		p.t.Fatal(err)
	}
	page, ok := answer.(wattline.ConsumptionPage)
	if !ok || page.Next != "" {
		p.t.Fatalf("answer %T", answer)
	}
	return page.Rows
}

// hold holds every window against the truth, to a tolerance.
func (p past) hold(window wattline.Window, from, to time.Time, tolerance float64) {
	rows := p.consumption(window, from, to)
	worst := 0.0
	for _, row := range rows {
		off := p.compare(row, tolerance)
		worst = max(worst, off)
	}
	p.t.Logf("%d windows of a %s, at worst %.4f %% wrong", len(rows), window, 100*worst)
}

func (p past) holdWhole(from, to time.Time, tolerance float64) {
	whole := wattline.Consumption{Start: wattline.At(from), End: wattline.At(to), EnergyWh: new(wattline.Milli)}
	for _, row := range p.consumption(wattline.WindowMonth, from, to) {
		*whole.EnergyWh += *row.EnergyWh
	}
	whole.Coverage, _ = p.coverage(from, to)
	p.t.Logf("the whole, %v Wh with a coverage of %v, is %.4f %% wrong", whole.EnergyWh, whole.Coverage, 100*p.compare(whole, tolerance))
}

// compare is the share by which a window's energy is wrong.
func (p past) compare(row wattline.Consumption, tolerance float64) float64 {
	energy, err := p.plug.TrueEnergyBetween(0, row.Start.Time, row.End.Time)
	if err != nil || row.EnergyWh == nil {
		p.t.Fatalf("from %v: %v, %+v", row.Start, err, row)
	}
	truth := energy.MilliWh()
	off := (row.EnergyWh.Float() - truth.Float()) / truth.Float()
	if off < -tolerance || off > tolerance {
		p.t.Errorf("from %v to %v, %v Wh are %v Wh, %+.3f %% wrong (coverage %v, estimated %v)", row.Start, row.End, truth, row.EnergyWh, 100*off, row.Coverage, row.Estimated)
	}
	want, gaps := p.coverage(row.Start.Time, row.End.Time)
	if slack := waited(gaps, row.End.Sub(row.Start.Time)); row.Coverage < want-slack || row.Coverage > want+1 {
		p.t.Errorf("from %v to %v the coverage is %v, and %v was observed", row.Start, row.End, row.Coverage, want)
	}
	return max(off, -off)
}

// waited is how much less of a window may be covered than was observed: after each gap a
// plug that does not know the time is waited for, and there is the rounding.
func waited(gaps int, window time.Duration) wattline.Milli {
	const each = 2*time.Minute + time.Minute // and the poll that finds the end of it
	return wattline.Milli(math.Ceil(1000*float64(gaps)*each.Seconds()/window.Seconds())) + 1
}

// coverage is the share of a time in which the plug was read: no more than three
// polls were missed. gaps is how often there were more.
func (p past) coverage(from, to time.Time) (share wattline.Milli, gaps int) {
	var covered time.Duration
	first, _ := slices.BinarySearchFunc(p.answered, from, time.Time.Compare)
	for i := max(1, first); i < len(p.answered) && p.answered[i-1].Before(to); i++ {
		before, at := p.answered[i-1], p.answered[i]
		if at.Sub(before) <= 3*p.poll {
			covered += time.Duration(min(at.UnixNano(), to.UnixNano()) - max(before.UnixNano(), from.UnixNano()))
		} else {
			gaps++
		}
	}
	return wattline.Milli(math.Floor(1000 * covered.Seconds() / to.Sub(from).Seconds())), gaps
}
