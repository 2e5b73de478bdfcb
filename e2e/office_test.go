package e2e_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/testserver"
)

// office is a folder with a configuration, and what runs on it.
type office struct {
	api

	t        *testing.T
	folder   string
	settings []string
}

// newOffice makes a configuration of the given lines, with an API on a free port
// and a poll every second.
func newOffice(t *testing.T, settings ...string) *office {
	t.Helper()
	listen := freeAddr(t)
	o := &office{t: t, folder: t.TempDir(), api: api{t, "http://" + listen, adminToken}}
	o.settings = append([]string{
		"listen: " + listen, "site: hq", "timezone: Europe/Madrid", "data: ./data", "poll: 1s",
	}, settings...)
	admit(t, filepath.Join(o.folder, "data"))
	return o
}

// asDeclared leaves out of devices what the registry adds to what is declared.
var asDeclared = cmp.Transformer("asDeclared", func(d wattline.Device) declared {
	d.Source, d.Version = "", 0
	return declared(d)
})

// declared is a device that is compared field by field.
type declared wattline.Device

// admit puts the admin's token into a data folder before its first start.
func admit(t *testing.T, data string) {
	t.Helper()
	if err := os.MkdirAll(data, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(data, "admin.token"), []byte(adminToken), 0o600); err != nil {
		t.Fatal(err)
	}
}

// in is the same office for a subtest.
func (o *office) in(t *testing.T) *office {
	inner := *o
	inner.t, inner.api.t = t, t
	return &inner
}

func freeAddr(t *testing.T) string {
	t.Helper()
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(testserver.FreePort(t)))
}

// outsideBroker is the setting for a mosquitto.
func outsideBroker(broker *testserver.MosquittoServer) string { return "broker: " + broker.URL() }

// influxStore are the settings for an InfluxDB, whose token goes into a file.
func (o *office) influxStore(server *testserver.InfluxServer, bucket string) {
	o.t.Helper()
	o.write("influx.token", server.Token()+"\n")
	o.settings = append(o.settings, "store: influx",
		fmt.Sprintf("influx: {url: %q, org: %s, bucket: %s, token_file: influx.token}", server.URL(), server.Org(), bucket))
}

// declare writes the configuration with these devices.
func (o *office) declare(devices ...wattline.Device) {
	o.t.Helper()
	text := strings.Join(o.settings, "\n") + "\ndevices:\n"
	for _, d := range devices {
		labels, err := json.Marshal(d.Labels)
		if err != nil {
			o.t.Fatal(err)
		}
		text += fmt.Sprintf("  - {id: %s, kind: %s, location: %s, address: %q, labels: %s, protected: %q",
			d.ID, d.Kind, d.Location, d.Address, strings.Replace(string(labels), "null", "{}", 1), d.Protected)
		if d.Site != "" {
			text += ", site: " + d.Site
		}
		if d.PollS != 0 {
			text += fmt.Sprintf(", poll: %ss", d.PollS)
		}
		text += "}\n"
	}
	if len(devices) == 0 {
		text = strings.TrimSuffix(text, "devices:\n")
	}
	o.write("wattline.yaml", text)
}

func (o *office) write(name, text string) {
	o.t.Helper()
	if err := os.WriteFile(filepath.Join(o.folder, name), []byte(text), 0o600); err != nil {
		o.t.Fatal(err)
	}
}

// up runs every role in one process and waits until it is ready.
func (o *office) up() *wattlineProcess {
	o.t.Helper()
	w := start(o.t, o.folder, "up", "-c", "wattline.yaml")
	o.waitReady(w)
	return w
}

// roles runs some roles in a process of their own.
func (o *office) roles(names ...string) *wattlineProcess {
	o.t.Helper()
	return start(o.t, o.folder, append(append([]string{"run"}, names...), "-c", "wattline.yaml")...)
}

// parts is an office in three processes.
type parts struct{ gateway, agents, components *wattlineProcess }

func (o *office) apart() parts {
	o.t.Helper()
	p := parts{
		components: o.roles("registry", "history", "hook"),
		agents:     o.roles("collector", "controller"),
		gateway:    o.roles("gateway"),
	}
	o.waitReady(p.gateway, p.agents, p.components)
	return p
}

func (p parts) all() []*wattlineProcess { return []*wattlineProcess{p.gateway, p.agents, p.components} }

// waitReady waits for /-/ready, as long as the processes run.
func (o *office) waitReady(running ...*wattlineProcess) {
	o.t.Helper()
	var ended error
	testserver.Eventually(o.t, patience, func() error {
		for _, w := range running {
			select {
			case <-w.Ended():
				ended = errors.New(w.name + " has ended")
				return nil
			default:
			}
		}
		return o.tryGet("/-/ready", nil)
	})
	if ended != nil {
		o.t.Fatal(ended)
	}
}

// waitUp waits until the devices answer, all of those listed if none is named.
func (o *office) waitUp(ids ...string) {
	o.t.Helper()
	for _, id := range ids {
		o.eventuallyState(id, "up", func(s wattline.FreshState) bool {
			return s.State.Availability == wattline.AvailabilityUp
		})
	}
}

// device describes one whose location ends with its id.
func device(id, kind, address string) wattline.Device {
	return wattline.Device{ID: id, Kind: kind, Location: "hq/f1/r101/" + id, Site: "hq", Address: address}
}
