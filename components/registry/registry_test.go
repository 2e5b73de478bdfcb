package registry_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/components/registry"
	"github.com/wattline/wattline/internal/bus"
	"github.com/wattline/wattline/internal/fence"
	"github.com/wattline/wattline/internal/testserver"
)

// memoryBus keeps what is retained and the handler of the queries.
type memoryBus struct {
	mu       sync.Mutex
	retained map[string]bool // false: deleted
	devices  map[string]wattline.Device
	events   []wattline.RegistryEvent
	handle   bus.Handler
	moved    bus.Handler // whereabouts
}

func (b *memoryBus) Instance() string           { return "registry-1" }
func (b *memoryBus) Announce(string, ...string) {}

func (b *memoryBus) Respond(o bus.RespondOptions, handle bus.Handler) (func(), error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if o.Filter.Component == wattline.RoleWhereabouts {
		b.moved = handle
	} else {
		b.handle = handle
	}
	return func() {}, nil
}

func (b *memoryBus) Publish(_ context.Context, _ wattline.Topic, payload any) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if event, ok := payload.(wattline.RegistryEvent); ok {
		b.events = append(b.events, event)
	}
	return nil
}

func (b *memoryBus) Retain(_ context.Context, topic wattline.Topic, payload any) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.retained[topic.Device] = payload != nil
	delete(b.devices, topic.Device)
	switch device := payload.(type) {
	case wattline.Device:
		b.devices[topic.Device] = device
	case *wattline.Device:
		b.devices[topic.Device] = *device
	}
	return nil
}

// run runs a registry on the file with the devices until the test, or stop, ends.
func run(t *testing.T, path string, devices ...wattline.Device) (on *memoryBus, r *registry.Registry, stop func()) {
	t.Helper()
	return runIn(t, fence.Private(), path, devices...)
}

// runIn is run where devices from elsewhere may be in the networks.
func runIn(t *testing.T, networks fence.Networks, path string, devices ...wattline.Device) (on *memoryBus, r *registry.Registry, stop func()) {
	t.Helper()
	on = &memoryBus{retained: map[string]bool{}, devices: map[string]wattline.Device{}}
	r, err := registry.Open(t.Context(), registry.Options{
		Bus: on, Path: path, Devices: devices, Networks: networks, Ports: []uint16{wattline.DefaultPort, 9001, 9998, 1}, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	testserver.Eventually(t, testWait, func() error {
		on.mu.Lock()
		defer on.mu.Unlock()
		if on.handle == nil {
			return fmt.Errorf("the registry does not answer")
		}
		return nil
	})
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return on, r, stop
}

const testWait = 10 * time.Second

func device(id string) wattline.Device {
	return wattline.Device{ID: id, Kind: "workstation", Location: "hq/f1/" + id, Site: "hq", Address: id + ".lan"}
}

// said is the events in short.
func said(events []wattline.RegistryEvent) []string {
	short := make([]string, len(events))
	for i, event := range events {
		short[i] = event.Device + " " + string(event.Change)
	}
	return short
}

func ask(t *testing.T, on *memoryBus, verb, body string, into any) error {
	t.Helper()
	answer, err := on.handle(t.Context(), bus.Request{
		Topic:    wattline.Topic{Kind: wattline.TopicQuery, Component: "registry", Instance: "registry-1", Verb: verb},
		Envelope: wattline.Envelope{Body: json.RawMessage(body), Actor: "token:test"},
	})
	if err != nil || into == nil {
		return err
	}
	encoded, err := json.Marshal(answer)
	if err != nil {
		return err
	}
	return json.Unmarshal(encoded, into)
}

func TestDevicesThatWentWhileItWasAwayAreUnpublished(t *testing.T) {
	path := filepath.Join(t.TempDir(), "registry.sqlite")
	first, _, stop := run(t, path, device("desk-1"), device("desk-2"))
	if !first.retained["desk-1"] || !first.retained["desk-2"] {
		t.Errorf("retained: %v", first.retained)
	}
	stop()
	changed := device("desk-2")
	changed.Kind = "printer"
	second, _, stop := run(t, path, changed, device("desk-3"))
	if published, told := second.retained["desk-1"]; published || !told {
		t.Errorf("desk-1 is gone, but: %v", second.retained)
	}
	want := []string{"desk-1 removed", "desk-2 changed", "desk-3 added"}
	if got := said(second.events); !slices.Equal(got, want) {
		t.Errorf("events %v", got)
	}
	stop()
	third, _, _ := run(t, path, changed, device("desk-3"), device("desk-1"))
	if !third.retained["desk-1"] {
		t.Error("desk-1 is back, but not published")
	}
}

func TestDevicesAreDeclaredAnewWhileItRuns(t *testing.T) {
	on, r, _ := run(t, filepath.Join(t.TempDir(), "registry.sqlite"), device("desk-1"))
	if err := r.Declare(t.Context(), []wattline.Device{device("desk-2")}); err != nil {
		t.Fatal(err)
	}
	if on.retained["desk-1"] || !on.retained["desk-2"] {
		t.Errorf("retained: %v", on.retained)
	}
	bad := device("desk-3")
	bad.Location = "HQ"
	if err := r.Declare(t.Context(), []wattline.Device{bad}); err == nil {
		t.Error("a bad device was declared")
	}
	var page wattline.DevicePage
	if err := ask(t, on, "list", `{}`, &page); err != nil || len(page.Devices) != 1 || page.Devices[0].ID != "desk-2" {
		t.Errorf("a bad device changed something: %+v %v", page, err)
	}
}

func TestListPagesInTheOrderOfIDs(t *testing.T) {
	var devices []wattline.Device
	for i := range 25 {
		devices = append(devices, device(fmt.Sprintf("desk-%02d", 24-i)))
	}
	devices[3].Kind = "printer"
	on, _, _ := run(t, filepath.Join(t.TempDir(), "registry.sqlite"), devices...)
	var got []string
	after := ""
	for range 5 {
		var page wattline.DevicePage
		if err := ask(t, on, "list", fmt.Sprintf(`{"limit":10,"after":%q}`, after), &page); err != nil {
			t.Fatal(err)
		}
		for _, d := range page.Devices {
			got = append(got, d.ID)
		}
		if after = page.Next; after == "" {
			break
		}
	}
	if len(got) != 25 || !slices.IsSorted(got) {
		t.Errorf("%v", got)
	}
	var page wattline.DevicePage
	if err := ask(t, on, "list", `{"selector":{"kind":"printer"}}`, &page); err != nil || len(page.Devices) != 1 || page.Devices[0].ID != "desk-21" {
		t.Errorf("%+v %v", page, err)
	}
	var one wattline.Device
	if err := ask(t, on, "get", `{"device":"desk-07"}`, &one); err != nil || one.Address != device("desk-07").Address || one.Source != wattline.SourceConfiguration || one.Version == 0 {
		t.Errorf("%+v %v", one, err)
	}
}

func TestBadQueriesAreRefused(t *testing.T) {
	on, _, _ := run(t, filepath.Join(t.TempDir(), "registry.sqlite"), device("desk-1"))
	for body, code := range map[string]wattline.Code{
		`{"limit":0.5}`:                wattline.CodeInvalid,
		`{"limit":-1}`:                 wattline.CodeInvalid,
		`{"limit":1001}`:               wattline.CodeInvalid,
		`{"after":"a/b"}`:              wattline.CodeInvalid,
		`{"selector":{"kind":"A B"}}`:  wattline.CodeInvalid,
		`{"unknown":1}`:                wattline.CodeInvalid,
		`null`:                         wattline.CodeInvalid,
		``:                             wattline.CodeInvalid,
		`{"selector":{"ids":["+"]}} x`: wattline.CodeInvalid,
	} {
		if err := ask(t, on, "list", body, nil); err == nil || wattline.AsError(err).Code != code {
			t.Errorf("%s: %v", body, err)
		}
	}
	if err := ask(t, on, "get", `{"device":"desk-9"}`, nil); err == nil || wattline.AsError(err).Code != wattline.CodeNotFound {
		t.Error(err)
	}
	if err := ask(t, on, "drop", `{}`, nil); err == nil || wattline.AsError(err).Code != wattline.CodeNotFound {
		t.Error(err)
	}
}

func TestADamagedFileIsSetAsideAndTheDevicesArePublished(t *testing.T) {
	path := filepath.Join(t.TempDir(), "registry.sqlite")
	if err := os.WriteFile(path, []byte("this is no database, and longer than a header of one hundred bytes, so that it is looked at as a file of pages"), 0o600); err != nil {
		t.Fatal(err)
	}
	on, _, _ := run(t, path, device("desk-1"))
	if !on.retained["desk-1"] {
		t.Error("desk-1 is not published")
	}
}
