package agents_test

import (
	"context"
	"fmt"
	"log/slog"
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
		f.changes = append(f.changes, sign+change.Device.ID)
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	for _, device := range devices {
		f.DeliverDevice(device)
	}
	f.changes = nil
	return f
}

// registry answers with one list after another; an error stands for no answer.
func (f *following) registry(t *testing.T, answers ...func() ([]wattline.Device, error)) (asked *int) {
	t.Helper()
	asked = new(int)
	stop, err := f.Respond(bus.RespondOptions{Filter: wattline.Topic{Kind: wattline.TopicQuery, Component: wattline.RoleRegistry}},
		func(context.Context, bus.Request) (any, error) {
			*asked++
			devices, err := answers[min(*asked, len(answers))-1]()
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

func (f *following) check(t *testing.T, want ...string) {
	t.Helper()
	synctest.Wait()
	if diff := cmp.Diff(want, f.changes); diff != "" {
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
		synctest.Wait()
		if len(f.changes) == 2 && f.changes[0] > f.changes[1] {
			f.changes[0], f.changes[1] = f.changes[1], f.changes[0]
		}
		f.check(t, "-desk-2", "-desk-3")
		time.Sleep(time.Hour)
		if *asked != 1 {
			t.Errorf("asked %d times", *asked)
		}
		f.DeliverDevice(device("desk-2", "hq"))
		f.check(t, "-desk-2", "-desk-3", "+desk-2")
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
		if *asked != 4 {
			t.Errorf("asked %d times", *asked)
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
		pages := 0
		stop, err := f.Respond(bus.RespondOptions{Filter: wattline.Topic{Kind: wattline.TopicQuery, Component: wattline.RoleRegistry}},
			func(context.Context, bus.Request) (any, error) {
				pages++
				return wattline.DevicePage{Devices: []wattline.Device{device("desk-9", "hq")}, Next: fmt.Sprint("desk-", pages%2)}, nil
			})
		if err != nil {
			t.Fatal(err)
		}
		defer stop()
		f.Reconnect()
		time.Sleep(2 * time.Second)
		f.check(t)
		if pages != 2 {
			t.Errorf("%d pages were asked for", pages)
		}
	})
}
