package e2e_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/testserver"
)

// TestTheBrokerIsKilledAndComesBackEmpty kills a stock mosquitto under three
// processes.
func TestTheBrokerIsKilledAndComesBackEmpty(t *testing.T) {
	t.Parallel()
	const rarely = 600_000 // so that what comes back is not just the next poll
	run := testserver.Simulator(t,
		testserver.SimulatedPlug{Model: "hs110"},
		testserver.SimulatedPlug{Model: "hs110v2"},
		testserver.SimulatedPlug{Model: "hs100", ResponseDelayMS: 1500},
	)
	devices := []wattline.Device{
		device("often", "workstation", run.Plug(0).Addr()),
		device("rare", "workstation", run.Plug(1).Addr()),
		device("slow", "lighting", run.Plug(2).Addr()),
	}
	devices[1].PollS, devices[2].PollS = rarely, rarely
	broker := testserver.Mosquitto(t, testserver.MosquittoOptions{})
	o := newOffice(t, outsideBroker(broker), "store: archive")
	o.declare(devices...)
	running := o.apart()
	o.waitUp("often", "rare", "slow")
	before := everythingRetained(t, broker)

	t.Run("while it is away a command is broker_down at once, and the shadow is served", func(t *testing.T) {
		o := o.in(t)
		on := run.Plug(0).Report().On
		broker.Kill()
		wanted := fmt.Sprintf(`{"state":%q}`, wattline.RelayOf(!on))
		testserver.Eventually(t, patience, func() error {
			got, err := o.send(http.MethodPut, "/api/v1/devices/often/relay", wanted)
			if err == nil && (got.status != http.StatusServiceUnavailable || !strings.Contains(string(got.body), `"broker_down"`)) {
				err = fmt.Errorf("status %d: %s", got.status, got.body)
			}
			return err
		})
		if got := o.state("rare"); got.Reading == nil || got.State.Device != "rare" {
			t.Errorf("the shadow is %+v", got)
		}
		if got := o.command(`{"selector":{"all":true},"action":"off"}`); len(got) != 3 || got[0].Outcome != wattline.OutcomeNotSent || got[0].Code != wattline.CodeBrokerDown {
			t.Errorf("many commands gave %+v", got)
		}
		if o.tryGet("/-/ready", nil) == nil {
			t.Error("it says that it is ready")
		}
		broker.Start()
	})

	t.Run("when it is back, all that was retained is there again", func(t *testing.T) {
		o := o.in(t)
		var after map[string]string
		testserver.Eventually(t, patience, func() error {
			after = everythingRetained(t, broker)
			for topic := range before {
				if after[topic] == "" {
					return fmt.Errorf("%s is not there", topic)
				}
			}
			return o.tryGet("/-/ready", nil)
		})
		for _, topic := range []string{"wattline/data/hq/rare", "wattline/device/rare", "wattline/device/slow"} {
			if after[topic] != before[topic] {
				t.Errorf("%s was %s and is %s", topic, before[topic], after[topic])
			}
		}
		checkRoles(t, after)
		on := run.Plug(0).Report().On
		o.switchRelay("often", wattline.RelayOf(!on))
	})

	t.Run("what was asked before it died is answered after", func(t *testing.T) {
		slow := run.Plug(2)
		slow.SetRelay(false)
		switched := make(chan answer, 1)
		go func() {
			got, err := o.send(http.MethodPut, "/api/v1/devices/slow/relay", `{"state":"on"}`)
			if err != nil {
				got.body = []byte(err.Error())
			}
			switched <- got
		}()
		testserver.Eventually(t, patience, func() error {
			if !slow.Report().On {
				return fmt.Errorf("the command has not reached the plug")
			}
			return nil
		})
		broker.Kill() // the plug's answer takes as long as this
		broker.Start()
		var result wattline.Result
		got := <-switched
		if err := got.as(&result); err != nil || result.Outcome != wattline.OutcomeDone || result.Relay != wattline.RelayOn {
			t.Errorf("the answer is %+v: %v", result, err)
		}
	})

	for _, w := range running.all() {
		w.alive()
	}
}

// everythingRetained is all retained payloads by topic.
func everythingRetained(t *testing.T, broker *testserver.MosquittoServer) map[string]string {
	t.Helper()
	heard := (mqtt{t, broker.Addr()}).record("wattline/#")
	retained := map[string]string{}
	for _, m := range heard.messages() {
		if m.retained {
			retained[m.topic] = m.payload
		}
	}
	heard.run.Kill()
	return retained
}

// checkRoles: every role is announced as online, by three processes.
func checkRoles(t *testing.T, retained map[string]string) {
	t.Helper()
	roles := map[string]bool{}
	processes := 0
	for topic, payload := range retained {
		if !strings.HasPrefix(topic, "wattline/presence/") {
			continue
		}
		var presence wattline.Presence
		if err := json.Unmarshal([]byte(payload), &presence); err != nil || presence.Status != wattline.PresenceOnline {
			t.Errorf("%s: %v: %s", topic, err, payload)
		}
		processes++
		for _, role := range presence.Roles {
			roles[role] = true
		}
	}
	want := map[string]bool{"gateway": true, "collector": true, "controller": true, "registry": true, "history": true, "hook": true, "whereabouts": true}
	if diff := cmp.Diff(want, roles); diff != "" || processes != 3 {
		t.Errorf("%d processes; roles (-want +got):\n%s", processes, diff)
	}
	stored := 0
	for topic := range maps.Keys(retained) {
		if strings.HasPrefix(topic, "wattline/stored/archive/") {
			stored++
		}
	}
	if stored != 1 {
		t.Errorf("%d stored positions are retained", stored)
	}
}
