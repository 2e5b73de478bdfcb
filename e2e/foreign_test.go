package e2e_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/testserver"
)

// TestOthersTakePart is about programs that know the documented topics and
// nothing else: the shell scripts of the documentation, and bare mosquitto
// clients.
func TestOthersTakePart(t *testing.T) {
	t.Parallel()
	broker := testserver.Mosquitto(t, testserver.MosquittoOptions{})
	e := startEmulator(t, "--plugs", "2")
	o := newOffice(t, outsideBroker(broker), "store: archive", "networks: [127.0.0.0/8]")
	o.declare(e.devices...)
	everything := mqtt{t, broker.Addr()}.record("wattline/#")
	w := o.up() // every role, against an outside broker
	o.waitUp("desk-1", "desk-2")
	bus := mqtt{t, broker.Addr()}
	replies := bus.record("wattline/reply/foreign/+")

	t.Run("a component of somebody else's answers over REST", func(t *testing.T) { foreignComponent(t, o, broker) })

	t.Run("a script asks the registry and the history", func(t *testing.T) {
		var listed struct {
			Body wattline.DevicePage `json:"body"`
		}
		ask(t, broker, &listed, "registry", "list", `{"selector":{"ids":["desk-2"]}}`)
		want := e.device("desk-2")
		want.Source = wattline.SourceConfiguration
		if len(listed.Body.Devices) != 1 || !listed.Body.Devices[0].Equal(want) {
			t.Errorf("the registry lists %+v", listed.Body.Devices)
		}
		o.in(t).eventuallyReading("desk-1", "stored", time.Now().Add(-time.Hour), func(wattline.Reading) bool { return true })
		var read struct {
			Body wattline.ReadingsPage `json:"body"`
		}
		from, to := wattline.At(time.Now().Add(-time.Hour)), wattline.At(time.Now().Add(time.Hour))
		ask(t, broker, &read, "history", "readings", fmt.Sprintf(`{"devices":["desk-1"],"from":%q,"to":%q}`, from, to))
		if len(read.Body.Readings) == 0 || read.Body.Readings[0].Device != "desk-1" {
			t.Errorf("the history has %+v", read.Body)
		}
	})

	t.Run("a command by bare MQTT switches, and is acted upon once however often it comes", func(t *testing.T) {
		before := len(e.plug("desk-1").Outlets[0].Switched)
		command := envelope("once", wattline.Command{Device: "desk-1", Action: wattline.ActionOff}, nil)
		for range 5 {
			bus.publish("wattline/command/hq/desk-1", command)
		}
		if got := resultOf(t, replies.reply("once")); got.Outcome != wattline.OutcomeDone || got.Relay != wattline.RelayOff {
			t.Errorf("the result is %+v", got)
		}
		// Somebody presses the button: a repeat must not undo it.
		press(t, e, "desk-1")
		bus.publish("wattline/command/hq/desk-1", command)
		testserver.Eventually(t, patience, func() error {
			if got := replies.replies("once"); len(got) < 2 || got[len(got)-1].ID != "once" {
				return fmt.Errorf("%d replies", len(got))
			}
			return nil
		})
		passed(t, bus, replies, "desk-2")
		if got := e.plug("desk-1").Outlets[0]; !got.On || len(got.Switched) != before+2 {
			t.Errorf("the relay is on: %t after %d changes, want on after %d", got.On, len(got.Switched), before+2)
		}
		want := resultOf(t, replies.replies("once")[0])
		for i, reply := range replies.replies("once") {
			if diff := cmp.Diff(want, resultOf(t, reply)); diff != "" {
				t.Errorf("reply %d differs:\n%s", i, diff)
			}
		}
	})

	t.Run("a command past its deadline does nothing", func(t *testing.T) {
		late := wattline.At(time.Now().Add(-time.Second))
		bus.publish("wattline/command/hq/desk-1", envelope("late", wattline.Command{Device: "desk-1", Action: wattline.ActionOff},
			map[string]any{"issued_at": wattline.At(late.Add(-time.Second)), "deadline": late}))
		passed(t, bus, replies, "desk-2")
		if !e.plug("desk-1").Outlets[0].On || len(replies.replies("late")) != 0 {
			t.Errorf("the relay is on: %t; replies: %+v", e.plug("desk-1").Outlets[0].On, replies.replies("late"))
		}
	})

	t.Run("all that was said is as described", func(t *testing.T) {
		// The first devices may have been taken in before there was a connection.
		if got, err := o.in(t).send(http.MethodPost, "/api/v1/devices",
			`{"id":"desk-9","kind":"workstation","location":"hq/1","site":"hq","address":"127.0.0.1:9999"}`); err != nil || got.status != http.StatusCreated {
			t.Fatalf("%v %s", err, got.body)
		}
		testserver.Eventually(t, patience, func() error {
			return contains(everything.newest()["wattline/event/registry"], `"desk-9"`)
		})
		described(t, everything)
	})

	t.Run("a retained command does nothing", func(t *testing.T) {
		w.Stop()
		bus.publish("wattline/command/hq/desk-1", envelope("left", wattline.Command{Device: "desk-1", Action: wattline.ActionOff}, nil), "-r")
		inner := o.in(t)
		again := inner.up()
		inner.waitUp("desk-2")
		passed(t, bus, replies, "desk-2")
		if !e.plug("desk-1").Outlets[0].On || len(replies.replies("left")) != 0 {
			t.Errorf("the relay is on: %t; replies: %+v", e.plug("desk-1").Outlets[0].On, replies.replies("left"))
		}
		again.Stop()
	})
}

func resultOf(t *testing.T, reply wattline.Reply) wattline.Result {
	t.Helper()
	var result wattline.Result
	if reply.Error != nil {
		t.Fatalf("the reply is %v", reply.Error)
	}
	if err := json.Unmarshal(reply.Body, &result); err != nil {
		t.Fatalf("the reply's body %s: %v", reply.Body, err)
	}
	return result
}

// passed waits until the controller has answered a command to another device,
// which was sent later than whatever should have done nothing.
func passed(t *testing.T, bus mqtt, replies *recorder, device string) {
	t.Helper()
	id := "passed-" + strconv.FormatInt(time.Now().UnixNano(), 36)
	body := wattline.Command{Device: device, Action: wattline.ActionOn}
	testserver.Eventually(t, patience, func() error {
		bus.publish("wattline/command/hq/"+device, envelope(id, body, nil))
		if len(replies.replies(id)) == 0 {
			return errors.New("the controller does not answer")
		}
		return nil
	})
}

func press(t *testing.T, e emulated, id string) {
	t.Helper()
	if got, err := e.send(http.MethodPost, "/plugs/"+id+"/button", ""); err != nil || got.status != http.StatusNoContent {
		t.Fatalf("press the button of %s: status %d, %v", id, got.status, err)
	}
}

// script is one of the documentation's examples, told by its own means where
// the broker is.
func script(t *testing.T, broker *testserver.MosquittoServer, name string, args ...string) *exec.Cmd {
	t.Helper()
	for tool, hint := range map[string]string{"jq": "jq", "mosquitto_sub": "mosquitto-clients", "bash": "bash"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Fatalf("%s is missing: apt-get install %s (make deps)", tool, hint)
		}
	}
	path, err := filepath.Abs("../docs/examples/" + name)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Count(string(text), "\n"); got > 30 {
		t.Errorf("%s has %d lines, so it takes more than thirty to take part", name, got)
	}
	_, port, _ := strings.Cut(broker.Addr(), ":")
	settings := t.TempDir() // mosquitto's clients read their defaults from there
	for _, client := range []string{"mosquitto_pub", "mosquitto_sub"} {
		if err := os.WriteFile(filepath.Join(settings, client), []byte("-p "+port+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// It ends its whole process group, which must not be ours.
	cmd := exec.CommandContext(soon(t), "setsid", append([]string{"bash", path}, args...)...)
	cmd.WaitDelay = time.Second // for pipes that a grandchild keeps open
	cmd.Env = append(os.Environ(), "XDG_CONFIG_HOME="+settings, "BROKER=127.0.0.1")
	return cmd
}

func ask(t *testing.T, broker *testserver.MosquittoServer, into any, args ...string) {
	t.Helper()
	cmd := script(t, broker, "ask.sh", args...)
	printed, err := cmd.Output()
	if err == nil {
		err = json.Unmarshal(printed, into)
	}
	if err != nil {
		t.Fatalf("ask.sh %v: %v: %s", args, err, printed)
	}
}

func foreignComponent(t *testing.T, o *office, broker *testserver.MosquittoServer) {
	o = o.in(t)
	if p := o.refused(http.StatusServiceUnavailable, http.MethodGet, "/api/v1/components/weather/forecast?city=bilbao", ""); p.Code != wattline.CodeNoResponder {
		t.Errorf("before it is there: %+v", p)
	}
	weather := testserver.Program(t, script(t, broker, "weather.sh"))
	var forecast struct {
		City string `json:"city"`
		Sky  string `json:"sky"`
	}
	testserver.Eventually(t, patience, func() error { return o.tryGet("/api/v1/components/weather/forecast?city=bilbao", &forecast) })
	if forecast.City != "bilbao" || forecast.Sky != "clear" {
		t.Errorf("the forecast is %+v", forecast)
	}
	if p := o.refused(http.StatusNotFound, http.MethodGet, "/api/v1/components/weather/tide", ""); p.Code != wattline.CodeNotFound || !strings.Contains(p.Detail, "weather answers forecast") {
		t.Errorf("what it does not know: %+v", p)
	}
	_ = weather.Stop() // it is a shell that a signal ends
	testserver.Eventually(t, patience, func() error {
		got, err := o.send(http.MethodGet, "/api/v1/components/weather/forecast", "")
		if err == nil && !strings.Contains(string(got.body), string(wattline.CodeNoResponder)) {
			err = fmt.Errorf("after its end: %s", got.body)
		}
		return err
	})
}
