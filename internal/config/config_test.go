package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/config"
)

const whole = `
listen: 127.0.0.1:8080            # the HTTP API
site: hq
timezone: Europe/Madrid
data: ./data
broker: embedded
broker_listen: 127.0.0.1:1883
store: archive
influx: {url: "http://127.0.0.1:8086", org: office, bucket: wattline, token_file: influx.token}
poll: 5s
devices:
  - {id: desk-1, kind: workstation, location: hq/f1/r101/desk-1, address: "192.0.2.11", labels: {cost-centre: "4100"}, protected: false}
  - {id: sp_w.r1.c1, kind: printer, location: hq, address: "plug.lan:9998/02", poll: 1500ms, protected: true}
  - {id: fridge, kind: kitchen, location: hq, address: "192.0.2.12", protected: always_on}
`

func TestTheDocumentedFileIsRead(t *testing.T) {
	got, err := config.Parse([]byte(whole))
	if err != nil {
		t.Fatal(err)
	}
	want := []wattline.Device{
		{ID: "desk-1", Kind: "workstation", Location: "hq/f1/r101/desk-1", Site: "hq", Address: "192.0.2.11", Labels: map[string]string{"cost-centre": "4100"}},
		{ID: "sp_w.r1.c1", Kind: "printer", Location: "hq", Site: "hq", Address: "plug.lan:9998/02", PollS: 1500, Protected: wattline.ProtectionLocked},
		{ID: "fridge", Kind: "kitchen", Location: "hq", Site: "hq", Address: "192.0.2.12", Protected: wattline.ProtectionAlwaysOn},
	}
	if diff := cmp.Diff(want, got.Registered()); diff != "" {
		t.Error(diff)
	}
	if got.Location().String() != "Europe/Madrid" || got.Poll != 5*time.Second || !got.Broker.IsEmbedded() {
		t.Errorf("%+v", got)
	}
}

func TestAnEmptyFileMeansTheDefaults(t *testing.T) {
	for _, text := range []string{"", "\n", "# nothing\n"} {
		got, err := config.Parse([]byte(text))
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if got.Listen != "127.0.0.1:8080" || got.Store != "archive" || !got.Broker.IsEmbedded() || got.Poll != 5*time.Second {
			t.Errorf("%+v", got)
		}
	}
}

func TestFaultsAreNamed(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"an unknown key with its line and the nearest": {"site: hq\npol: 5s\n", `line 2: unknown key "pol"; did you mean "poll"?`},
		"an unknown key of a device":                   {"devices:\n  - {id: a, lables: {}}\n", `line 2: unknown key "lables"; did you mean "labels"?`},
		"a key that is like none":                      {"xyzzyqwerty: 1\n", `line 1: unknown key "xyzzyqwerty"`},
		"a key given twice":                            {"site: a\nsite: b\n", "line 2"},
		"no YAML":                                      {"site: [\n", "line 1"},
		"a wrong type":                                 {"devices: 3\n", "line 1"},
		"a list where a text is meant":                 {"site: [a]\n", "line 1"},
		"a second document":                            {"site: a\n---\nsite: b\n", "second document"},
		"a poll without a unit":                        {"poll: 5\n", `line 1: "5" must be a duration such as 5s`},
		"a retention of 0 without a unit":              {"archive_retention: 0\n", `"0" must be a duration such as 5s; for none write 0s`},
		"a poll that is no duration":                   {"poll: often\n", "line 1: poll must be a duration such as 5s"},
		"a device's poll that is none":                 {"devices:\n- {id: a, poll: 5s}\n- {id: b, poll: often}\n", "line 3: devices[1].poll must be a duration such as 5s"},
		"a duration in a group":                        {"site: hq\njournal:\n  max_age: long\n", "line 3: journal.max_age must be a duration"},
		"a protection that there is not":               {"devices:\n- {id: a}\n- {id: b, protected: maybe}\n", "line 3: devices[1].protected must be always_on, locked"},
		"a list in place of a protection":              {"devices:\n- id: a\n  protected: [locked]\n", "line 3: devices[0].protected must be a text"},
		"a poll too short":                             {"poll: 10ms\n", "poll must lie between"},
		"an unknown time zone":                         {"timezone: Europe/Madird\n", "timezone must be an IANA name"},
		"a listen address without a port":              {"listen: localhost\n", "listen must be host:port"},
		"an unknown store":                             {"store: mysql\n", "store must be archive or influx"},
		"quarter-hours among the readings":             {"store: influx\ninflux: {url: 'http://h:1', org: o, bucket: b, quarters_bucket: b}\n", "influx.quarters_bucket must be another bucket"},
		"a retention of less than a day":               {"store: influx\ninflux: {url: 'http://h:1', org: o, bucket: b, retention: 1h}\n", "influx.retention must be at least 24h"},
		"influx without its bucket":                    {"store: influx\ninflux: {url: 'http://h:1', org: o}\n", "influx.bucket is missing"},
		"a password in the broker's address":           {"broker: mqtt://u:hunter2@host\n", "broker holds a password"},
		"a broker of another kind":                     {"broker: http://host\n", "broker"},
		"a list of brokers with a bad one":             {"broker: [mqtt://a, 'b']\n", "broker"},
		"broker_listen with an outside broker":         {"broker: mqtt://a\nbroker_listen: 127.0.0.1:1\n", "broker_listen goes with"},
		"a device id with a slash":                     {"devices: [{id: a/b, kind: k, location: l, address: h}]\n", "devices[0] (a/b).id must be"},
		"a device id with a wildcard":                  {"devices: [{id: 'a+', kind: k, location: l, address: h}]\n", ".id must be"},
		"a device without an address":                  {"devices: [{id: a, kind: k, location: l}]\n", "devices[0] (a).address must be"},
		"a device id twice":                            {"devices: [{id: a, kind: k, location: l, address: h}, {id: a, kind: k, location: l, address: h}]\n", "devices[1] (a).id is that of devices[0] already"},
		"a device polled too often":                    {"devices: [{id: a, kind: k, location: l, address: h, poll: 1ms}]\n", "devices[0] (a).poll must lie between"},
		"a site that is no name":                       {"site: HQ\n", "site must be"},
		"a journal for longer than anybody lives":      {"journal: {max_age: 2000000h}\n", "journal.max_age must lie"},
		"a hook's name that is no name":                {"hook_name: a/b\n", "hook_name must be"},
		"a journal of nothing":                         {"journal: {max_megabytes: 0}\n", "journal.max_megabytes must lie"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := config.Parse([]byte(c.text))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want %q", err, c.want)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Error("the password is in the error")
			}
		})
	}
}

func TestAGroupThatIsGivenInPartKeepsItsOtherDefaults(t *testing.T) {
	got, err := config.Parse([]byte("journal: {max_age: 48h}\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := config.Default().Journal
	want.MaxAge = 48 * time.Hour
	if diff := cmp.Diff(want, got.Journal); diff != "" {
		t.Error(diff)
	}
}

func TestAHookHasTheNameOfItsStoreOrOneOfItsOwn(t *testing.T) {
	for text, want := range map[string]string{
		"": "archive",
		"store: influx\ninflux: {url: 'http://h:1', org: o, bucket: b}\n": "influx",
		"hook_name: annex\n": "annex",
	} {
		if got, err := config.Parse([]byte(text)); err != nil || got.Hook() != want {
			t.Errorf("%q: %q, %v", text, got.Hook(), err)
		}
	}
}

func TestACollectorIsNotGivenUpWhileItsJournalKeepsReadings(t *testing.T) {
	const day = 24 * time.Hour
	for text, want := range map[string]time.Duration{
		"": 31 * day, "journal: {max_age: 1440h}\n": 61 * day, "journal: {max_age: 1h}\n": 31 * day, "journal: {max_age: 876000h}\n": 36501 * day,
	} {
		if got, err := config.Parse([]byte(text)); err != nil || got.Journal.GoneAfter() != want {
			t.Errorf("%q: %v, %v", text, got.Journal.GoneAfter(), err)
		}
	}
}

func TestBrokersAreAListOrOne(t *testing.T) {
	for _, text := range []string{"broker: mqtts://user@a:8883\n", "broker: ['mqtts://user@a:8883']\n", "broker:\n  - mqtts://user@a:8883\n"} {
		got, err := config.Parse([]byte(text))
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if urls, user := got.Broker.URLs(); len(urls) != 1 || urls[0] != "mqtts://a:8883" || user != "user" {
			t.Errorf("%q: %v %q", text, urls, user)
		}
	}
}

func TestPathsAndSecretsAreRelativeToTheFile(t *testing.T) {
	folder := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("wattline.yaml", whole)
	write("influx.token", "the-token\n")
	got, err := config.Load(filepath.Join(folder, "wattline.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if got.Data != filepath.Join(folder, "data") {
		t.Error(got.Data)
	}
	if token, err := got.InfluxToken(); err != nil || token != "the-token" {
		t.Error(token, err)
	}
	t.Setenv("WATTLINE_INFLUX_TOKEN", "from-outside")
	if token, err := got.InfluxToken(); err != nil || token != "from-outside" {
		t.Error(token, err)
	}
	if _, err := config.Load(filepath.Join(folder, "none.yaml")); err == nil || !strings.Contains(err.Error(), "none.yaml") {
		t.Error(err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(whole))
	f.Add([]byte("broker: [mqtt://a, mqtt://b]\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := config.Parse(data)
		if err != nil {
			return
		}
		for _, device := range got.Registered() {
			if err := device.Validate(); err != nil {
				t.Fatalf("an accepted device is invalid: %v", err)
			}
		}
		if !got.Broker.IsEmbedded() {
			if urls, _ := got.Broker.URLs(); len(urls) != len(got.Broker) {
				t.Fatalf("brokers %q lost some", got.Broker)
			}
		}
	})
}
