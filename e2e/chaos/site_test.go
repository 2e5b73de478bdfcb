package chaos_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/e2e/chaos/plan"
	"github.com/wattline/wattline/internal/testserver"
)

// patience is for what should happen soon, on a machine that does other things as
// well.
const patience = 90 * time.Second

// site is Wattline in six processes, its servers, its plugs, and the cables
// between them.
type site struct {
	t      *testing.T
	folder string
	binary string

	broker *testserver.MosquittoServer
	influx *testserver.InfluxServer
	plugs  *emulated
	cables map[string][]*testserver.Cable
	roles  map[string]*role
	disks  map[string]*disk
	doors  map[string]door

	mu      sync.Mutex
	devices []wattline.Device // as the registry is configured
	plugOf  map[string]string // of every name that a device ever had
}

func newSite(t *testing.T, folder string, plugs int) *site {
	t.Helper()
	s := &site{
		t: t, folder: folder, binary: filepath.Join(folder, "wattline"),
		cables: map[string][]*testserver.Cable{}, roles: map[string]*role{}, disks: map[string]*disk{},
		doors: map[string]door{}, plugOf: map[string]string{},
	}
	build(t, s.binary)
	s.broker = testserver.Mosquitto(t, testserver.MosquittoOptions{Persistence: true, Lines: []string{"autosave_interval 5"}})
	s.influx = testserver.Influx(t)
	s.plugs = startEmulator(t, s.binary, folder, plugs)
	s.wire()
	for _, name := range []string{plan.JournalDisk, plan.HookDisk} {
		s.disks[name] = newDisk(t, filepath.Join(folder, strings.ReplaceAll(name, " ", "-")))
	}
	s.furnish()
	return s
}

func build(t *testing.T, binary string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-o", binary, "../../cmd/wattline")
	if printed, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build the program: %v\n%s", err, printed)
	}
}

// wire lays the cables. Every second plug is reached by one.
func (s *site) wire() {
	brokerAddr, influxAddr := s.broker.Addr(), strings.TrimPrefix(s.influx.URL(), "http://")
	for _, name := range plan.Processes() {
		if name != plan.Broker && name != plan.Influxd {
			s.cables[plan.Cable(name, plan.Broker)] = []*testserver.Cable{testserver.NewCable(s.t, brokerAddr)}
		}
	}
	for _, name := range []string{plan.Hook, plan.History} {
		s.cables[plan.Cable(name, plan.Influxd)] = []*testserver.Cable{testserver.NewCable(s.t, influxAddr)}
	}
	for i, d := range s.plugs.devices {
		s.plugOf[d.ID] = d.ID
		if plan.Cabled(i) {
			cable := testserver.NewCable(s.t, d.Address)
			s.cables[plan.AllPlugs] = append(s.cables[plan.AllPlugs], cable)
			d.Address = cable.Addr()
		}
		s.devices = append(s.devices, d)
	}
}

// furnish makes the processes' folders and configurations.
func (s *site) furnish() {
	s.t.Helper()
	gateway, hook := s.freeAddr(), s.freeAddr()
	s.doors[plan.Gateway], s.doors[plan.Hook] = newDoor(plan.Gateway, gateway), newDoor(plan.Hook, hook)
	influx := func(cable string) []string {
		return []string{"store: influx", fmt.Sprintf("influx: {url: %q, org: %s, bucket: %s, token_file: influx.token}",
			"http://"+s.cables[cable][0].Addr(), s.influx.Org(), s.influx.Bucket())}
	}
	s.addRole(plan.Gateway, []string{"gateway"}, "listen: "+gateway)
	s.addRole(plan.Agents, []string{"collector", "controller"}, "journal: {wait_for: [archive, influx, "+auditor+"]}", "data: "+s.disks[plan.JournalDisk].dir)
	s.addRole(plan.Registry, []string{"registry"}, s.declared())
	s.addRole(plan.Archive, []string{"history", "hook"}, "store: archive")
	s.addRole(plan.Hook, []string{"gateway", "hook"}, append(influx(plan.Cable(plan.Hook, plan.Influxd)), "listen: "+hook, "data: "+s.disks[plan.HookDisk].dir)...)
	s.addRole(plan.History, []string{"history"}, influx(plan.Cable(plan.History, plan.Influxd))...)
	s.admit(filepath.Join(s.roles[plan.Gateway].dir, "data"))
	s.admit(s.disks[plan.HookDisk].dir)
}

// admit puts the admin's token into a data folder before its first start.
func (s *site) admit(data string) {
	s.t.Helper()
	if err := os.MkdirAll(data, 0o700); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(data, "admin.token"), []byte(adminToken), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) freeAddr() string {
	s.t.Helper()
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(testserver.FreePort(s.t)))
}

func (s *site) addRole(name string, roles []string, settings ...string) {
	s.t.Helper()
	r := &role{t: s.t, name: name, binary: s.binary, dir: filepath.Join(s.folder, name), roles: roles}
	if err := os.MkdirAll(r.dir, 0o700); err != nil {
		s.t.Fatal(err)
	}
	r.write("influx.token", s.influx.Token()+"\n")
	r.settings = append([]string{
		"limits: {requests_per_s: 0}", "instance: " + name, "site: hq", "timezone: Europe/Madrid", "poll: 1s",
		"broker: mqtt://" + s.cables[plan.Cable(name, plan.Broker)][0].Addr(),
	}, settings...)
	r.configure()
	s.roles[name] = r
}

// declared is the devices as the registry's configuration has them.
func (s *site) declared() string {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	text := "devices:\n"
	for _, d := range s.devices {
		labels, err := json.Marshal(d.Labels)
		if err != nil {
			s.t.Fatal(err)
		}
		text += fmt.Sprintf("  - {id: %s, kind: %s, location: %s, address: %q, labels: %s, protected: %q}\n",
			d.ID, d.Kind, d.Location, d.Address, strings.Replace(string(labels), "null", "{}", 1), d.Protected)
	}
	return text
}

// rename gives a plug's device another name and has the registry read it.
func (s *site) rename(plug, name string) {
	s.t.Helper()
	s.mu.Lock()
	i := slices.IndexFunc(s.devices, func(d wattline.Device) bool { return s.plugOf[d.ID] == plug })
	s.devices[i].ID = name
	s.plugOf[name] = plug
	s.mu.Unlock()
	registry := s.roles[plan.Registry]
	registry.settings[len(registry.settings)-1] = s.declared()
	registry.configure()
	registry.hangUp()
}

// named is the devices as they are called now.
func (s *site) named() []wattline.Device {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.devices)
}

// nameOf is what the device of a plug is called now.
func (s *site) nameOf(plug string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.devices, func(d wattline.Device) bool { return s.plugOf[d.ID] == plug })
	return s.devices[i].ID
}

// names is the plug of every name that a device ever had.
func (s *site) names() map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.plugOf)
}

// start brings all processes up and waits until all devices answer.
func (s *site) start() {
	s.t.Helper()
	for _, name := range slices.Sorted(maps.Keys(s.roles)) {
		s.roles[name].start()
	}
	s.waitReady()
}

// waitReady waits until both doors are ready and every plug answers.
func (s *site) waitReady() {
	s.t.Helper()
	testserver.Eventually(s.t, patience, func() error {
		for _, name := range slices.Sorted(maps.Keys(s.roles)) {
			if err := s.roles[name].ended(); err != nil {
				return err
			}
		}
		for _, d := range s.doors {
			if err := d.get(context.Background(), "/-/ready", nil); err != nil {
				return err
			}
		}
		return s.allUp()
	})
}

func (s *site) allUp() error {
	var list struct {
		Devices []struct {
			ID           string
			Availability wattline.Availability
		}
	}
	if err := s.doors[plan.Gateway].get(context.Background(), "/api/v1/devices?limit=1000", &list); err != nil {
		return err
	}
	want := map[string]bool{}
	for _, d := range s.named() {
		want[d.ID] = true
	}
	for _, d := range list.Devices {
		if !want[d.ID] || d.Availability != wattline.AvailabilityUp {
			return fmt.Errorf("%s is listed as %s, and should be: %t", d.ID, d.Availability, want[d.ID])
		}
		delete(want, d.ID)
	}
	if len(want) > 0 {
		return fmt.Errorf("not listed: %v", slices.Sorted(maps.Keys(want)))
	}
	return nil
}
