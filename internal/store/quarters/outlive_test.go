package quarters_test

import (
	"testing"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/store"
)

func TestQuarterHoursOutliveTheirReadings(t *testing.T) {
	inOffice(t, func(o *office) {
		for _, device := range []string{"a", "b"} {
			o.read(device, noon().AddDate(0, 0, -40), noon().AddDate(0, 0, -39).Add(7*time.Minute))
			o.read(device, noon().AddDate(0, 0, -20), noon())
		}
		o.begin()
		o.pass(time.Hour)
		o.raw.Forget(noon().AddDate(0, 0, -10))
		for _, days := range []int{-60, -40, -39, -20, -15, -10} {
			o.asks(noon().AddDate(0, 0, days), noon().AddDate(0, 0, -5), "a", "b")
			o.asks(noon().AddDate(0, 0, days), noon().AddDate(0, 0, days).Add(13*store.QuarterHour), "a", "b")
		}
		rebuilt, err := o.Rebuild(o.Context(), store.RebuildQuery{Devices: []string{"a", "b"}, From: noon().AddDate(0, 0, -60), To: noon()})
		if err != nil || rebuilt.Changed != 0 || rebuilt.Days != 2*11 {
			o.Errorf("rebuilt %+v: %v", rebuilt, err)
		}
		o.asks(noon().AddDate(0, 0, -60), noon(), "a", "b")
	})
}

func TestAQuarterHourWhoseReadingsAreGoneLosesNothingToALateOne(t *testing.T) {
	old := noon().AddDate(0, 0, -20)
	within := func(o *office, late ...wattline.Reading) {
		if err := o.kept.write(o.Context(), late); err != nil {
			o.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		offset time.Duration
		write  func(*office, ...wattline.Reading)
	}{
		"which is left out, if it may be one that was counted": {5*time.Minute + time.Second, within},
		"which is left out, if it is one that was counted":     {13 * time.Minute, within},
		"which is added, if it comes before them":              {time.Minute, (*office).write},
		"which is added, if it comes after them":               {14 * time.Minute, (*office).write},
	} {
		t.Run(name, func(t *testing.T) {
			inOffice(t, func(o *office) {
				o.read("a", old.Add(2*time.Minute), old.Add(14*time.Minute))
				o.read("a", noon().AddDate(0, 0, -1), noon())
				o.begin()
				o.pass(time.Hour)
				o.raw.Forget(noon().AddDate(0, 0, -10))
				late := reading("a", old.Add(c.offset))
				late.CoversS = 0 // nobody was watching before it
				c.write(o, late)
				o.asks(old.AddDate(0, 0, -1), noon(), "a") // before it is sealed again
				o.pass(time.Hour)
				o.asks(old.AddDate(0, 0, -1), noon(), "a")
				if _, err := o.Rebuild(o.Context(), store.RebuildQuery{Devices: []string{"a"}, From: old, To: noon()}); err != nil {
					o.Fatal(err)
				}
				o.asks(old.AddDate(0, 0, -1), noon(), "a")
			})
		})
	}
}
