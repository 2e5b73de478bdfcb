package wattline_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/wattline/wattline"
)

func TestPlacesOnAGrid(t *testing.T) {
	for name, c := range map[string]struct {
		device wattline.Device
		want   wattline.GridPlace
	}{
		"an id":                      {wattline.Device{ID: "sp_w.r1.c2"}, wattline.GridPlace{Type: "w", Row: "1", Column: "2"}},
		"an id of the older form":    {wattline.Device{ID: "w.r16.c0"}, wattline.GridPlace{Type: "w", Row: "16", Column: "0"}},
		"a room":                     {wattline.Device{ID: "sp_g0"}, wattline.GridPlace{Type: "g"}},
		"an id of something else":    {wattline.Device{ID: "printer-1"}, wattline.GridPlace{}},
		"an id without its number":   {wattline.Device{ID: "sp_w"}, wattline.GridPlace{}},
		"an id without its column":   {wattline.Device{ID: "sp_w.r1"}, wattline.GridPlace{}},
		"an id of an unknown type":   {wattline.Device{ID: "sp_x.r1.c2"}, wattline.GridPlace{}},
		"a location":                 {wattline.Device{ID: "desk-1", Location: "hq/f1/r3/c4"}, wattline.GridPlace{Row: "3", Column: "4"}},
		"a location with more":       {wattline.Device{ID: "desk-1", Location: "grid/r3/c4/left"}, wattline.GridPlace{Row: "3", Column: "4"}},
		"a room named like a row":    {wattline.Device{ID: "desk-1", Location: "hq/f1/r301/desk-2"}, wattline.GridPlace{}},
		"a location before the id":   {wattline.Device{ID: "sp_w.r1.c2", Location: "grid/r3/c4"}, wattline.GridPlace{Type: "w", Row: "3", Column: "4"}},
		"labels before the location": {wattline.Device{ID: "sp_w.r1.c2", Location: "grid/r3/c4", Labels: map[string]string{"row": "5", "type": "p"}}, wattline.GridPlace{Type: "p", Row: "5", Column: "4"}},
		"labels of something else":   {wattline.Device{ID: "sp_w.r1.c2", Labels: map[string]string{"row": "back", "type": "hs110"}}, wattline.GridPlace{Type: "w", Row: "1", Column: "2"}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := c.device.GridPlace(); got != c.want {
				t.Errorf("%+v", got)
			}
		})
	}
}

func TestDevicesAreChosenByTheirPlaceOnAGrid(t *testing.T) {
	devices := []wattline.Device{
		{ID: "sp_w.r1.c1", Kind: "workstation"},
		{ID: "sp_w.r1.c2", Kind: "workstation"},
		{ID: "sp_w.r2.c1", Kind: "workstation"},
		{ID: "sp_g0", Kind: "meeting-room"},
		{ID: "sp_m1", Kind: "meeting-room"},
		{ID: "room-2", Kind: "meeting-room"},
		{ID: "sp_p0", Kind: "printer"},
	}
	for want, selector := range map[string]wattline.Selector{
		"sp_w.r1.c1 sp_w.r1.c2":            {Row: "1"},
		"sp_w.r1.c1 sp_w.r2.c1":            {Column: "1", Type: "w"},
		"sp_w.r1.c2":                       {Row: "1", Column: "2"},
		"sp_w.r1.c1 sp_w.r1.c2 sp_w.r2.c1": {Type: "w"},
		"sp_g0 room-2":                     {Type: "g"}, // a meeting room that does not say which
		"sp_p0":                            {Type: "p"},
		"":                                 {Row: "1", Type: "p"},
	} {
		got := ""
		for _, device := range selector.Select(devices) {
			got += " " + device.ID
		}
		if got != "" {
			got = got[1:]
		}
		if got != want || selector.Validate() != nil {
			t.Errorf("%+v chooses %q, not %q (%v)", selector, got, want, selector.Validate())
		}
	}
	for _, selector := range []wattline.Selector{{Row: "r1"}, {Column: "-1"}, {Type: "workstation"}, {Row: "1234567"}} {
		if selector.Validate() == nil {
			t.Errorf("%+v is taken", selector)
		}
	}
}

func TestAnIdOnAGridIsReadBackFromItsPlace(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		number := rapid.StringMatching(`[0-9]{1,6}`)
		want := wattline.GridPlace{Type: rapid.SampledFrom([]string{"w", "g", "m", "p"}).Draw(t, "type"), Row: number.Draw(t, "row"), Column: number.Draw(t, "column")}
		if got := wattline.GridPlaceOf("sp_" + want.Type + ".r" + want.Row + ".c" + want.Column); got != want {
			t.Fatalf("%+v is read as %+v", want, got)
		}
		if got := (wattline.Device{ID: "x", Location: want.Location()}).GridPlace(); got.Row != want.Row || got.Column != want.Column {
			t.Fatalf("%s is read as %+v", want.Location(), got)
		}
		wattline.GridPlaceOf(rapid.String().Draw(t, "anything"))
	})
}
