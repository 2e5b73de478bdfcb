package e2e_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/testserver"
)

// TestOneProcess is wattline up with the broker and the archive that it brings.
func TestOneProcess(t *testing.T) {
	t.Parallel()
	since := time.Now()
	plugs := simulatedOffice(t)
	plugs.load(0)
	reach := freeAddr(t)
	o := newOffice(t, "broker: embedded", "broker_listen: "+reach, "store: archive")
	o.declare(plugs.devices...)
	w := o.up()

	t.Run("devices are listed and up", func(t *testing.T) { checkListed(t, o, &plugs) })
	t.Run("readings are those of the plugs to the last digit", func(t *testing.T) { checkNumbers(t, o, &plugs, since) })
	t.Run("relays move at the plugs", func(t *testing.T) { checkSwitching(t, o, &plugs) })
	t.Run("a plug that leaves is down, and returns", func(t *testing.T) { checkAway(t, o, &plugs) })
	t.Run("energy is asked for by window and group", func(t *testing.T) { checkConsumption(t, o, &plugs, since) })

	t.Run("SIGHUP adds and removes devices", func(t *testing.T) {
		o, broker := o.in(t), mqtt{t, reach}
		heard := broker.record("wattline/device/#", "wattline/state/#", "wattline/data/#")
		added := plugs.devices[0]
		added.ID = "desk-9"
		o.declare(append(without(plugs.devices, "strip-2"), added)...)
		w.signal(hangUp)
		o.waitUp("desk-9")
		wantGone(t, o, heard, "strip-2")
		o.switchRelay("desk-1", wattline.RelayOff)
		o.declare(plugs.devices...)
		w.signal(hangUp)
		o.waitUp("strip-2")
		wantGone(t, o, heard, "desk-9")
	})

	t.Run("a changed file that is wrong changes nothing", func(t *testing.T) {
		o := o.in(t)
		o.write("wattline.yaml", "devices:\n  - {id: a/b}\n")
		w.signal(hangUp)
		testserver.Eventually(t, patience, func() error { return contains(w.Output(), "the devices stay as they were") })
		if got := len(o.devices("")); got != len(plugs.devices) {
			t.Errorf("%d devices are left of %d", got, len(plugs.devices))
		}
		o.declare(plugs.devices...)
	})

	t.Run("a restart keeps the history, and a device that went from the file is gone", func(t *testing.T) {
		before, err := o.tryReadings("desk-1", since)
		if err != nil || len(before) == 0 {
			t.Fatal(len(before), err)
		}
		w.Stop()
		o.declare(without(plugs.devices, "strip-1")...)
		w = o.up()
		heard := mqtt{t, reach}.record("wattline/device/#", "wattline/state/#", "wattline/data/#")
		o.waitUp("desk-1")
		wantGone(t, o.in(t), heard, "strip-1")
		after, err := o.tryReadings("desk-1", since)
		if err != nil || len(after) < len(before) {
			t.Fatalf("%d readings after the restart, %d before: %v", len(after), len(before), err)
		}
		for i, reading := range before {
			if after[i] != reading {
				t.Errorf("reading %d was %+v and is %+v", i, reading, after[i])
			}
		}
		o.eventuallyReading("desk-1", "newer", before[len(before)-1].Time.Add(time.Millisecond),
			func(r wattline.Reading) bool { return r.EnergyWh >= before[len(before)-1].EnergyWh })
	})
}

func without(devices []wattline.Device, id string) []wattline.Device {
	var rest []wattline.Device
	for _, d := range devices {
		if d.ID != id {
			rest = append(rest, d)
		}
	}
	return rest
}

// wantGone waits until a device is 404 and nothing of it is retained.
func wantGone(t *testing.T, o *office, heard *recorder, id string) {
	t.Helper()
	testserver.Eventually(t, patience, func() error {
		got, err := o.send(http.MethodGet, "/api/v1/devices/"+id, "")
		if err == nil && got.status != http.StatusNotFound {
			err = fmt.Errorf("%s is still known: status %d", id, got.status)
		}
		newest := heard.newest()
		for _, topic := range []string{"wattline/device/" + id, "wattline/state/hq/" + id, "wattline/data/hq/" + id} {
			if newest[topic] != "" {
				err = fmt.Errorf("%s still holds %s", topic, newest[topic])
			}
		}
		return err
	})
	if p := o.refused(http.StatusNotFound, http.MethodPut, "/api/v1/devices/"+id+"/relay", `{"state":"on"}`); p.Code != wattline.CodeNotFound {
		t.Errorf("switching it is answered with %+v", p)
	}
}
