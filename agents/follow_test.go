package agents_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/agents"
	"github.com/wattline/wattline/agents/agenttest"
	"github.com/wattline/wattline/internal/bus"
	"github.com/wattline/wattline/internal/telemetry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func device(id, site string) wattline.Device {
	return wattline.Device{ID: id, Kind: "workstation", Location: "hq/" + id, Site: site, Address: "192.0.2.1", PollS: 5000}
}

// following is a follower of the site hq that was told of devices.
type following struct {
	*agenttest.Bus

	mu      sync.Mutex
	changes []string
}

func follow(t *testing.T, devices ...wattline.Device) *following {
	t.Helper()
	f := &following{Bus: agenttest.New(t)}
	stop, err := agents.Follow(agents.Following{
		Bus: f.Bus, Site: "hq", Name: "collector", Log: slog.New(slog.DiscardHandler), Metrics: telemetry.New(),
	}, func(_ context.Context, change agents.Change) {
		sign := "+"
		if change.Removed {
			sign = "-"
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		f.changes = append(f.changes, sign+change.Device.ID)
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	for _, device := range devices {
		f.DeliverDevice(device)
	}
	f.told()
	return f
}

// registry answers with one list after another; an error stands for no answer.
func (f *following) registry(t *testing.T, answers ...func() ([]wattline.Device, error)) (asked *atomic.Int64) {
	t.Helper()
	asked = new(atomic.Int64)
	stop, err := f.Respond(bus.RespondOptions{Filter: wattline.Topic{Kind: wattline.TopicQuery, Component: wattline.RoleRegistry}},
		func(context.Context, bus.Request) (any, error) {
			devices, err := answers[min(int(asked.Add(1)), len(answers))-1]()
			return wattline.DevicePage{Devices: append([]wattline.Device{}, devices...)}, err
		})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	return asked
}

func lists(devices ...wattline.Device) func() ([]wattline.Device, error) {
	return func() ([]wattline.Device, error) { return devices, nil }
}

// told is the changes since it was called before, in order of names.
func (f *following) told() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	changes := f.changes
	f.changes = nil
	slices.Sort(changes)
	return changes
}

func (f *following) check(t *testing.T, want ...string) {
	t.Helper()
	synctest.Wait()
	if diff := cmp.Diff(want, f.told()); diff != "" {
		t.Error(diff)
	}
}

func TestWhatIsDeletedWithoutAConnectionIsGoneAfterTheNextOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := follow(t, device("desk-1", "hq"), device("desk-2", "hq"), device("desk-3", "hq"), device("lab-1", "lab"))
		asked := f.registry(t, lists(device("desk-1", "hq"), device("desk-3", "lab")))
		time.Sleep(time.Hour)
		f.check(t)
		f.Reconnect()
		time.Sleep(2 * time.Second)
		f.check(t, "-desk-2", "-desk-3")
		time.Sleep(time.Hour)
		if asked.Load() != 1 {
			t.Errorf("asked %d times", asked.Load())
		}
		f.DeliverDevice(device("desk-2", "hq"))
		f.check(t, "+desk-2")
	})
}

func TestARegistryThatDoesNotAnswerIsAskedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := follow(t, device("desk-1", "hq"))
		away := func() ([]wattline.Device, error) { return nil, wattline.Errorf(wattline.CodeBusy, "not now") }
		invalid := lists(wattline.Device{ID: "no good"})
		asked := f.registry(t, away, invalid, away, lists())
		f.Reconnect()
		time.Sleep(40 * time.Second)
		f.check(t)
		time.Sleep(time.Minute)
		f.check(t, "-desk-1")
		if asked.Load() != 4 {
			t.Errorf("asked %d times", asked.Load())
		}
	})
}

func TestWhatTheRegistryToldSinceItWasAskedStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := follow(t, device("desk-1", "hq"))
		f.registry(t, func() ([]wattline.Device, error) {
			time.Sleep(time.Second)
			f.DeliverDevice(device("desk-1", "hq"))
			f.DeliverDevice(device("desk-2", "hq"))
			return nil, nil
		})
		f.Reconnect()
		time.Sleep(10 * time.Second)
		f.check(t, "+desk-2")
	})
}

func TestPagesThatDoNotEndRemoveNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := follow(t, device("desk-1", "hq"))
		var pages atomic.Int64
		stop, err := f.Respond(bus.RespondOptions{Filter: wattline.Topic{Kind: wattline.TopicQuery, Component: wattline.RoleRegistry}},
			func(context.Context, bus.Request) (any, error) {
				return wattline.DevicePage{Devices: []wattline.Device{device("desk-9", "hq")}, Next: fmt.Sprint("desk-", pages.Add(1)%2)}, nil
			})
		if err != nil {
			t.Fatal(err)
		}
		defer stop()
		f.Reconnect()
		time.Sleep(2 * time.Second)
		f.check(t)
		if pages.Load() != 2 {
			t.Errorf("%d pages were asked for", pages.Load())
		}
	})
}
