package collector

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/agents/kasa"
	"github.com/wattline/wattline/internal/journal"
)

var exact = cmp.AllowUnexported(counted{}, phase{}, mark{})

func TestAMemoIsAllThatItTakesToGoOn(t *testing.T) {
	c := counted{
		Reading: wattline.Reading{Device: "desk-1", Time: wattline.At(start), EnergyWh: 105_300, MeterWh: 5_000, Relay: wattline.RelayOn},
		phase:   phase{low: 99_900, high: 100_050, home: 99_500, strayed: true}, rest: 123_456, plug: "50:C7:BF:00:00:01",
		mark: mark{asked: wattline.At(start), date: kasa.Date{Year: 2026, Month: 3, Day: 2}, zone: "Europe/Madrid", statWh: 412_000, energyWh: 104_000},
	}
	for name, c := range map[string]counted{
		"after a day":           c,
		"after the first one":   {Reading: c.Reading, phase: unknownPhase(c.Reading)},
		"asked in vain":         {Reading: c.Reading, phase: unknownPhase(c.Reading), mark: mark{asked: wattline.At(start)}},
		"of another plug":       {Reading: c.Reading, phase: c.phase, plug: strings.Repeat("A", 255)},
		"far below its counter": {Reading: wattline.Reading{EnergyWh: 5, MeterWh: 5_000}, phase: knownPhase(-5_000)},
	} {
		t.Run(name, func(t *testing.T) {
			text, err := c.memo()
			if err != nil || len(text) > journal.MaxMemo {
				t.Fatalf("%d bytes, error %v", len(text), err)
			}
			if diff := cmp.Diff(&c, remembered(c.Reading, text), exact); diff != "" {
				t.Errorf("%s\n%s", text, diff)
			}
		})
	}
}

func TestAMemoThatDoesNotFitIsNotBelieved(t *testing.T) {
	reading := wattline.Reading{EnergyWh: 105_300, MeterWh: 5_000}
	for name, text := range map[string]string{
		"none": "", "not JSON": "{", "of another shape": `{"l":"x"}`,
		"of another reading":   `{"l":200000,"h":200000,"r":1}`,
		"the wrong way round":  `{"l":100000,"h":99800,"r":1}`,
		"beyond all measure":   `{"l":-9000000000000000000,"h":-8000000000000000000}`,
		"more than the number": `{"l":1e400,"h":1}`,
	} {
		if got := remembered(reading, []byte(text)); got.phase != unknownPhase(reading) || got.rest != 0 {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
