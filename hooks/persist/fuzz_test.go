package persist_test

import (
	"context"
	"os"
	"testing"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/hooks/persist"
)

// FuzzDeadLetterFile gives a hook any file for its dead letters: what can be read
// is listed, and sent again once; the rest stays as it is.
func FuzzDeadLetterFile(f *testing.F) {
	letter := `{"time":"2026-03-29T10:15:02.431Z","reason":"poison","reading":{"device":"desk-1","time":"2026-03-29T10:15:02.431Z",` +
		`"power_w":1,"voltage_v":230,"current_a":0,"energy_wh":5,"meter_wh":5,"relay":"on","rssi_dbm":-60,"covers_s":5}}` + "\n"
	f.Add([]byte(letter+letter), []byte(letter))
	f.Add([]byte(letter[:40]), []byte("\n\n{}\n"+letter+"{"))
	f.Add([]byte(nil), []byte{0xff, '\n', 0})
	f.Fuzz(func(t *testing.T, older, newer []byte) {
		s := newStore()
		o := &office{store: s, bus: newBus(s)}
		folder := memoryFolder(t)
		defer os.RemoveAll(folder)
		o.runner = runner{t: t, options: persist.Options{Name: "archive", Bus: o.bus, Store: s, Dir: folder}}
		for path, content := range map[string][]byte{o.lettersPath() + ".1": older, o.lettersPath(): newer} {
			if err := os.WriteFile(path, content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		hook, err := persist.New(context.Background(), o.options)
		if err != nil {
			t.Fatal(err)
		}
		o.hook = hook
		defer func() {
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			if err := hook.Run(ctx); err != nil {
				t.Error(err)
			}
		}()
		before, listed := o.letters(t, wattline.DeadLettersQuery{}), 0
		for query := (wattline.DeadLettersQuery{Limit: 2}); ; {
			page := o.letters(t, query)
			listed += len(page.Letters)
			if query.After = page.Next; query.After == "" {
				break
			}
		}
		if listed != before.Total {
			t.Errorf("%d letters are listed of %d", listed, before.Total)
		}
		answer := o.resend(t, wattline.ResendQuery{All: true})
		after := o.letters(t, wattline.DeadLettersQuery{})
		if answer.Left != 0 || answer.Taken > before.Total || after.Total != 0 || after.Unreadable != before.Unreadable || s.count() != answer.Taken {
			t.Errorf("before %d and %d unreadable, after %d and %d: %+v", before.Total, before.Unreadable, after.Total, after.Unreadable, answer)
		}
	})
}
