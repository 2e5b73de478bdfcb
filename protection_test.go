package wattline_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/wattline/wattline"
)

func TestProtectionDecidesWhatIsSwitched(t *testing.T) {
	now := time.Date(2026, 3, 29, 12, 0, 0, 0, time.UTC)
	lift := func(by time.Duration) wattline.Lift {
		return wattline.Lift{Until: wattline.At(now.Add(by)), Reason: "moved", By: "token:kitchen"}
	}
	const on, off, led = wattline.ActionOn, wattline.ActionOff, wattline.ActionLEDOff
	for name, c := range map[string]struct {
		protected wattline.Protection
		lifted    wattline.Lift
		permitted []wattline.Action
		refused   []wattline.Action
	}{
		"none lets all pass":                      {wattline.ProtectionNone, wattline.Lift{}, []wattline.Action{on, off, led}, nil},
		"always on may be switched on":            {wattline.ProtectionAlwaysOn, wattline.Lift{}, []wattline.Action{on, led}, []wattline.Action{off}},
		"locked is not switched":                  {wattline.ProtectionLocked, wattline.Lift{}, []wattline.Action{led}, []wattline.Action{on, off}},
		"what is not known is locked":             {"new", wattline.Lift{}, []wattline.Action{led}, []wattline.Action{on, off}},
		"a lift lets all pass":                    {wattline.ProtectionLocked, lift(time.Millisecond), []wattline.Action{on, off, led}, nil},
		"a lift that is over lets nothing pass":   {wattline.ProtectionLocked, lift(0), []wattline.Action{led}, []wattline.Action{on, off}},
		"a lift of long ago lets nothing pass":    {wattline.ProtectionAlwaysOn, lift(-time.Hour), []wattline.Action{on}, []wattline.Action{off}},
		"a lift of what is not protected is fine": {wattline.ProtectionNone, lift(-time.Hour), []wattline.Action{on, off}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			device := wattline.Device{ID: "fridge", Protected: c.protected, Lifted: c.lifted}
			for _, action := range c.permitted {
				if err := device.Permits(action, now); err != nil {
					t.Errorf("%s: %v", action, err)
				}
			}
			for _, action := range c.refused {
				if err := device.Permits(action, now); err == nil || wattline.AsError(err).Code != wattline.CodeProtected {
					t.Errorf("%s: %v", action, err)
				}
			}
		})
	}
}

func TestProtectionIsWrittenAsATextAndReadAsABooleanToo(t *testing.T) {
	for text, want := range map[string]wattline.Protection{
		`true`: wattline.ProtectionLocked, `false`: wattline.ProtectionNone, `""`: wattline.ProtectionNone,
		`"always_on"`: wattline.ProtectionAlwaysOn, `"locked"`: wattline.ProtectionLocked,
	} {
		var got wattline.Protection
		if err := json.Unmarshal([]byte(text), &got); err != nil || got != want {
			t.Errorf("%s is read as %q, %v", text, got, err)
		}
		written, err := json.Marshal(got)
		if err != nil || string(written) != `"`+string(want)+`"` {
			t.Errorf("%q is written as %s, %v", got, written, err)
		}
	}
	for _, text := range []string{`null`, `1`, `"true"`, `"LOCKED"`, `" locked"`, `[]`, `{}`, `"always-on"`} {
		got := wattline.ProtectionLocked
		if err := json.Unmarshal([]byte(text), &got); err == nil || got != wattline.ProtectionLocked {
			t.Errorf("%s is read as %q", text, got)
		}
	}
}

func TestALiftSaysWhyInOneLine(t *testing.T) {
	device := wattline.Device{ID: "fridge", Kind: "kitchen", Location: "hq", Site: "hq", Address: "192.0.2.12"}
	device.Lifted = wattline.Lift{Until: wattline.AtMilli(1), Reason: "defrosting", By: "token:kitchen"}
	if err := device.Validate(); err != nil {
		t.Error(err)
	}
	for _, reason := range []string{"", "  ", "two\nlines", "\x1b[2J", string(make([]byte, 201))} {
		device.Lifted.Reason = reason
		if err := device.Validate(); err == nil {
			t.Errorf("%q was taken", reason)
		}
	}
}
