package api_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/api"
	"github.com/wattline/wattline/internal/access"
	"github.com/wattline/wattline/internal/bus"
	"github.com/wattline/wattline/internal/testserver"
)

func plug(id string) wattline.Device {
	return wattline.Device{ID: id, Kind: "spare", Location: "store", Site: "hq", Address: "192.0.2.99"}
}

func TestDevicesAreFollowed(t *testing.T) {
	o := open(t)
	t.Run("what came before the device is shown with it", func(t *testing.T) {
		o.bus.state(t, "hq", stateOf("early", noon()), true)
		o.bus.reading(t, "hq", readingOf("early", noon()), true)
		wantProblem(t, o.get(t, "/api/v1/devices/early/state"), wattline.CodeNotFound, "")
		o.bus.device(t, plug("early"))
		if got := o.fresh(t, "early"); got.Reading == nil || got.State.Availability != wattline.AvailabilityUp {
			t.Errorf("%+v", got)
		}
	})
	t.Run("what another site said is not", func(t *testing.T) {
		o.bus.state(t, "elsewhere", stateOf("moved", noon()), true)
		o.bus.device(t, plug("moved"))
		o.bus.reading(t, "elsewhere", readingOf("moved", noon()), false)
		if got := o.fresh(t, "moved"); got.Reading != nil || got.State.Availability != wattline.AvailabilityUnknown {
			t.Errorf("%+v", got)
		}
	})
	t.Run("a change of the description keeps the state", func(t *testing.T) {
		device := plug("early")
		device.Kind = "lamp"
		o.bus.device(t, device)
		if got := decoded[api.DeviceItem](t, o.get(t, "/api/v1/devices/early")); got.Kind != "lamp" || got.PowerW == nil {
			t.Errorf("%+v", got)
		}
	})
	t.Run("a deleted one is gone, with all that was known", func(t *testing.T) {
		o.bus.deliver(bus.Message{Topic: wattline.Topic{Kind: wattline.TopicDevice, Device: "early"}})
		wantProblem(t, o.get(t, "/api/v1/devices/early"), wattline.CodeNotFound, "")
		o.bus.device(t, plug("early"))
		if got := o.fresh(t, "early"); got.Reading != nil {
			t.Errorf("%+v", got)
		}
	})
	t.Run("a state that is taken back is unknown", func(t *testing.T) {
		o.bus.deliver(bus.Message{Topic: wattline.Topic{Kind: wattline.TopicState, Site: "hq", Device: "desk-2"}})
		o.bus.deliver(bus.Message{Topic: wattline.Topic{Kind: wattline.TopicData, Site: "hq", Device: "desk-2"}})
		if got := o.fresh(t, "desk-2"); got.Reading != nil || got.State.Availability != wattline.AvailabilityUnknown {
			t.Errorf("%+v", got)
		}
	})
}

func TestMessagesThatAreWrongAreCountedAndSaidOnce(t *testing.T) {
	var log testserver.Text
	o := open(t, func(options *api.Options) {
		options.Log = log.Logger(slog.LevelInfo)
	})
	before := o.fresh(t, "desk-1")
	data := wattline.Topic{Kind: wattline.TopicData, Site: "hq", Device: "desk-1"}
	for _, text := range []string{
		`{`, `null`, `[]`, `{}`, `{"device":"desk-1"}`, `{"device":"desk-1","device":"desk-1"}`,
		strings.Replace(string(payload(t, readingOf("desk-1", later(time.Hour)))), `"power_w":61.753`, `"power_w":"61.753"`, 1),
		strings.Replace(string(payload(t, readingOf("desk-1", later(time.Hour)))), `"power_w":61.753`, `"power_w":NaN`, 1),
		strings.Replace(string(payload(t, readingOf("desk-1", later(time.Hour)))), `"2026`, `"9999`, 1),
		string(payload(t, readingOf("desk-2", later(time.Hour)))), // another device's
		strings.Repeat(" ", 65<<10) + string(payload(t, readingOf("desk-1", later(time.Hour)))),
	} {
		o.bus.deliver(bus.Message{Topic: data, Payload: []byte(text)})
	}
	o.bus.deliver(bus.Message{Topic: wattline.Topic{Kind: wattline.TopicDevice, Device: "desk-1"}, Payload: []byte(`{"id":"desk-1"}`)})
	o.bus.deliver(bus.Message{
		Topic:   wattline.Topic{Kind: wattline.TopicState, Site: "hq", Device: "desk-1"},
		Payload: []byte(`{"device":"desk-1","availability":"great","since":"2026-03-29T00:00:00Z","time":"2026-03-29T00:00:00Z"}`),
	})
	if diff := cmp.Diff(before, o.fresh(t, "desk-1")); diff != "" {
		t.Error(diff)
	}
	if metrics := o.get(t, "/metrics"); !strings.Contains(string(metrics.body), `wattline_api_messages_refused_total{reason="invalid"} 13`) {
		t.Errorf("not 13 counted")
	}
	if said := strings.Count(log.String(), "was not taken"); said != 1 {
		t.Errorf("said %d times:\n%s", said, log.String())
	}
}

func TestTheShadowIsBounded(t *testing.T) {
	o := open(t, func(options *api.Options) { options.Limits.Devices = 20 })
	for i := range 100 {
		o.bus.reading(t, "hq", readingOf(fmt.Sprintf("stray-%d", i), noon()), false)
	}
	for i := range 100 {
		o.bus.device(t, plug(fmt.Sprintf("plug-%d", i)))
	}
	if devices := len(o.DeviceIDs()); devices != 20 {
		t.Errorf("%d devices are known", devices)
	}
	if size := o.ShadowSize(); size > 40 {
		t.Errorf("%d places are taken", size)
	}
	if got := o.fresh(t, "desk-1"); got.Reading == nil {
		t.Error("those that were there first suffered")
	}
}

func TestTheRegistrysListPutsTheShadowRight(t *testing.T) {
	o := open(t)
	eventually(t, "the first question, on connecting", func() bool {
		o.bus.mu.Lock()
		defer o.bus.mu.Unlock()
		return o.bus.listings == 1
	})
	asked := make(chan string, 10)
	release := make(chan bool, 10)
	o.bus.set(func(b *fakeBus) {
		b.list = func(query wattline.ListQuery) (wattline.DevicePage, error) {
			asked <- query.After
			<-release
			if query.After == "" {
				return wattline.DevicePage{Devices: []wattline.Device{plug("a-1"), plug("a-2")}, Next: "a-2"}, nil
			}
			return wattline.DevicePage{Devices: []wattline.Device{plug("desk-1")}}, nil
		}
	})
	o.Reconcile()
	<-asked
	o.bus.device(t, plug("meanwhile")) // told of after the registry was asked
	release <- true
	<-asked
	release <- true
	want := []string{"a-1", "a-2", "desk-1", "meanwhile"}
	eventually(t, "the registry's list", func() bool { return cmp.Equal(want, o.DeviceIDs()) })

	t.Run("and one that cannot be had leaves it alone", func(t *testing.T) {
		asked := make(chan bool, 1)
		o.bus.set(func(b *fakeBus) {
			b.list = func(wattline.ListQuery) (wattline.DevicePage, error) {
				asked <- true
				return wattline.DevicePage{Devices: []wattline.Device{{ID: "no good"}}}, nil
			}
		})
		o.Reconcile()
		<-asked
		o.Reconcile()
		<-asked // the first is dealt with
		if diff := cmp.Diff(want, o.DeviceIDs()); diff != "" {
			t.Error(diff)
		}
	})
}

func TestReadersAndWritersOfTheShadowDoNotDisturbEachOther(t *testing.T) {
	o := open(t)
	var writers sync.WaitGroup
	for w := range 3 {
		writers.Go(func() {
			for i := range 200 {
				id := fmt.Sprintf("plug-%d", (i+w)%5)
				o.bus.device(t, plug(id))
				o.bus.reading(t, "hq", readingOf(id, later(time.Duration(i)*time.Millisecond)), false)
				o.bus.deliver(bus.Message{Topic: wattline.Topic{Kind: wattline.TopicDevice, Device: id}})
			}
		})
	}
	for range 100 {
		o.get(t, "/api/v1/devices?kind=spare")
		o.get(t, "/api/v1/devices/plug-3/state")
	}
	writers.Wait()
}

func TestAnOlderDescriptionThatComesLaterDoesNotCount(t *testing.T) {
	o := open(t)
	o.guests.let("floor", inScope(t, access.Viewer, "hq/f1"))
	moving := wattline.Device{ID: "moving", Kind: "printer", Location: "hq/f1/r101", Site: "hq", Address: "192.0.2.50", Version: 5}
	o.bus.device(t, moving)
	moved := moving
	moved.Location, moved.Version = "hq/f2/r201", 6
	o.bus.device(t, moved)
	o.bus.device(t, moving)
	if status := o.doAs(t, "floor", "GET", "/api/v1/devices/moving", "").status; status != http.StatusNotFound {
		t.Errorf("where it has left it is answered with %d", status)
	}
	if got := decoded[wattline.Device](t, o.get(t, "/api/v1/devices/moving")); got.Location != moved.Location {
		t.Errorf("it is shown at %s", got.Location)
	}
}
