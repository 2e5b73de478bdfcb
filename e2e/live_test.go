package e2e_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/testserver"
)

// node runs one of the documentation's examples against an office.
func node(t *testing.T, o *office, name string, args ...string) *lines {
	t.Helper()
	if _, err := exec.LookPath("node"); err != nil {
		t.Fatal("node is missing: apt-get install nodejs (make deps)")
	}
	cmd := exec.CommandContext(context.Background(), "node", append([]string{"../docs/examples/" + name}, args...)...)
	cmd.Env = append(os.Environ(), "WATTLINE_URL="+o.base, "WATTLINE_TOKEN="+o.token, "NODE_OPTIONS=--experimental-websocket")
	printed := &lines{}
	cmd.Stdout = printed
	testserver.Program(t, cmd)
	return printed
}

// eventuallyPrints waits for a line that is as wanted.
func eventuallyPrints(t *testing.T, printed *lines, wanted string, is func(line string) bool) {
	t.Helper()
	testserver.Eventually(t, patience, func() error {
		for line := range strings.Lines(printed.String()) {
			if is(line) {
				return nil
			}
		}
		return errors.New("nothing printed is " + wanted)
	})
}

// TestLiveEventsReachTheExamplesOfTheDocumentation has them listen while a device is
// watched, and while the gateway goes and comes back.
func TestLiveEventsReachTheExamplesOfTheDocumentation(t *testing.T) {
	t.Parallel()
	e := startEmulator(t, "--plugs", "1")
	o := newOffice(t)
	e.devices[0].PollS = 20_000
	o.declare(e.devices...)
	w := o.up()
	o.waitUp("desk-1")
	events := node(t, o, "events.mjs", "device=desk-1&type=reading&snapshot=true")
	socket := node(t, o, "socket.mjs")
	begins := func(with string) func(string) bool {
		return func(line string) bool { return strings.HasPrefix(line, with) }
	}
	eventuallyPrints(t, events, "a snapshot", begins(`snapshot {"devices":1}`))
	eventuallyPrints(t, socket, "a snapshot", begins(`snapshot {"devices":1}`))
	got, err := o.send(http.MethodPost, "/api/v1/devices/desk-1/watch", `{"seconds":60}`)
	if err != nil || got.as(nil) != nil {
		t.Fatalf("watch: %v %s", err, got.body)
	}
	second := func(line string) bool {
		var reading wattline.Reading
		text, is := strings.CutPrefix(line, "reading ")
		return is && json.Unmarshal([]byte(text), &reading) == nil && reading.CoversS > 0 && reading.CoversS < 2000
	}
	eventuallyPrints(t, events, "a reading of a second", second)
	eventuallyPrints(t, socket, "a reading of a second", second)
	w.Stop()
	eventuallyPrints(t, socket, "its end", begins("closed 1001"))
	o.up()
	eventuallyPrints(t, events, "a gap", begins("gap "))
	testserver.Eventually(t, patience, func() error {
		if _, after, _ := strings.Cut(events.String(), "\ngap "); !strings.Contains(after, "\nreading ") {
			return fmt.Errorf("no reading after the gap: %s", after)
		}
		return nil
	})
}
