package packed_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/packed"
)

func readings() *rapid.Generator[[]wattline.Reading] {
	milli := rapid.Custom(func(t *rapid.T) wattline.Milli {
		return wattline.Milli(rapid.Int64Range(-int64(wattline.MaxMilli), int64(wattline.MaxMilli)).Draw(t, "milli"))
	})
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) wattline.Reading {
		return wattline.Reading{
			Device: rapid.SampledFrom([]string{"desk-1", "desk-2", "sp_w.r1.c1"}).Draw(t, "device"),
			Time:   wattline.AtMilli(rapid.Int64Range(946_684_800_000, 7_000_000_000_000).Draw(t, "time")),
			PowerW: milli.Draw(t, "power"), VoltageV: milli.Draw(t, "voltage"), CurrentA: milli.Draw(t, "current"),
			EnergyWh: milli.Draw(t, "energy"), MeterWh: milli.Draw(t, "meter"), CoversS: milli.Draw(t, "covers"),
			RSSIdBm: rapid.Int().Draw(t, "rssi"), Relay: wattline.RelayOf(rapid.Bool().Draw(t, "relay")),
			Quality: wattline.Quality(rapid.Uint16().Draw(t, "quality")),
		}
	}), 0, 50)
}

func TestReadingsComeBackAsTheyWere(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := readings().Draw(t, "readings")
		data := packed.Append([]byte("before"), want)[len("before"):]
		got, err := packed.Decode(nil, data, len(want))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Fatal(diff)
		}
		if n := packed.Count(data); n != len(want) {
			t.Fatalf("%d counted of %d", n, len(want))
		}
		if len(want) > 0 {
			if _, err := packed.Decode(nil, data, len(want)-1); err == nil {
				t.Fatal("more than so many were taken")
			}
			if _, err := packed.Decode(nil, data[:len(data)-1], len(want)); err == nil {
				t.Fatal("what breaks off was taken")
			}
		}
	})
}

func TestItTakesATenthOfJSON(t *testing.T) {
	var day []wattline.Reading
	for i := range 5000 {
		at := wattline.At(time.Date(2026, 3, 28, 0, 0, 5*i, 0, time.UTC))
		day = append(day, wattline.Reading{
			Device: "desk-1", Time: at, PowerW: wattline.Milli(60_000 + i*7919%3000), VoltageV: wattline.Milli(229_500 + i*31%1000), CurrentA: 260,
			EnergyWh: wattline.Milli(i * 83), MeterWh: wattline.Milli(i * 83 / 1000 * 1000), Relay: wattline.RelayOn, RSSIdBm: -55, CoversS: 5000,
		})
	}
	text, err := json.Marshal(day)
	if err != nil {
		t.Fatal(err)
	}
	if data := packed.Append(nil, day); len(data) > len(text)/10 {
		t.Errorf("%d bytes packed, %d in JSON", len(data), len(text))
	}
}

func FuzzDecode(f *testing.F) {
	at := wattline.AtMilli(1_774_699_200_000)
	f.Add(packed.Append(nil, []wattline.Reading{{Device: "desk-1", Time: at, Relay: wattline.RelayOn}, {Device: "desk-1", Time: at, Relay: wattline.RelayOff}}))
	f.Add([]byte{1, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1})
	f.Add([]byte{2})
	f.Fuzz(func(t *testing.T, data []byte) {
		const most = 100
		got, err := packed.Decode(nil, data, most)
		if n := packed.Count(data); err == nil && n != len(got) {
			t.Fatalf("%d counted of %d", n, len(got))
		}
		if err != nil {
			return
		}
		if again, err := packed.Decode(nil, packed.Append(nil, got), most); err != nil || len(again) != len(got) || len(got) > most {
			t.Errorf("%v: %+v, then %+v", err, got, again)
		}
	})
}
