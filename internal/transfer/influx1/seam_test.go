package influx1_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/store/storetest"
	"github.com/wattline/wattline/internal/transfer/influx1"
)

// tenth is an export of a plug of 3.6 kW, read every 10 s for 100 s: 100 Wh.
func tenth(from int) string {
	var text strings.Builder
	for at := from; at <= from+100; at += 10 {
		fmt.Fprintf(&text, "power,id=sp_g0 value=3600 %d\n", after(at).UnixNano())
	}
	return text.String()
}

func own(seconds int, energy wattline.Milli) wattline.Reading {
	return wattline.Reading{
		Device: "sp_g0", Time: wattline.At(after(seconds).Add(123 * time.Millisecond)), PowerW: 3_600_000, VoltageV: 230_000,
		EnergyWh: energy, MeterWh: energy / 1000 * 1000, Relay: wattline.RelayOn,
	}
}

func TestTheCounterMeetsTheStoresOwn(t *testing.T) {
	for name, c := range map[string]struct {
		there []wattline.Reading
		// where the counter of the import begins and ends, in mWh
		begins, ends wattline.Milli
		readings     int64
		left         int64
	}{
		"which has none":                          {nil, 0, 100_000, 11, 0},
		"at the reading after it":                 {[]wattline.Reading{own(3600, 150_500)}, 50_500, 150_500, 11, 0},
		"exactly":                                 {[]wattline.Reading{own(3600, 100_000)}, 0, 100_000, 11, 0},
		"below 0, if the counter began later":     {[]wattline.Reading{own(3600, 30_000)}, -70_000, 30_000, 11, 0},
		"at the reading before it":                {[]wattline.Reading{own(-3600, 7_000)}, 7_000, 107_000, 11, 0},
		"at the reading after, having one before": {[]wattline.Reading{own(-3600, 7_000), own(3600, 120_000)}, 20_000, 120_000, 11, 0},
		"and ends where that begins meanwhile":    {[]wattline.Reading{own(44, 90_000), own(50, 90_100)}, 50_000, 90_000, 5, 6},
		"and is left out where that was before":   {[]wattline.Reading{own(-1, 5_000), own(4, 6_000)}, 6_000, 6_000, 1, 10},
	} {
		t.Run(name, func(t *testing.T) {
			target := storetest.NewMemory()
			if err := target.Write(t.Context(), c.there); err != nil {
				t.Fatal(err)
			}
			report, all := imported(t, []byte(tenth(0)), influx1.Options{Store: target})
			d := report.Devices[0]
			met := len(c.there) > 0 && c.there[len(c.there)-1].Time.After(start())
			if d.Reason != "" || d.Met != met || d.BeginsWh != c.begins || d.Readings != c.readings || d.Left != c.left {
				t.Errorf("%+v", d)
			}
			var ends wattline.Milli
			for i, r := range all {
				if r.VoltageV == 0 {
					ends = r.EnergyWh
				}
				if i > 0 && r.EnergyWh < all[i-1].EnergyWh {
					t.Errorf("the counter falls at %v", r.Time)
				}
			}
			if ends != c.ends || int64(len(all)-len(c.there)) != c.readings {
				t.Errorf("%d readings end at %v", len(all)-len(c.there), ends)
			}
		})
	}
}

func TestWhatWouldMakeTheCounterFallIsNotImported(t *testing.T) {
	for name, c := range map[string]struct {
		there []wattline.Reading
		says  string
	}{
		"more than was counted meanwhile": {
			[]wattline.Reading{own(-60, 50_000), own(3600, 149_999)},
			"it comes to 100 Wh, and the counter stands at 50 Wh before it and at 149.999 Wh after it",
		},
	} {
		t.Run(name, func(t *testing.T) {
			target := storetest.NewMemory()
			if err := target.Write(t.Context(), c.there); err != nil {
				t.Fatal(err)
			}
			text := []byte(tenth(0) + strings.ReplaceAll(tenth(0), "sp_g0", "sp_g1"))
			report, all := imported(t, text, influx1.Options{Store: target})
			if d := report.Devices[0]; !strings.Contains(d.Reason, c.says) || report.OK() {
				t.Errorf("%+v", d)
			}
			if len(all) != len(c.there)+11 {
				t.Errorf("%d readings are there: the other device's should be", len(all))
			}
		})
	}
}

func TestRepeatingAnImportChangesNothing(t *testing.T) {
	target := storetest.NewMemory()
	_, want := imported(t, []byte(tenth(0)), influx1.Options{Store: target})
	same := func(name string, options influx1.Options, text string, want []wattline.Reading) {
		t.Helper()
		options.Store = target
		report, got := imported(t, []byte(text), options)
		if diff := cmp.Diff(want, got); diff != "" || !report.OK() {
			t.Errorf("%s: %+v\n%s", name, report.Devices, diff)
		}
	}
	same("at once", influx1.Options{}, tenth(0), want)
	// What comes later in the store does not move what is there already.
	later := own(3600, 5_000_000)
	if err := target.Write(t.Context(), []wattline.Reading{later}); err != nil {
		t.Fatal(err)
	}
	want = append(want, later)
	same("after the plug was read on", influx1.Options{}, tenth(0), want)
	// The next export may begin earlier, and go on to where readings are not yet.
	longer := tenth(50) + tenth(110)
	report, all := imported(t, []byte(longer), influx1.Options{Store: target})
	if len(all) != len(want)+11 || !report.OK() || all[len(all)-2].EnergyWh != 210_000 {
		t.Errorf("%+v: %d readings end at %v", report.Devices, len(all), all[len(all)-2].EnergyWh)
	}
}

// dying fails for good at its nth write, before or after having done it.
type dying struct {
	*storetest.Memory

	writes int
	done   bool
}

var errDied = errors.New("died")

func (d *dying) Write(ctx context.Context, readings []wattline.Reading) error {
	if d.writes--; d.writes >= 0 {
		return d.Memory.Write(ctx, readings)
	}
	if d.done {
		return errors.Join(d.Memory.Write(ctx, readings), errDied)
	}
	return errDied
}

func TestAnImportThatWasEndedIsMendedByRepeatingIt(t *testing.T) {
	var text bytes.Buffer
	for i := range 5_100 { // just more than a page of both
		for _, id := range []string{"sp_g0", "sp_w.r1.c1"} {
			fmt.Fprintf(&text, "power,id=%s value=%d %d\n", id, i%100, after(5*i).UnixNano())
		}
	}
	_, want := imported(t, text.Bytes(), influx1.Options{})
	for _, c := range []struct {
		writes int
		done   bool
	}{{0, true}, {1, false}, {1, true}} {
		t.Run(fmt.Sprintf("after %d pages, the last one kept: %t", c.writes, c.done), func(t *testing.T) {
			target := &dying{storetest.NewMemory(), c.writes, c.done}
			options := influx1.Options{Export: bytes.NewReader(text.Bytes()), Store: target, Folder: t.TempDir()}
			if _, err := influx1.Import(t.Context(), options); !errors.Is(err, errDied) {
				t.Fatal(err)
			}
			_, got := imported(t, text.Bytes(), influx1.Options{Store: target.Memory})
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
