package e2e_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/testserver"
)

// TestAnOperatorLooksAfterTheJournal uses the commands on a running system.
func TestAnOperatorLooksAfterTheJournal(t *testing.T) {
	t.Parallel()
	brokerAt := freeAddr(t)
	o := newOffice(t, "broker_listen: "+brokerAt, "hook_name: annex")
	plugs := startEmulator(t, "--plugs", "2")
	o.declare(plugs.devices...)
	o.up()
	o.waitUp("desk-1")
	journal := func(args ...string) outcome { return run(t, o.folder, append([]string{"journal"}, args...)...) }
	instance := ""

	t.Run("status shows every journal and every hook", func(t *testing.T) {
		var view struct {
			Journals []struct {
				Instance string                 `json:"instance"`
				Journal  wattline.JournalStatus `json:"journal"`
			} `json:"journals"`
			Hooks []struct {
				Status wattline.HookStatus `json:"status"`
			} `json:"hooks"`
		}
		testserver.Eventually(t, patience, func() error {
			got := journal("status", "--json")
			if err := json.Unmarshal([]byte(got.stdout), &view); err != nil || got.code != 0 {
				return fmt.Errorf("exit code %d, %w: %s", got.code, err, got.stderr)
			}
			if len(view.Journals) != 1 || len(view.Hooks) != 1 || len(view.Journals[0].Journal.Hooks) != 1 || len(view.Hooks[0].Status.Streams) != 1 {
				return fmt.Errorf("it shows %+v", view)
			}
			return nil
		})
		j := view.Journals[0]
		instance = j.Instance
		if j.Journal.Last == 0 || j.Journal.Hooks[0].Hook != "annex" || view.Hooks[0].Status.Streams[0].Stream != j.Journal.Stream {
			t.Errorf("it shows %+v", view)
		}
		text := journal("status")
		for _, part := range []string{instance, "annex", "WAITS FOR", "DEAD LETTERS"} {
			if err := contains(text.stdout, part); err != nil {
				t.Error(err)
			}
		}
	})

	t.Run("dead letters are listed, explained and sent again", func(t *testing.T) {
		if got := journal("dead-letters"); got.code != 0 || got.stdout != "no dead letters\n" {
			t.Errorf("%+v", got)
		}
		if got := journal("dead-letters", "--instance", "nosuch"); got.code != 1 || !strings.Contains(got.stderr, `no hook is running at instance "nosuch", but at `+instance) {
			t.Errorf("%+v", got)
		}
		defer heardSingly(t, o, mqtt{t, brokerAt})()
		ahead := time.Now().Add(24*time.Hour + 10*time.Second) // still ahead when the hook has its batch
		reading := wattline.Reading{Device: "desk-1", Time: wattline.At(ahead), PowerW: 1234, Relay: wattline.RelayOn}
		mqtt{t, brokerAt}.publish("wattline/data/hq/desk-1", string(encode(t, reading)))
		var letters []wattline.DeadLetter
		testserver.Eventually(t, patience, func() error {
			letters = nil
			if err := json.Unmarshal([]byte(journal("dead-letters", "--json").stdout), &letters); err != nil || len(letters) != 1 {
				return fmt.Errorf("%d letters, %w", len(letters), err)
			}
			return nil
		})
		if letters[0].Reading != reading {
			t.Errorf("letter %+v", letters[0])
		}
		text := journal("dead-letters", "--explain").stdout
		for _, part := range []string{letters[0].ID, letters[0].Reason, letters[0].Explanation, letters[0].Remedy} {
			if err := contains(text, part); err != nil {
				t.Error(err)
			}
		}
		testserver.Eventually(t, patience, func() error { // the store takes it when its time has come
			if got := journal("dead-letters", "--resend", letters[0].ID); got.code != 0 {
				return fmt.Errorf("exit code %d: %s%s", got.code, got.stdout, got.stderr)
			}
			return nil
		})
		var page wattline.ReadingsPage
		o.get(fmt.Sprintf("/api/v1/readings?device=desk-1&from=%s&to=%s", reading.Time, wattline.At(ahead.Add(time.Second))), &page)
		if len(page.Readings) != 1 || page.Readings[0] != reading {
			t.Errorf("in the store is %+v", page)
		}
		if got := journal("dead-letters", "--resend", letters[0].ID); got.code != 1 || !strings.Contains(got.stderr, letters[0].ID) {
			t.Errorf("sent a third time: %+v", got)
		}
		if got := journal("dead-letters", "--resend-all"); got.code != 0 || !strings.Contains(got.stdout, "annex took 0, refused 0, has 0 left") {
			t.Errorf("none left: %+v", got)
		}
	})

	t.Run("a hook is forgotten where it is waited for", func(t *testing.T) {
		if got := journal("forget", "annex", "--instance", instance); got.code != 0 || !strings.Contains(got.stdout, instance+" no longer waits for annex") {
			t.Errorf("%+v", got)
		}
		if got := journal("forget", "nobody"); got.code != 1 || !strings.Contains(got.stderr, "no journal waits for hook nobody") {
			t.Errorf("%+v", got)
		}
	})
}

func encode(t *testing.T, payload any) []byte {
	t.Helper()
	text, err := json.Marshal(payload)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// heardSingly has a collector of somebody else's say that it is there, until it is
// said to end, and waits until the hook takes single readings.
func heardSingly(t *testing.T, o *office, broker mqtt) (end func()) {
	t.Helper()
	presence := func(status wattline.PresenceStatus) {
		theirs := wattline.Presence{
			Instance: "theirs", Status: status, Roles: []string{wattline.RoleCollector}, Sites: []string{"elsewhere"}, Clock: wattline.At(time.Now()),
		}
		broker.publish("wattline/presence/theirs", string(encode(t, theirs)))
	}
	presence(wattline.PresenceOnline)
	reading := wattline.Reading{Device: "desk-2", Time: wattline.At(time.Now().Add(-time.Hour)), PowerW: 1, Relay: wattline.RelayOn}
	testserver.Eventually(t, patience, func() error {
		broker.publish("wattline/data/hq/desk-2", string(encode(t, reading)))
		var page wattline.ReadingsPage
		o.get(fmt.Sprintf("/api/v1/readings?device=desk-2&from=%s&to=%s", reading.Time, wattline.At(reading.Time.Add(time.Second))), &page)
		if len(page.Readings) == 0 {
			return errors.New("the hook does not take single readings")
		}
		return nil
	})
	return func() { presence(wattline.PresenceOffline) }
}

func TestJournalCommandsSayWhatIsWrong(t *testing.T) {
	t.Parallel()
	nobody := "http://" + freeAddr(t)
	for name, c := range map[string]struct {
		args []string
		code int
		says string
	}{
		"nobody answers":            {[]string{"status", "--url", nobody}, 1, "no gateway answers at " + nobody},
		"a URL that is none":        {[]string{"status", "--url", "gateway:8080"}, 2, "--url must be like"},
		"no configuration":          {[]string{"status", "-c", "none.yaml"}, 1, "none.yaml"},
		"no hook":                   {[]string{"forget", "--url", nobody}, 2, "accepts 1 arg"},
		"a hook that cannot be":     {[]string{"forget", "A/B", "--url", nobody}, 2, "HOOK"},
		"ids without --resend":      {[]string{"dead-letters", "ab", "--url", nobody}, 2, "--resend"},
		"an id that cannot be":      {[]string{"dead-letters", "--resend", "A", "--url", nobody}, 2, "id"},
		"--resend and --resend-all": {[]string{"dead-letters", "--resend", "a", "--resend-all", "--url", nobody}, 2, "do not go together"},
		"an unknown command":        {[]string{"explode"}, 2, "unknown command"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := run(t, t.TempDir(), append([]string{"journal"}, c.args...)...)
			if got.code != c.code || !strings.Contains(got.stderr, c.says) || got.stdout != "" {
				t.Errorf("exit code %d, want %d; it says %q, want %q; on stdout %q", got.code, c.code, got.stderr, c.says, got.stdout)
			}
		})
	}
}
