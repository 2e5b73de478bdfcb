package collector_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/agents/agenttest"
	"github.com/wattline/wattline/agents/collector"
	"github.com/wattline/wattline/internal/bus"
)

// history knows where devices stood; it fails as it is told.
type history struct {
	mu    sync.Mutex
	last  map[string]wattline.LastReading
	err   error
	takes time.Duration
	asked []int // how many devices at a time
}

func (h *history) answer(_ context.Context, request bus.Request) (any, error) {
	var query wattline.LastQuery
	if err := json.Unmarshal(request.Envelope.Body, &query); err != nil || request.Topic.Verb != wattline.VerbLast {
		return nil, fmt.Errorf("asked for %s: %w", request.Topic.Verb, err)
	}
	time.Sleep(h.takes)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.asked = append(h.asked, len(query.Devices))
	if h.err != nil {
		return nil, h.err
	}
	page := wattline.LastPage{Last: []wattline.LastReading{}}
	for _, device := range query.Devices {
		if last, ok := h.last[device]; ok {
			page.Last = append(page.Last, last)
		}
	}
	return page, nil
}

func (h *history) fail(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.err = err
}

func (h *history) questions() []int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]int(nil), h.asked...)
}

// with has a history answer from now on.
func (o office) with(t *testing.T, h *history) {
	t.Helper()
	_, err := o.bus.Respond(bus.RespondOptions{
		Filter: wattline.Topic{Kind: wattline.TopicQuery, Component: wattline.RoleHistory},
	}, h.answer)
	if err != nil {
		t.Fatal(err)
	}
}

// knowing is a history that knows desk-1, whose counter shows 5 Wh, by a reading.
func knowing(reading wattline.Reading) *history {
	reading.Stream, reading.Seq = "", 0
	point := wattline.Point{Time: reading.Time, EnergyWh: reading.EnergyWh, CoversS: reading.CoversS}
	return &history{last: map[string]wattline.LastReading{"desk-1": {Device: "desk-1", Point: point, Reading: &reading}}}
}

func TestADeviceThatOnlyTheHistoryKnows(t *testing.T) {
	const day = 24 * time.Hour
	aged := func(energy wattline.Milli) *history {
		h := knowing(published(3*365*day, energy))
		h.last["desk-1"] = wattline.LastReading{Device: "desk-1", Point: h.last["desk-1"].Point}
		return h
	}
	for name, c := range map[string]struct {
		history     func() *history
		least, most wattline.Milli // of its first energy
	}{
		"goes on from its last reading":                      {func() *history { return knowing(published(time.Hour, 500_000_000)) }, 500_000_500, 500_002_000},
		"goes on though the plug was erased":                 {func() *history { r := published(time.Hour, 500_000_000); r.MeterWh = 90_000; return knowing(r) }, 500_004_000, 500_007_000},
		"goes on from its energy alone":                      {func() *history { return aged(500_000_000) }, 500_000_000, 500_001_000},
		"goes on after a clock was ahead":                    {func() *history { return knowing(published(-time.Hour, 500_000_000)) }, 500_000_000, 500_002_000},
		"begins if it was never read":                        {func() *history { return &history{} }, 5_500, 5_500},
		"begins where it is said to stand where no plug can": {func() *history { return knowing(published(time.Hour, wattline.MaxMilli)) }, 5_500, 5_500},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, func(t *testing.T, o office) {
				time.Sleep(4 * 365 * day)
				o.with(t, c.history())
				o.add("desk-1", metered)
				after(12 * time.Second)
				got := o.journal.kept()
				if len(got) < 2 || got[0].EnergyWh < c.least || got[0].EnergyWh > c.most || got[1].EnergyWh < got[0].EnergyWh {
					t.Fatalf("%+v", got)
				}
				if c.least == 5_500 && got[0].Quality != 0 {
					t.Errorf("its first reading is %q", got[0].Quality)
				}
			})
		})
	}
}

func TestAHistoryIsAskedOnlyWhereNobodyElseKnows(t *testing.T) {
	run(t, func(t *testing.T, o office) {
		time.Sleep(time.Hour)
		h := knowing(published(time.Hour, 900_000_000))
		o.with(t, h)
		if _, err := o.journal.AppendAll(t.Context(), []wattline.Reading{published(10*time.Second, 700_000)}, nil); err != nil {
			t.Fatal(err)
		}
		o.add("desk-1", metered)
		after(time.Minute)
		if got := o.journal.kept()[1]; got.EnergyWh > 702_000 || len(h.questions()) > 0 {
			t.Errorf("asked %v, it went on at %v Wh", h.questions(), got.EnergyWh)
		}
	})
}

// A device may have been read by another collector meanwhile, of which the broker has
// nothing: it ran on a box with a broker of its own, or the device moved here and back.
func TestAJournalThatIsOldAndAHistory(t *testing.T) {
	const day = 24 * time.Hour
	for name, c := range map[string]struct {
		history     func() *history
		least, most wattline.Milli // of the next energy; the journal has 600 Wh
	}{
		"that is newer":        {func() *history { return knowing(published(10*time.Second, 900_000)) }, 900_000, 902_000},
		"that is older":        {func() *history { return knowing(published(21*day, 500_000)) }, 600_000, 602_000},
		"that has nothing":     {func() *history { return &history{} }, 600_000, 602_000},
		"that does not answer": {func() *history { return &history{err: wattline.Errorf(wattline.CodeInternal, "the store is down")} }, 600_000, 602_000},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, func(t *testing.T, o office) {
				time.Sleep(30 * day)
				if _, err := o.journal.AppendAll(t.Context(), []wattline.Reading{published(20*day, 600_000)}, nil); err != nil {
					t.Fatal(err)
				}
				o.with(t, c.history())
				o.add("desk-1", metered)
				after(90 * time.Second)
				if got := o.journal.kept(); len(got) < 3 || got[1].EnergyWh < c.least || got[1].EnergyWh > c.most {
					t.Errorf("%d readings, %+v", len(got), got[:min(len(got), 2)])
				}
			})
		})
	}
}

func TestAHistoryThatFailsIsAskedAgain(t *testing.T) {
	failing := func() *history {
		h := knowing(published(time.Hour, 500_000_000))
		h.err = wattline.Errorf(wattline.CodeInternal, "the store is down")
		return h
	}
	t.Run("and nothing is recorded before", func(t *testing.T) {
		run(t, func(t *testing.T, o office) {
			time.Sleep(24 * time.Hour)
			h := failing()
			o.with(t, h)
			o.add("desk-1", metered)
			after(40 * time.Second)
			if got := o.journal.kept(); len(got) > 0 || len(o.states("desk-1")) == 0 {
				t.Fatalf("%+v, %d states", got, len(o.states("desk-1")))
			}
			h.fail(nil)
			after(10 * time.Second)
			if got := o.journal.kept(); len(got) == 0 || got[0].EnergyWh < 500_000_000 {
				t.Errorf("%+v", got)
			}
		})
	})
	t.Run("for a minute", func(t *testing.T) {
		run(t, func(t *testing.T, o office) {
			time.Sleep(24 * time.Hour)
			o.with(t, failing())
			o.add("desk-1", metered)
			after(75 * time.Second)
			if got := o.journal.kept(); len(got) == 0 || got[0].EnergyWh != 5_500 || !got[0].Quality.Has(wattline.QualityAfterGap) {
				t.Errorf("%+v", got)
			}
		})
	})
}

func TestWithoutAHistory(t *testing.T) {
	t.Run("a device begins at once, and says that what was before is not known", func(t *testing.T) {
		run(t, func(t *testing.T, o office) {
			o.add("desk-1", metered)
			after(2 * time.Second)
			if got := o.journal.kept(); len(got) == 0 || got[0].EnergyWh != 5_500 || !got[0].Quality.Has(wattline.QualityAfterGap) {
				t.Errorf("%+v", got)
			}
		})
	})
	t.Run("one that starts as well is given its time", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			time.Sleep(24 * time.Hour)
			o := office{bus: agenttest.New(t), plugs: newPlugs(), journal: newJournal()}
			c := collector.New(collector.Options{
				Bus: o.bus, Plugs: o.plugs, Journal: o.journal, Site: "hq", AwaitHistory: 15 * time.Second, Log: slog.New(slog.DiscardHandler),
			})
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- c.Run(ctx) }()
			synctest.Wait()
			o.add("desk-1", metered)
			after(12 * time.Second)
			o.with(t, knowing(published(time.Hour, 500_000_000)))
			after(10 * time.Second)
			if got := o.journal.kept(); len(got) == 0 || got[0].EnergyWh < 500_000_000 {
				t.Errorf("%+v", got)
			}
			cancel()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		})
	})
}

func TestManyDevicesAskAHistoryTogether(t *testing.T) {
	const devices = 2000 // at 200 first contacts a second
	run(t, func(t *testing.T, o office) {
		h := &history{takes: 100 * time.Millisecond}
		o.with(t, h)
		for n := range devices {
			o.add(fmt.Sprint("desk-", n), metered)
		}
		after(devices/200*time.Second + 5*time.Second)
		asked, sum := h.questions(), 0
		for _, n := range asked {
			sum += n
		}
		if sum != devices || len(asked) > devices/5 {
			t.Errorf("%d questions for %d devices", len(asked), sum)
		}
	})
}
