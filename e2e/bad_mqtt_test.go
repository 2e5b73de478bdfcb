package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/testserver"
)

// TestBadInputHarmsNobody sends to every topic, as anybody on the broker could,
// what should not be there.
func TestBadInputHarmsNobody(t *testing.T) {
	t.Parallel()
	broker := testserver.Mosquitto(t, testserver.MosquittoOptions{})
	e := startEmulator(t, "--plugs", "2")
	o := newOffice(t, outsideBroker(broker), "store: archive")
	o.declare(e.devices...)
	running := o.apart()
	o.waitUp("desk-1", "desk-2")
	bus := mqtt{t, broker.Addr()}
	replies := bus.record("wattline/reply/foreign/+")
	before := e.plug("desk-1").Outlets[0]

	t.Run("a command that is not whole never switches and is answered with invalid", func(t *testing.T) {
		badCommands(t, bus, replies)
		passed(t, bus, replies, "desk-2")
		after := e.plug("desk-1").Outlets[0]
		if diff := cmp.Diff(before.Switched, after.Switched); diff != "" {
			t.Errorf("the relay was moved:\n%s", diff)
		}
	})

	t.Run("a request over REST that is not whole never switches", func(t *testing.T) {
		o := o.in(t)
		for body, status := range map[string]int{
			`{}`: 400, `{"state":null}`: 400, `{"state":"OFF"}`: 400, `{"state":"of"}`: 400, `{"state":false}`: 400, `{"state":0}`: 400,
			`{"State":"off"}`: 400, `{"state":"off","state":"off"}`: 400, `{"state":"off","x":1}`: 400, `{"state":"off"}}`: 400,
			`"off"`: 400, `null`: 400, `{"state":"off"`: 400, ` ` + strings.Repeat("[", 100_000): 400,
		} {
			if p := o.refused(status, http.MethodPut, "/api/v1/devices/desk-1/relay", body); p.RequestID == "" || p.Detail == "" {
				t.Errorf("%.40s is answered with %+v", body, p)
			}
		}
		o.refused(http.StatusNotFound, http.MethodPut, "/api/v1/devices/nobody/relay", `{"state":"off"}`)
		o.refused(http.StatusBadRequest, http.MethodPost, "/api/v1/commands", `{"selector":{},"action":"off"}`)
		if diff := cmp.Diff(before.Switched, e.plug("desk-1").Outlets[0].Switched); diff != "" {
			t.Errorf("the relay was moved:\n%s", diff)
		}
	})

	t.Run("garbage on any topic is counted and changes nothing", func(t *testing.T) {
		o := o.in(t)
		dropped := o.counted()
		garbage(t, o, bus)
		passed(t, bus, replies, "desk-2")
		testserver.Eventually(t, patience, func() error {
			for name, was := range dropped {
				if o.counted()[name] <= was {
					return fmt.Errorf("%s is still %v", name, was)
				}
			}
			return nil
		})
		listed := map[string]wattline.Device{}
		for _, d := range o.devices("") {
			listed[d.ID] = d.Device
		}
		if diff := cmp.Diff(map[string]wattline.Device{"desk-1": e.device("desk-1"), "desk-2": e.device("desk-2")}, listed, asDeclared); diff != "" {
			t.Errorf("devices (-want +got):\n%s", diff)
		}
		at := time.Now()
		for _, id := range []string{"desk-1", "desk-2"} {
			o.eventuallyState(id, "read again", func(s wattline.FreshState) bool {
				return s.State.Availability == wattline.AvailabilityUp && s.Reading != nil && s.Reading.Time.After(at)
			})
			o.eventuallyReading(id, "stored after it", at, func(wattline.Reading) bool { return true })
		}
		for _, reading := range o.readingsOf("desk-1") {
			if reading.PowerW > 4_000_000 || reading.MeterWh == 77_000 {
				t.Errorf("a reading that nobody took is stored: %+v", reading)
			}
		}
		o.switchRelay("desk-1", wattline.RelayOff)
	})

	for _, w := range running.all() {
		w.alive()
	}
}

func (o *office) readingsOf(id string) []wattline.Reading {
	o.t.Helper()
	readings, err := o.tryReadings(id, time.Now().Add(-time.Hour))
	if err != nil {
		o.t.Fatal(err)
	}
	return readings
}

// counted are the gateway's counters of bad messages.
func (o *office) counted() map[string]float64 {
	o.t.Helper()
	got, err := o.send(http.MethodGet, "/metrics", "")
	if err != nil || got.status != http.StatusOK {
		o.t.Fatal(got.status, err)
	}
	counted := map[string]float64{"wattline_bus_dropped_total": 0, "wattline_api_messages_refused_total": 0, "wattline_bus_oversized_total": 0}
	for _, found := range regexp.MustCompile(`(?m)^(\w+)(?:\{.*\})? (\S+)$`).FindAllStringSubmatch(string(got.body), -1) {
		if _, ours := counted[found[1]]; ours {
			value, err := strconv.ParseFloat(found[2], 64)
			if err != nil {
				o.t.Fatal(err)
			}
			counted[found[1]] += value
		}
	}
	return counted
}

// badCommands sends envelopes and bodies with one fault each. All can be
// answered.
func badCommands(t *testing.T, bus mqtt, replies *recorder) {
	t.Helper()
	body := func(text string) json.RawMessage { return json.RawMessage(text) }
	good := body(`{"device":"desk-1","action":"off"}`)
	faults := map[string]string{}
	for i, b := range []string{
		`{"device":"desk-1"}`, `{"device":"desk-1","action":null}`, `{"device":"desk-1","action":""}`,
		`{"device":"desk-1","action":"OFF"}`, `{"device":"desk-1","action":"toggle"}`, `{"device":"desk-1","action":"of"}`,
		`{"device":"desk-1","action":0}`, `{"device":"desk-1","action":false}`, `{"device":"desk-1","Action":"off"}`,
		`{"device":"desk-1","action":"off","force":true}`, `{"device":"desk-2","action":"off"}`, `{"action":"off"}`,
		`null`, `[]`, `"off"`, `{}`, `{"device":"desk-1","action":["off"]}`,
	} {
		id := fmt.Sprintf("bad-body-%d", i)
		faults[id] = envelope(id, body(b), nil)
	}
	for i, change := range []map[string]any{
		{"v": 2},
		{"v": nil},
		{"v": "1"},
		{"deadline": nil},
		{"deadline": "tomorrow"},
		{"deadline": 1},
		{"issued_at": nil},
		{"deadline": "9999-01-01T00:00:00Z"},
		{"deadline": wattline.At(time.Now().Add(48 * time.Hour))},
		{"body": nil},
		{"extra": 1},
		{"actor": strings.Repeat("x", 1000)},
		{"issued_at": wattline.At(time.Now().Add(time.Hour))},
	} {
		id := fmt.Sprintf("bad-envelope-%d", i)
		faults[id] = envelope(id, good, change)
	}
	twice := envelope("bad-twice", good, nil)
	faults["bad-twice"] = strings.Replace(twice, `"v":1`, `"v":1,"v":1`, 1)
	for _, text := range faults {
		bus.publish("wattline/command/hq/desk-1", text)
	}
	for id, text := range faults {
		reply := replies.reply(id)
		if reply.Error == nil || reply.Error.Code != wattline.CodeInvalid || reply.ID != id || len(reply.Body) > 0 {
			t.Errorf("%.300s is answered with %+v", text, reply)
		}
	}
}

// garbage sends wrong payloads to all topics.
func garbage(t *testing.T, o *office, bus mqtt) {
	t.Helper()
	now := wattline.At(time.Now()).String()
	later := wattline.At(time.Now().Add(time.Hour)).String()
	reading := `{"device":"desk-1","time":"` + now + `","power_w":1,"voltage_v":230,"current_a":0,"energy_wh":1,"meter_wh":77,"relay":"off","rssi_dbm":-1,"covers_s":1`
	payloads := strings.Join([]string{
		"not json", "{", "{}", "null", "[]", `"off"`, "true", "NaN", "1e999", "\xff\xfe{}", strings.Repeat("[", 20000),
		`{"device":"desk-1","device":"desk-1"}`, `{"id":"desk-1"}`, `{"id":"desk-1","kind":"a/b","location":"hq","site":"hq","address":"x"}`,
		`{"id":"desk-1","kind":"printer","location":"hq","site":"hq","address":"192.0.2.1","labels":{"a":1}}`,
		`{"instance":"x","status":"maybe"}`, `{"instance":"other","status":"online"}`, `{"seq":-1}`, `{"seq":"1"}`, `{"seq":1.5}`,
		strings.Replace(reading, `"power_w":1`, `"power_w":NaN`, 1) + "}", strings.Replace(reading, `"power_w":1`, `"power_w":"1"`, 1) + "}",
		strings.Replace(reading, `"power_w":1`, `"power_w":null`, 1) + "}", strings.Replace(reading, `"power_w":1`, `"power_w":1e300`, 1) + "}",
		strings.Replace(reading, now, "9999-12-31T00:00:00.000Z", 1) + "}", reading + `,"relay":"off"}`, reading + "} trailing",
		strings.Replace(reading, `"desk-1"`, `"desk-2"`, 1) + "}", strings.Replace(reading, `"desk-1"`, `"a+/#"`, 1) + "}",
		strings.Replace(reading, `"relay":"off"`, `"relay":"aus"`, 1) + "}",
		`{"device":"desk-1","availability":"perhaps","since":"` + now + `","time":"` + later + `"}`,
		`{"device":"desk-1","availability":"down","since":"` + now + `","time":"9999-01-01T00:00:00Z"}`,
	}, "\n") + "\n"
	var sending []*exec.Cmd
	for _, topic := range append(o.instanceTopics(bus),
		"data/hq/desk-1", "data/hq/nobody", "state/hq/desk-1", "state/hq/nobody", "device/desk-1", "device/nobody",
		"command/hq/desk-1", "command/hq/nobody", "query/history/nobody/readings", "stored/archive/nobody", "presence/nobody",
		"event/command", "event/alert", "unheard-of", "data/hq", "data/hq/desk-1/more", "data/HQ/Desk 1", "device/",
	) {
		// At QoS 0 mosquitto_pub 2.0.11 never ends once in some 3,000 runs: its last
		// message may be gone before it knows that it was the last.
		cmd := bus.client(soon(t), "mosquitto_pub", "-t", "wattline/"+topic, "-l", "-q", "1")
		cmd.Stdin = strings.NewReader(payloads)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		sending = append(sending, cmd)
	}
	for _, cmd := range sending {
		if err := cmd.Wait(); err != nil {
			t.Errorf("%v: %v", cmd.Args, err)
		}
	}
	huge := `{"device":"` + strings.Repeat("x", 5<<20) + `"}`
	for _, topic := range []string{"data/hq/desk-1", "state/hq/desk-1", "device/desk-1", "command/hq/desk-1"} {
		bus.publish("wattline/"+topic, huge)
	}
}

// instanceTopics are the topics with a running instance's name in them.
func (o *office) instanceTopics(bus mqtt) []string {
	var topics []string
	for topic, payload := range bus.record("wattline/presence/+", "wattline/stored/+/+").newest() {
		topics = append(topics, strings.TrimPrefix(topic, "wattline/"))
		var presence wattline.Presence
		if json.Unmarshal([]byte(payload), &presence) != nil || presence.Instance == "" {
			continue
		}
		topics = append(topics, "reply/"+presence.Instance+"/stray")
		for _, role := range presence.Roles {
			for _, verb := range []string{"list", "get", "readings", "consumption", "replay", "read"} {
				topics = append(topics, "query/"+role+"/"+presence.Instance+"/"+verb)
			}
		}
	}
	return topics
}
