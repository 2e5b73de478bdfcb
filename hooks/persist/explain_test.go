package persist_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/store"
)

// TestAReasonIsExplained has the reasons that stores give put into plain words.
func TestAReasonIsExplained(t *testing.T) {
	now := time.Date(2026, 3, 29, 12, 0, 0, 0, time.UTC)
	good := wattline.Reading{Device: "desk-1", Time: wattline.At(now), Relay: wattline.RelayOn}
	with := func(change func(*wattline.Reading)) string {
		r := good
		change(&r)
		return store.Refusal(r, now, 24*time.Hour)
	}
	synctest.Test(t, func(t *testing.T) {
		o := begin(t, nil)
		o.bury(1, 1)
		said := map[string]string{}
		for _, reason := range []string{
			"something quite unheard of",
			with(func(r *wattline.Reading) { r.Relay = "" }),
			with(func(r *wattline.Reading) { r.Time = wattline.At(now.Add(48 * time.Hour)) }),
			with(func(r *wattline.Reading) { r.Time = wattline.At(now.Add(-48 * time.Hour)) }),
			with(func(r *wattline.Reading) { r.Time = wattline.AtMilli(1) }),
			with(func(r *wattline.Reading) { r.PowerW = 1 << 60 }),
			"time lies too far before the newest reading that is kept",
			"another reading of its device and time is kept in part",
			`partial write: field type conflict: input field "power_w" on measurement "reading" is type float, already exists as type integer`,
			"unable to parse 'reading': missing fields",
			"partial write: max-values-per-tag limit exceeded (100000/100000)",
		} {
			o.store.set(refusing(func(wattline.Reading) string { return reason }))
			o.resend(t, wattline.ResendQuery{IDs: []string{o.letters(t, wattline.DeadLettersQuery{}).Letters[0].ID}})
			letter := o.letters(t, wattline.DeadLettersQuery{}).Letters[0]
			if letter.Reason != reason || letter.Explanation == "" || letter.Remedy == "" {
				t.Errorf("letter %+v", letter)
			}
			if other, twice := said[letter.Explanation]; twice {
				t.Errorf("%q is explained as %q is: %s", reason, other, letter.Explanation)
			}
			said[letter.Explanation] = reason
		}
	})
}
