package collector_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/agents/agenttest"
	"github.com/wattline/wattline/agents/collector"
	"github.com/wattline/wattline/agents/kasa"
)

// published is what another collector said of desk-1 so long ago.
func published(ago time.Duration, energy wattline.Milli) wattline.Reading {
	return wattline.Reading{
		Device: "desk-1", Time: wattline.At(time.Now().Add(-ago)), PowerW: 60_000, VoltageV: 230_000, CurrentA: 260,
		EnergyWh: energy, MeterWh: 4_000, Relay: wattline.RelayOn, CoversS: 5_000, Stream: "another", Seq: 99,
	}
}

// takenOver runs a collector until its first readings of desk-1, which has counted
// 5 Wh, with what the broker retains and the journal has.
func takenOver(t *testing.T, retained json.RawMessage, journal *journal) []wattline.Reading {
	o := office{bus: agenttest.New(t), plugs: newPlugs(), journal: journal}
	if retained != nil {
		if err := o.bus.Retain(t.Context(), dataTopic("desk-1"), retained); err != nil {
			t.Fatal(err)
		}
	}
	c := collector.New(collector.Options{Bus: o.bus, Plugs: o.plugs, Journal: o.journal, Site: "hq", Log: slog.New(slog.DiscardHandler)})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	synctest.Wait()
	have := len(journal.kept())
	o.add("desk-1", metered)
	after(12 * time.Second)
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if len(journal.kept()) < have+2 {
		t.Fatalf("%d readings", len(journal.kept()))
	}
	return journal.kept()[have:]
}

func encoded(t *testing.T, reading wattline.Reading) json.RawMessage {
	text, err := json.Marshal(reading)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestACollectorGoesOnFromWhatAnotherPublished(t *testing.T) {
	const fresh wattline.Milli = 5_500 // a device that nobody has read before
	journaled := func(t *testing.T, ago time.Duration, energy wattline.Milli) *journal {
		j := newJournal()
		if _, err := j.AppendAll(t.Context(), []wattline.Reading{published(ago, energy)}, nil); err != nil {
			t.Fatal(err)
		}
		return j
	}
	for name, c := range map[string]struct {
		retained func(t *testing.T) json.RawMessage
		journal  func(t *testing.T) *journal
		// the first energy lies between these
		least, most wattline.Milli
	}{
		"with an empty journal":       {func(t *testing.T) json.RawMessage { return encoded(t, published(10*time.Second, 700_000)) }, nil, 700_001, 702_000},
		"with an old one":             {func(t *testing.T) json.RawMessage { return encoded(t, published(10*time.Second, 700_000)) }, func(t *testing.T) *journal { return journaled(t, time.Hour, 600_000) }, 700_001, 702_000},
		"but not if its own is newer": {func(t *testing.T) json.RawMessage { return encoded(t, published(time.Hour, 700_000)) }, func(t *testing.T) *journal { return journaled(t, time.Minute, 800_000) }, 800_000, 802_000},
		"nor if there is nothing":     {nil, nil, fresh, fresh},
		"nor from another device's": {func(t *testing.T) json.RawMessage {
			r := published(time.Second, 700_000)
			r.Device = "desk-2"
			return encoded(t, r)
		}, nil, fresh, fresh},
		"nor from the future":            {func(t *testing.T) json.RawMessage { return encoded(t, published(-time.Hour, 700_000)) }, nil, fresh, fresh},
		"nor from what is no reading":    {func(*testing.T) json.RawMessage { return json.RawMessage(`{"device":"desk-1"}`) }, nil, fresh, fresh},
		"nor from what no plug counts":   {func(t *testing.T) json.RawMessage { return encoded(t, published(time.Second, wattline.MaxMilli)) }, nil, fresh, fresh},
		"nor from what is not even JSON": {func(*testing.T) json.RawMessage { return json.RawMessage(`"` + "\\u0000" + `"`) }, nil, fresh, fresh},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				time.Sleep(300 * 24 * time.Hour) // so that there is a past
				j := newJournal()
				if c.journal != nil {
					j = c.journal(t)
				}
				var retained json.RawMessage
				if c.retained != nil {
					retained = c.retained(t)
				}
				got := takenOver(t, retained, j)
				if first := got[0].EnergyWh; first < c.least || first > c.most {
					t.Errorf("it began with %v Wh", first)
				}
				for i := 1; i < len(got); i++ {
					if used := got[i].EnergyWh - got[i-1].EnergyWh; used < 0 || used > 84 {
						t.Errorf("it went on by %v Wh in 5 s of 60 W", used)
					}
				}
			})
		})
	}
}

func TestACollectorHearsWhatComesWhileItWaits(t *testing.T) {
	run(t, func(t *testing.T, o office) {
		time.Sleep(24 * time.Hour)
		o.add("desk-1", metered)
		after(500 * time.Millisecond)
		if n := len(o.readings("desk-1")); n > 0 {
			t.Fatalf("%d readings before another collector's could come", n)
		}
		o.bus.Deliver(dataTopic("desk-1"), published(10*time.Second, 700_000))
		after(time.Second)
		if got := o.readings("desk-1"); len(got) == 0 || got[0].EnergyWh < 700_000 {
			t.Errorf("%+v", got)
		}
	})
}

// What a collector publishes comes back to it, and may come back changed.
func TestACollectorDoesNotAnswerItsOwnEcho(t *testing.T) {
	run(t, func(t *testing.T, o office) {
		o.add("desk-1", metered)
		after(8 * time.Second)
		forged := published(-time.Second, 900_000_000)
		for range 20 {
			after(5 * time.Second)
			o.bus.Deliver(dataTopic("desk-1"), forged)
			forged.Time = wattline.At(forged.Time.Add(5 * time.Second))
		}
		moved := device("desk-1")
		moved.Address = "elsewhere.lan"
		o.plugs.set("elsewhere.lan", metered)
		o.bus.DeliverDevice(moved)
		after(20 * time.Second)
		got := o.readings("desk-1")
		if last := got[len(got)-1]; last.EnergyWh > 10_000 {
			t.Errorf("after %d readings it stands at %v Wh", len(got), last.EnergyWh)
		}
	})
}

func TestACollectorThatStartsAgainGoesOnWhereItWas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newJournal()
		takenOver(t, nil, j)
		text := string(j.memos["desk-1"])
		later := takenOver(t, nil, j)
		if before := j.kept()[len(j.kept())-len(later)-1]; later[0].EnergyWh-before.EnergyWh > 200 || later[0].CoversS == 0 {
			t.Errorf("from %+v it went on to %+v", before, later[0])
		}
		if text == "" || string(j.memos["desk-1"]) == "" {
			t.Error("there is no memo")
		}
	})
}

func TestACounterThatShowsNonsenseFirstCostsNothing(t *testing.T) {
	run(t, func(t *testing.T, o office) {
		time.Sleep(24 * time.Hour)
		if _, err := o.journal.AppendAll(t.Context(), []wattline.Reading{published(10*time.Second, 700_000)}, nil); err != nil {
			t.Fatal(err)
		}
		var once sync.Once
		o.add("desk-1", func(ctx context.Context) (kasa.Measurement, error) {
			m, err := metered(ctx)
			once.Do(func() { m.Meter.TotalWh = 2_000_000_000 })
			return m, err
		})
		after(12 * time.Second)
		if got := o.journal.kept(); len(got) < 3 || got[1].EnergyWh > 702_000 || got[1].MeterWh != 5_000 || len(o.states("desk-1")) == 0 {
			t.Errorf("%+v", got)
		}
	})
}
