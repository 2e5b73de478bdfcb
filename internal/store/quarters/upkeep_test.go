package quarters_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/store"
	"github.com/wattline/wattline/internal/store/quarters"
	"github.com/wattline/wattline/internal/store/storetest"
)

// noon is when these tests begin.
func noon() time.Time { return time.Date(2026, 3, 28, 12, 0, 0, 0, time.UTC) }

// office is a store whose Upkeep can be run, in a bubble of time.
type office struct {
	*testing.T
	*kept
	model *storetest.Memory
	stop  func()
}

// inOffice runs a test at noon.
func inOffice(t *testing.T, test func(*office)) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(noon()))
		o := &office{T: t, kept: newKept(time.Now), model: storetest.NewMemory(), stop: func() {}}
		defer func() { o.stop() }()
		test(o)
	})
}

// begin starts Upkeep, anew if it runs, and lets it do what it can.
func (o *office) begin() {
	o.stop()
	ctx, cancel := context.WithCancel(o.Context())
	ended := make(chan error)
	go func() { ended <- o.Upkeep(ctx) }()
	o.stop = func() {
		cancel()
		if err := <-ended; err != nil {
			o.Errorf("upkeep: %v", err)
		}
		o.stop = func() {}
	}
	o.pass(time.Second)
}

func (o *office) pass(long time.Duration) {
	time.Sleep(long)
	synctest.Wait()
}

func reading(device string, at time.Time) wattline.Reading {
	return wattline.Reading{
		Device: device, Time: wattline.At(at), PowerW: 61_753, VoltageV: 230_117, CurrentA: 268,
		EnergyWh: wattline.Milli(at.UnixMilli() % 1e12), Relay: wattline.RelayOn, CoversS: 5000,
	}
}

// write writes to both stores.
func (o *office) write(readings ...wattline.Reading) {
	o.Helper()
	for _, err := range []error{o.kept.write(o.Context(), readings), o.model.Write(o.Context(), readings)} {
		if err != nil {
			o.Fatal(err)
		}
	}
}

// read writes a reading a minute.
func (o *office) read(device string, from, to time.Time) {
	o.Helper()
	var all []wattline.Reading
	for at := from; at.Before(to); at = at.Add(time.Minute) {
		all = append(all, reading(device, at))
	}
	o.write(all...)
}

// asks compares answers over a stretch, and counts the questions to the readings
// that they took.
func (o *office) asks(from, to time.Time, devices ...string) int {
	o.Helper()
	before := o.raw.questions()
	for _, every := range []time.Duration{store.QuarterHour, time.Hour, 24 * time.Hour} {
		query := store.SummaryQuery{Devices: devices, From: from, To: to, Every: every, Values: true}
		want, err := o.model.Summaries(o.Context(), query)
		if err != nil {
			o.Fatal(err)
		}
		got, err := o.Summaries(o.Context(), query)
		if err != nil {
			o.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			o.Fatalf("%+v (-readings +records):\n%s", query, diff)
		}
	}
	return o.raw.questions() - before
}

func TestUpkeepSealsWhatHasEnded(t *testing.T) {
	inOffice(t, func(o *office) {
		o.read("a", noon().AddDate(0, 0, -3), noon())
		o.begin()
		o.pass(time.Minute)
		if n := o.asks(noon().AddDate(0, 0, -2), noon().Add(-4*time.Hour), "a"); n != 0 {
			o.Errorf("%d questions went to the readings", n)
		}
		if n := o.asks(noon().AddDate(0, 0, -2), noon(), "a"); n == 0 {
			o.Error("the last hour was sealed before its grace")
		}
		o.pass(2 * time.Minute)
		if sealed := o.SealedBefore(); !sealed.Equal(noon()) {
			o.Errorf("sealed before %v", sealed)
		}
		o.read("a", noon(), noon().Add(3*time.Hour))
		o.pass(3 * time.Hour)
		if sealed := o.SealedBefore(); !sealed.Equal(noon().Add(3 * time.Hour)) {
			o.Errorf("three hours later: sealed before %v", sealed)
		}
		if n := o.asks(noon().AddDate(0, 0, -2), noon().Add(-time.Hour), "a"); n != 0 {
			o.Errorf("three hours later: %d questions went to the readings", n)
		}
	})
}

func TestALateReadingCountsAtOnceAndIsSealedAgain(t *testing.T) {
	inOffice(t, func(o *office) {
		o.read("a", noon().AddDate(0, 0, -3), noon())
		o.begin()
		o.pass(time.Hour)
		late := reading("a", noon().Add(-30*time.Hour+1234*time.Millisecond))
		o.write(late)
		if n := o.asks(noon().AddDate(0, 0, -2), noon().AddDate(0, 0, -1), "a"); n == 0 {
			o.Error("the quarter-hour was not un-sealed")
		}
		if sealed := o.SealedBefore(); sealed.After(late.Time.Time) {
			o.Errorf("sealed before %v, in spite of the late reading", sealed)
		}
		o.pass(2 * time.Minute)
		if n := o.asks(noon().AddDate(0, 0, -2), noon().AddDate(0, 0, -1), "a"); n != 0 {
			o.Errorf("two minutes later %d questions still went to the readings", n)
		}
	})
}

func TestUpkeepCatchesUpWithAllThatThereIs(t *testing.T) {
	inOffice(t, func(o *office) {
		from := noon().AddDate(0, 0, -100)
		for _, device := range []string{"a", "b", "c"} {
			o.read(device, from, from.Add(2*time.Hour))
			o.read(device, noon().AddDate(0, 0, -20), noon().AddDate(0, 0, -20).Add(2*time.Hour))
		}
		o.begin()
		o.pass(time.Hour)
		all := []string{"a", "b", "c", "never-seen"}[:3]
		for _, days := range []int{-2000, -101, -100, -50, -20, -19, -2} {
			if n := o.asks(noon().AddDate(0, 0, days), noon().AddDate(0, 0, -1), all...); n != 0 {
				o.Errorf("from %d days ago: %d questions went to the readings", -days, n)
			}
		}
		// Older readings still, of a device that came to be known meanwhile as well.
		for _, device := range []string{"a", "d"} {
			o.read(device, from.AddDate(0, 0, -30), from.AddDate(0, 0, -30).Add(time.Hour))
		}
		o.asks(noon().AddDate(0, 0, -2000), noon(), "a", "b", "d")
		o.begin() // as after a restart
		o.pass(time.Hour)
		if n := o.asks(from.AddDate(0, 0, -60), noon().AddDate(0, 0, -1), "b", "d"); n != 0 {
			o.Errorf("at last %d questions went to the readings", n)
		}
	})
}

func TestUpkeepTriesAgainWhatFailed(t *testing.T) {
	inOffice(t, func(o *office) {
		o.read("a", noon().AddDate(0, 0, -3), noon())
		o.records.fail(errors.New("the disk is gone"))
		o.begin()
		o.pass(time.Hour)
		if err := o.kept.write(o.Context(), []wattline.Reading{reading("b", noon().AddDate(0, 0, -1))}); err == nil {
			o.Error("a late reading was taken that could not be un-sealed")
		}
		if !o.SealedBefore().Before(noon().AddDate(0, 0, -3)) {
			o.Errorf("sealed before %v", o.SealedBefore())
		}
		o.records.fail(nil)
		o.pass(5 * time.Minute)
		if n := o.asks(noon().AddDate(0, 0, -2), noon().AddDate(0, 0, -1), "a"); n != 0 {
			o.Errorf("%d questions went to the readings", n)
		}
	})
}

func TestLostRecordsAreMadeAnew(t *testing.T) {
	inOffice(t, func(o *office) {
		o.read("a", noon().AddDate(0, 0, -30), noon().AddDate(0, 0, -29))
		o.begin()
		o.pass(time.Hour)
		o.records.forget()
		o.Lose()
		if !o.SealedBefore().IsZero() {
			o.Errorf("sealed before %v", o.SealedBefore())
		}
		o.asks(noon().AddDate(0, 0, -40), noon(), "a")
		o.pass(time.Hour)
		if n := o.asks(noon().AddDate(0, 0, -40), noon().AddDate(0, 0, -1), "a"); n != 0 {
			o.Errorf("%d questions went to the readings", n)
		}
	})
}

func TestTooManyLateReadingsToBeFollowedKeepEverything(t *testing.T) {
	inOffice(t, func(o *office) {
		o.read("a", noon().AddDate(0, 0, -1), noon())
		o.begin()
		o.pass(time.Hour)
		if o.SealedBefore().IsZero() {
			o.Fatal("nothing is sealed to begin with")
		}
		const devices, days = 200, 501 // a few more than are followed
		late := make([]wattline.Reading, 0, devices*days)
		for day := range days {
			for n := range devices {
				late = append(late, reading(fmt.Sprint("late-", n), noon().AddDate(0, 0, -2-day)))
			}
		}
		done, err := o.Writing(o.Context(), late)
		if err != nil {
			o.Fatal(err)
		}
		done()
		if at := o.SealedBefore(); !at.IsZero() {
			o.Errorf("all is said to be sealed before %v", at)
		}
	})
}

func TestNothingStaleIsSealed(t *testing.T) {
	yesterday := noon().AddDate(0, 0, -1)
	t.Run("when a late reading comes while its quarter-hour is being sealed", func(t *testing.T) {
		inOffice(t, func(o *office) {
			o.read("a", noon().AddDate(0, 0, -2), noon())
			var late sync.WaitGroup
			var once sync.Once
			o.raw.during = func(query quarters.RawQuery) {
				if !query.From.Before(yesterday) || !query.To.After(yesterday.Add(time.Second)) {
					return
				}
				once.Do(func() { late.Go(func() { o.write(reading("a", yesterday.Add(time.Second))) }) })
				time.Sleep(time.Second) // an answer that takes its time
			}
			o.begin()
			o.pass(time.Minute)
			late.Wait()
			o.pass(time.Hour)
			o.asks(noon().AddDate(0, 0, -3), noon(), "a")
		})
	})
	t.Run("when a write takes so long that its quarter-hour ends meanwhile", func(t *testing.T) {
		inOffice(t, func(o *office) {
			o.read("a", noon().AddDate(0, 0, -2), noon())
			o.begin()
			one := []wattline.Reading{reading("a", time.Now())}
			done, err := o.Writing(o.Context(), one)
			if err != nil {
				o.Fatal(err)
			}
			o.pass(5 * time.Hour)
			if err := errors.Join(o.raw.Write(o.Context(), one), o.model.Write(o.Context(), one)); err != nil {
				o.Fatal(err)
			}
			done()
			o.pass(time.Hour)
			o.asks(noon().AddDate(0, 0, -3), noon().Add(4*time.Hour), "a")
			if sealed := o.SealedBefore(); sealed.Before(noon().Add(5 * time.Hour)) {
				o.Errorf("sealed before %v", sealed)
			}
		})
	})
	t.Run("when the clock is set back", func(t *testing.T) {
		inOffice(t, func(o *office) {
			ahead := 10 * time.Hour
			o.Keeper = quarters.New(quarters.Options{
				Kept: o.records, Raw: o.raw, Now: func() time.Time { return time.Now().Add(ahead) },
			})
			o.read("a", noon().AddDate(0, 0, -2), noon())
			o.begin()
			o.pass(time.Hour)
			ahead = 0
			for hour := range 12 {
				o.read("a", noon().Add(time.Duration(hour)*time.Hour), noon().Add(time.Duration(hour+1)*time.Hour))
				o.asks(noon().AddDate(0, 0, -3), noon().Add(20*time.Hour), "a")
				o.pass(time.Hour)
			}
			o.asks(noon().AddDate(0, 0, -3), noon().Add(20*time.Hour), "a")
		})
	})
}

func TestManyWritersAndAskersAtOnce(t *testing.T) {
	inOffice(t, func(o *office) {
		o.read("a", noon().AddDate(0, 0, -5), noon())
		o.begin()
		var all sync.WaitGroup
		for w := range 4 {
			all.Go(func() {
				random := rand.New(rand.NewPCG(1, uint64(w)))
				for range 300 {
					device := string(rune('a' + random.IntN(3)))
					at := noon().Add(-time.Duration(random.Int64N(int64(5 * 24 * time.Hour))))
					o.write(reading(device, at))
					time.Sleep(time.Duration(random.Int64N(int64(time.Minute))))
				}
			})
			all.Go(func() {
				for range 100 {
					_, err := o.Summaries(o.Context(), store.SummaryQuery{
						Devices: []string{"a", "b", "c"}, From: noon().AddDate(0, 0, -6), To: noon(), Every: time.Hour,
					})
					if err != nil {
						o.Error(err)
					}
					time.Sleep(time.Minute)
				}
			})
		}
		all.Wait()
		o.pass(time.Hour)
		if n := o.asks(noon().AddDate(0, 0, -4), noon().AddDate(0, 0, -1), "a", "b", "c"); n != 0 {
			o.Errorf("%d questions went to the readings", n)
		}
	})
}
