package broker_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/broker"
	"github.com/wattline/wattline/internal/broker/internal/wire"
	"github.com/wattline/wattline/internal/mqttcredentials"
	"github.com/wattline/wattline/internal/mqttrights"
	"github.com/wattline/wattline/internal/testserver"
)

// rightsRoot has what topics and the server's subjects spell differently.
const rightsRoot = "office.1/wattline"

// holders are one of each role.
func holders() []mqttrights.Holder {
	return []mqttrights.Holder{
		{Name: "gw-north-1", Roles: []mqttrights.Role{"gateway"}},
		{Name: "gw-north-2", Roles: []mqttrights.Role{"gateway"}},
		{Name: "col-1", Roles: []mqttrights.Role{"collector"}, Site: "hq"},
		{Name: "con-1", Roles: []mqttrights.Role{"controller"}},
		{Name: "agent-1", Roles: []mqttrights.Role{"collector", "controller"}, Site: "hq"},
		{Name: "reg-1", Roles: []mqttrights.Role{"registry"}},
		{Name: "his-1", Roles: []mqttrights.Role{"history"}},
		{Name: "store-1", Roles: []mqttrights.Role{"hook:influx"}},
		{Name: "alert-1", Roles: []mqttrights.Role{"hook"}},
		{Name: "weather-1", Roles: []mqttrights.Role{"component:weather"}},
		{Name: "wall-1", Roles: []mqttrights.Role{"observer"}},
	}
}

// act is something that a holder tries, on a topic below the root.
type act struct {
	holder  string
	says    bool // else it listens
	topic   string
	allowed bool
}

// acts is what all three must agree upon: the table of rights, the embedded broker
// and mosquitto.
func acts() []act {
	const says, hears, yes, no = true, false, true, false
	return []act{
		{"gw-north-1", says, "command/hq/desk-1", yes},
		{"gw-north-1", says, "query/history/his-1/readings", yes},
		{"gw-north-1", says, "event/audit", yes},
		{"gw-north-1", says, "presence/gw-north-1", yes},
		{"gw-north-1", says, "presence/gw-north-2", no},
		{"gw-north-1", says, "data/hq/desk-1", no},
		{"gw-north-1", says, "device/desk-1", no},
		{"gw-north-1", says, "reply/con-1/k2m5", yes},
		{"gw-north-1", hears, "query/gateway/gw-north-1/confirm", yes},
		{"gw-north-1", hears, "query/gateway/gw-north-2/confirm", no},
		{"gw-north-1", hears, "reply/gw-north-1/k2m5", yes},
		{"gw-north-1", hears, "reply/gw-north-2/k2m5", no},
		{"gw-north-1", hears, "command/hq/desk-1", no},
		{"gw-north-1", hears, "query/history/his-1/readings", no},
		{"gw-north-1", hears, "data/hq/sp_w.r1.c1", yes},

		{"col-1", says, "data/hq/sp_w.r1.c1", yes},
		{"col-1", says, "data/annex/desk-1", no},
		{"col-1", says, "pack/hq/c3v6qk", yes},
		{"col-1", says, "pack/annex/c3v6qk", no},
		{"gw-north-1", says, "pack/hq/c3v6qk", no},
		{"store-1", hears, "pack/hq/c3v6qk", yes},
		{"store-1", says, "pack/hq/c3v6qk", no},
		{"wall-1", hears, "pack/hq/c3v6qk", no},
		{"col-1", says, "state/hq/desk-1", yes},
		{"col-1", says, "reply/gw-north-1/k2m5", yes},
		{"col-1", says, "event/journal_dropped", yes},
		{"col-1", says, "query/history/his-1/last", yes},
		{"col-1", says, "query/history/his-1/readings", no},
		{"col-1", says, "query/whereabouts/reg-1/hq", yes},
		{"col-1", says, "query/whereabouts/reg-1/annex", no},
		{"col-1", says, "query/registry/reg-1/moved", no},
		{"col-1", says, "query/registry/reg-1/put", no},
		{"col-1", says, "query/registry/reg-1/list", yes},
		{"col-1", says, "query/history/his-1/last", yes},
		{"col-1", says, "query/history/his-1/readings", no},
		{"col-1", says, "event/command", no},
		{"col-1", says, "command/hq/desk-1", no},
		{"col-1", says, "stored/influx/c3v6", no},
		{"col-1", says, "device/desk-1", no},
		{"col-1", hears, "query/collector/col-1/replay", yes},
		{"col-1", hears, "query/collector/agent-1/replay", no},
		{"col-1", hears, "query/history/col-1/readings", no},
		{"col-1", hears, "stored/influx/c3v6", yes},
		{"col-1", hears, "device/desk-1", yes},
		{"col-1", hears, "command/hq/desk-1", no},
		{"col-1", hears, "data/annex/desk-1", no},

		{"con-1", hears, "command/annex/desk-1", yes},
		{"con-1", says, "state/annex/desk-1", yes},
		{"con-1", says, "event/command", yes},
		{"con-1", says, "data/hq/desk-1", no},
		{"con-1", says, "command/hq/desk-1", no},
		{"con-1", says, "query/gateway/gw-north-1/confirm", yes},
		{"con-1", says, "query/registry/reg-1/list", yes},
		{"con-1", says, "query/registry/reg-1/delete", no},
		{"con-1", says, "query/history/his-1/readings", no},
		{"con-1", hears, "query/gateway/gw-north-1/confirm", no},

		{"agent-1", says, "data/hq/desk-1", yes},
		{"agent-1", hears, "command/hq/desk-1", yes},
		{"agent-1", hears, "command/annex/desk-1", no},

		{"reg-1", hears, "query/whereabouts/reg-1/hq", yes},
		{"reg-1", says, "device/desk-1", yes},
		{"reg-1", says, "event/registry", yes},
		{"reg-1", hears, "query/registry/reg-1/list", yes},
		{"reg-1", says, "data/hq/desk-1", no},
		{"reg-1", says, "query/history/his-1/readings", no},

		{"his-1", hears, "query/history/his-1/aggregate", yes},
		{"his-1", says, "reply/gw-north-1/k2m5", yes},
		{"his-1", says, "command/hq/desk-1", no},
		{"his-1", hears, "data/hq/desk-1", no},

		{"store-1", says, "stored/influx/c3v6", yes},
		{"store-1", says, "stored/archive/c3v6", no},
		{"store-1", says, "query/collector/col-1/replay", yes},
		{"store-1", says, "query/collector/col-1/forget", no},
		{"store-1", says, "command/hq/desk-1", no},
		{"store-1", hears, "query/hook/store-1/status", yes},
		{"store-1", hears, "reply/gw-north-1/k2m5", no},
		{"store-1", hears, "data/hq/desk-1", yes},

		{"alert-1", says, "event/alert", yes},
		{"alert-1", says, "command/hq/desk-1", no},
		{"alert-1", says, "stored/influx/c3v6", no},
		{"alert-1", says, "reply/gw-north-1/k2m5", no},
		{"alert-1", hears, "event/command", yes},

		{"weather-1", hears, "query/weather/weather-1/forecast", yes},
		{"weather-1", hears, "query/history/weather-1/readings", no},
		{"weather-1", says, "reply/gw-north-1/k2m5", yes},
		{"weather-1", says, "query/history/his-1/readings", yes},
		{"weather-1", says, "query/history/his-1/rebuild", no},
		{"weather-1", says, "command/hq/desk-1", no},

		{"wall-1", hears, "data/hq/desk-1", yes},
		{"wall-1", hears, "presence/gw-north-1", yes},
		{"wall-1", hears, "reply/wall-1/k2m5", no},
		{"wall-1", hears, "query/history/his-1/readings", no},
		{"wall-1", says, "data/hq/desk-1", no},
		{"wall-1", says, "presence/wall-1", no},
		{"wall-1", says, "event/alert", no},
	}
}

func (a act) String() string {
	verb, may := "hears", "may"
	if a.says {
		verb = "says"
	}
	if !a.allowed {
		may = "may not"
	}
	return fmt.Sprintf("%s %s: %s %s", a.holder, may, verb, a.topic)
}

func rightsTopics(t *testing.T) wattline.Topics {
	t.Helper()
	topics, err := wattline.NewTopics(rightsRoot)
	if err != nil {
		t.Fatal(err)
	}
	return topics
}

// issue gives each holder a credential in a folder and returns the secrets by name.
func issue(t *testing.T, folder string, holders ...mqttrights.Holder) map[string]string {
	t.Helper()
	secrets := make(map[string]string)
	for _, holder := range holders {
		secret, err := mqttcredentials.Issue(folder, holder, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		secrets[holder.Name] = secret
	}
	return secrets
}

func TestRightsOnTopicsAreTheSameEverywhere(t *testing.T) {
	topics := rightsTopics(t)
	t.Run("in the table", func(t *testing.T) {
		rights := make(map[string]mqttrights.Rights)
		for _, holder := range holders() {
			rights[holder.Name] = mqttrights.Of(holder)
		}
		for _, act := range acts() {
			topic, err := topics.Parse(rightsRoot + "/" + act.topic)
			if err != nil {
				t.Fatal(err)
			}
			may := rights[act.holder].MaySubscribe(topic)
			if act.says {
				may = rights[act.holder].MayPublish(topic)
			}
			if may != act.allowed {
				t.Errorf("not so: %v", act)
			}
		}
	})
	t.Run("at the embedded broker", func(t *testing.T) {
		folder := t.TempDir()
		secrets := issue(t, folder, holders()...)
		b := start(t, broker.Options{
			Topics: topics, Self: "self-1", Credentials: filepath.Join(folder, mqttcredentials.FileName),
		})
		user, password := b.Login()
		tryAll(t, b.URL(), secrets, wire.Connect{ClientID: user, Username: user, Password: password})
	})
	t.Run("at mosquitto with the files that are written for it", func(t *testing.T) {
		folder := t.TempDir()
		secrets := issue(t, folder, append(holders(), mqttrights.Holder{Name: "self-1", Roles: []mqttrights.Role{"observer"}})...)
		lines := mosquittoFiles(t, folder, topics, "\nuser self-1\ntopic readwrite #\n")
		m := testserver.Mosquitto(t, testserver.MosquittoOptions{Lines: lines})
		tryAll(t, m.URL(), secrets, wire.Connect{ClientID: "self-1", Username: "self-1", Password: secrets["self-1"]})
	})
}

// mosquittoFiles writes the credentials of a folder for mosquitto, and more rights
// after them, and returns the lines of its configuration.
func mosquittoFiles(t *testing.T, folder string, topics wattline.Topics, more string) []string {
	t.Helper()
	list, err := mqttcredentials.List(folder)
	if err != nil {
		t.Fatal(err)
	}
	acl, passwords := filepath.Join(folder, "acl"), filepath.Join(folder, "passwd")
	text := mqttrights.ACL(topics, mqttcredentials.Holders(list)) + more
	for path, text := range map[string]string{acl: text, passwords: mqttcredentials.Passwords(list)} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return []string{
		"allow_anonymous false", "use_username_as_clientid true", "acl_file " + acl, "password_file " + passwords,
	}
}

// tryAll tries every act at a broker. The witness may do everything.
func tryAll(t *testing.T, url string, secrets map[string]string, witness wire.Connect) {
	t.Helper()
	all := connect(t, url, witness)
	subscribe(t, all, rightsRoot+"/#", 0)
	clients := make(map[string]*wire.Client)
	for _, holder := range holders() {
		clients[holder.Name] = connect(t, url, wire.Connect{
			ClientID: holder.Name, Username: holder.Name, Password: secrets[holder.Name],
		})
	}
	for i, act := range acts() {
		topic, mark := rightsRoot+"/"+act.topic, fmt.Sprint("act ", i)
		from, to := all, clients[act.holder]
		if act.says {
			from, to = to, from
		} else if _, err := trySubscribe(to, topic, 0); err != nil && act.allowed {
			t.Errorf("%v: %v", act, err) // mosquitto grants all and denies later
		}
		publish(t, from, wire.Publish{Topic: topic, Payload: []byte(mark), QoS: byte(i % 2)})
		if got := arrives(t, to, mark); got != act.allowed {
			t.Errorf("not so: %v", act)
		}
	}
}

// arrives tells whether a message is among those that have come.
func arrives(t *testing.T, client *wire.Client, mark string) (found bool) {
	t.Helper()
	if err := client.Ping(); err != nil {
		t.Fatal(err)
	}
	_, err := client.Await(wire.TypePingresp, func(packet wire.Packet) {
		found = found || packet.Type == wire.TypePublish && string(packet.Payload) == mark
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestWiderFiltersThanTheRightsAreRefused(t *testing.T) {
	folder := t.TempDir()
	secrets := issue(t, folder, holders()...)
	b := start(t, broker.Options{Topics: rightsTopics(t), Credentials: filepath.Join(folder, mqttcredentials.FileName)})
	client := connect(t, b.URL(), wire.Connect{ClientID: "gw-north-1", Username: "gw-north-1", Password: secrets["gw-north-1"]})
	for _, filter := range []string{
		"#", "+/+/#", rightsRoot + "/#", rightsRoot + "/reply/#", rightsRoot + "/reply/+/+", rightsRoot + "/reply/*/+",
		rightsRoot + "/reply/>", rightsRoot + "/reply/gw-north-1/#", rightsRoot + "/query/+/+/+", "$SYS/#", "$JS/API/#",
	} {
		t.Run(strings.TrimPrefix(filter, rightsRoot), func(t *testing.T) {
			if _, err := trySubscribe(client, filter, 1); err == nil {
				t.Errorf("%s is granted", filter)
			}
		})
	}
}

// What stays after a client, retained messages and wills, is held to its rights too.
func TestNothingIsLeftBehindBeyondTheRights(t *testing.T) {
	folder := t.TempDir()
	secrets := issue(t, folder, append(holders(), mqttrights.Holder{Name: "self-1", Roles: []mqttrights.Role{"observer"}})...)
	topics := rightsTopics(t)
	b := start(t, broker.Options{Topics: topics, Self: "office", Credentials: filepath.Join(folder, mqttcredentials.FileName)})
	user, password := b.Login()
	m := testserver.Mosquitto(t, testserver.MosquittoOptions{Lines: mosquittoFiles(t, folder, topics, "\nuser self-1\ntopic readwrite #\n")})
	for name, at := range map[string]struct {
		url     string
		witness wire.Connect
	}{
		"embedded":  {b.URL(), wire.Connect{ClientID: user, Username: user, Password: password}},
		"mosquitto": {m.URL(), login("self-1", secrets["self-1"])},
	} {
		t.Run(name, func(t *testing.T) {
			const device, presence = rightsRoot + "/device/desk-1", rightsRoot + "/presence/gw-north-2"
			all := connect(t, at.url, at.witness)
			subscribe(t, all, rightsRoot+"/#", 0)
			publish(t, all, wire.Publish{Topic: device, Payload: []byte("true"), QoS: 1, Retain: true})
			collector := connect(t, at.url, login("col-1", secrets["col-1"]))
			for qos := range byte(2) {
				publish(t, collector, wire.Publish{Topic: device, Payload: []byte("false"), QoS: qos, Retain: true})
				publish(t, collector, wire.Publish{Topic: device, QoS: qos, Retain: true}) // deletes it
			}
			late := connect(t, at.url, login("wall-1", secrets["wall-1"]))
			testserver.Eventually(t, patience, func() error { // a new topic is found a moment later
				if got := subscribe(t, late, device, 0); len(got) != 1 || string(got[0].Payload) != "true" {
					return fmt.Errorf("retained is %v", got)
				}
				return nil
			})
			willed := login("con-1", secrets["con-1"])
			willed.Will = &wire.Publish{Topic: presence, Payload: []byte("offline"), QoS: 1, Retain: true}
			if client, err := tryConnect(at.url, willed); err == nil { // mosquitto refuses it at once
				_ = client.Close()
			}
			rightful := login("gw-north-2", secrets["gw-north-2"])
			rightful.Will = &wire.Publish{Topic: presence, Payload: []byte("away"), QoS: 1, Retain: true}
			_ = connect(t, at.url, rightful).Close()
			message, err := all.Await(wire.TypePublish, func(wire.Packet) {})
			for err == nil && message.Topic != presence {
				message, err = all.Await(wire.TypePublish, nil)
			}
			if err != nil || string(message.Payload) != "away" {
				t.Errorf("the will is %q, %v", message.Payload, err)
			}
		})
	}
}
