package e2e_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/wattline/wattline/client"
	"github.com/wattline/wattline/internal/testserver"
)

// TestTheCommandLineOfARunningGateway asks as people and scripts do. The folder's
// configuration names the gateway, and the first admin's token is in its data.
func TestTheCommandLineOfARunningGateway(t *testing.T) {
	t.Parallel()
	e := startEmulator(t, "--plugs", "2")
	o := newOffice(t)
	o.declare(e.devices...)
	o.up()
	o.waitUp("desk-1", "desk-2")
	asked := func(t *testing.T, code int, args ...string) outcome {
		t.Helper()
		got := run(t, o.folder, args...)
		if got.code != code {
			t.Errorf("%s: exit code %d, want %d: %s%s", strings.Join(args, " "), got.code, code, got.stdout, got.stderr)
		}
		return got
	}
	t.Run("devices are listed", func(t *testing.T) {
		if got := asked(t, 0, "devices", "list", "--location", "hq"); strings.Count(got.stdout, "\n") != 3 || !strings.Contains(got.stdout, "desk-2") {
			t.Error(got.stdout)
		}
		var listed []client.DeviceItem
		got := asked(t, 0, "devices", "list", "--json", "--state", "up")
		if err := json.Unmarshal([]byte(got.stdout), &listed); err != nil || len(listed) != 2 || listed[0].Id != "desk-1" {
			t.Errorf("%v in %s", err, got.stdout)
		}
	})
	t.Run("devices are switched, and each outcome is told", func(t *testing.T) {
		if got := asked(t, 0, "off", "desk-1"); !strings.Contains(got.stdout, "done") || e.plug("desk-1").Outlets[0].On {
			t.Error(got.stdout)
		}
		if got := asked(t, 0, "on", "--all", "--dry-run"); strings.Count(got.stdout, "would_send") != 2 || e.plug("desk-1").Outlets[0].On {
			t.Error(got.stdout)
		}
		if got := asked(t, 1, "on", "desk-1", "nosuch"); !strings.Contains(got.stdout, "refused") || !e.plug("desk-1").Outlets[0].On {
			t.Error(got.stdout)
		}
		asked(t, 2, "on")
		asked(t, 2, "off", "--all", "desk-1")
	})
	t.Run("states are shown", func(t *testing.T) {
		if got := asked(t, 0, "state", "desk-1", "--refresh"); !strings.Contains(got.stdout, "up") {
			t.Error(got.stdout)
		}
		if got := asked(t, 1, "state", "nosuch"); !strings.Contains(got.stderr, "not_found") {
			t.Error(got.stderr)
		}
	})
	t.Run("what was used is shown", func(t *testing.T) {
		testserver.Eventually(t, patience, func() error {
			return contains(run(t, o.folder, "consumption", "--from", "today", "--group-by", "all").stdout, "all")
		})
		if got := asked(t, 0, "consumption", "--from", "2026-03-01", "--to", "2026-03-02", "--window", "day", "--tz", "Asia/Tokyo"); !strings.Contains(got.stdout, "2026-03-01 00:00  2026-03-02 00:00") {
			t.Errorf("the day of the zone is shown in another: %s", got.stdout)
		}
		asked(t, 2, "consumption", "--tz", "Mars/Olympus")
	})
	t.Run("watching shows readings as they come", func(t *testing.T) {
		w := start(t, o.folder, "watch", "desk-1", "--json")
		testserver.Eventually(t, patience, func() error { return contains(w.stdout.String(), `{"event":"reading","data":{"device":"desk-1"`) })
		w.Stop()
	})
	t.Run("a token that is not valid is said to be so", func(t *testing.T) {
		o.in(t).write("wrong.token", "wl_"+strings.Repeat("A", 26)+"\n")
		if got := asked(t, 1, "state", "desk-1", "--token-file", "wrong.token"); !strings.Contains(got.stderr, "unauthenticated") {
			t.Error(got.stderr)
		}
	})
}
