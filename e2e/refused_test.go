package e2e_test

import (
	"strings"
	"testing"

	"github.com/wattline/wattline"
)

// TestWhatCannotRunSaysWhy starts processes that must end at once, with a line
// that tells what to do.
func TestWhatCannotRunSaysWhy(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		config string
		args   string
		says   string
	}{
		"roles need an outside broker":       {"broker: embedded\n", "run gateway", "wattline run needs an outside broker"},
		"the archive belongs to one process": {"broker: mqtt://127.0.0.1:1\n", "run hook", "must run in one process"},
		"InfluxDB without a token":           {"store: influx\ninflux: {url: 'http://127.0.0.1:1', org: o, bucket: b}\n", "up", "influx.token_file is missing"},
		"a token file that is not there":     {"store: influx\ninflux: {url: 'http://127.0.0.1:1', org: o, bucket: b, token_file: t}\n", "up", "influx.token_file"},
		"a data folder that is a file":       {"data: ./wattline.yaml\n", "up", "data folder"},
		"a password in the address":          {"broker: mqtt://u:hunter2@127.0.0.1\n", "up", "broker_password_file"},
		"many faults are told together":      {"site: HQ\npoll: 1ms\nstore: mysql\n", "up", "poll must lie between"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newOffice(t)
			o.write("wattline.yaml", "listen: 127.0.0.1:0\n"+c.config)
			got := run(t, o.folder, append(strings.Fields(c.args), "-c", "wattline.yaml")...)
			if got.code != 1 || !strings.Contains(got.stderr, c.says) || strings.Contains(got.stderr, "hunter2") || strings.Contains(got.stderr, "goroutine") {
				t.Errorf("exit code %d; it says %q, want %q", got.code, got.stderr, c.says)
			}
		})
	}

	t.Run("a second process on the same data", func(t *testing.T) {
		t.Parallel()
		first, second := newOffice(t), newOffice(t)
		second.folder = first.folder
		first.declare()
		w := first.up()
		second.declare(wattline.Device{ID: "desk-1", Kind: "workstation", Location: "hq", Address: freeAddr(t)})
		got := run(t, first.folder, "up", "-c", "wattline.yaml")
		if err := contains(got.stderr, "in use by another"); got.code != 1 || err != nil {
			t.Error(got.code, err)
		}
		first.write("gateway.yaml", "listen: 127.0.0.1:0\nbroker: mqtt://127.0.0.1:1\n")
		got = run(t, first.folder, "run", "gateway", "-c", "gateway.yaml")
		if err := contains(got.stderr, "in use by another gateway"); got.code != 1 || err != nil {
			t.Error(got.code, err)
		}
		w.alive()
		first.get("/-/ready", nil)
	})
}
