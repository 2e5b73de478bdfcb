package e2e_test

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/testserver"
)

func portOf(t *testing.T, device wattline.Device) string {
	t.Helper()
	address, err := wattline.ParseAddress(device.Address)
	if err != nil {
		t.Fatal(err)
	}
	return strconv.Itoa(int(address.Port))
}

// TestDevicesAreRegisteredOverTheAPI begins with an office that has none.
func TestDevicesAreRegisteredOverTheAPI(t *testing.T) {
	t.Parallel()
	since := time.Now()
	plugs := startEmulator(t, "--plugs", "3")
	desk, meeting := plugs.device("desk-1"), plugs.device("meeting-1")
	o := newOffice(t, "networks: [127.0.0.0/8]", "ports: [9999, "+portOf(t, desk)+", "+portOf(t, meeting)+"]")
	o.declare(plugs.device("desk-2"))
	w := o.up()
	apply := func(args ...string) outcome {
		t.Helper()
		return run(t, o.folder, append([]string{"devices", "apply", "-c", "wattline.yaml"}, args...)...)
	}
	o.write("list.csv", fmt.Sprintf("id,kind,location,address,protected\ndesk-1,workstation,hq/f1/desk-1,%s,\nfridge,kitchen,hq/f1/fridge,%s,always_on\n",
		desk.Address, meeting.Address))

	t.Run("by a list, which a dry run only shows", func(t *testing.T) {
		got := apply("-f", "list.csv", "--dry-run")
		if got.code != 0 || !strings.Contains(got.stdout, "added fridge") || !strings.Contains(got.stdout, "nothing was changed") || len(o.devices("")) != 1 {
			t.Fatalf("%+v", got)
		}
		if got := apply("-f", "list.csv"); got.code != 0 || !strings.Contains(got.stdout, "2 changes, 0 unchanged") {
			t.Fatalf("%+v", got)
		}
		o.in(t).waitUp("desk-1", "fridge", "desk-2")
	})
	t.Run("whose faults are told with their lines", func(t *testing.T) {
		o.write("bad.yaml", "- {id: desk-1, kind: workstation, location: hq/f1/desk-1, address: 192.0.2.1}\n- {id: desk-2, kind: lamp, location: hq, address: 127.0.0.1}\n")
		got := apply("-f", "bad.yaml")
		if got.code != 1 || !strings.Contains(got.stderr, "bad.yaml:2: devices[1] is declared otherwise in the configuration file") {
			t.Errorf("%+v", got)
		}
		o.write("bad.yaml", "- {id: desk-1, kind: workstation, location: hq/f1/desk-1, address: 192.0.2.1}\n")
		if got := apply("-f", "bad.yaml"); got.code != 1 || !strings.Contains(got.stderr, "bad.yaml:1: devices[0].address 192.0.2.1 is outside the networks") {
			t.Errorf("%+v", got)
		}
		o.write("bad.yaml", "- {id: desk-1, kind: workstation, location: hq/f1/desk-1, address: \"127.0.0.1:22\"}\n")
		if got := apply("-f", "bad.yaml"); got.code != 1 || !strings.Contains(got.stderr, "bad.yaml:1: devices[0].address has the port 22") {
			t.Errorf("%+v", got)
		}
	})
	t.Run("what is protected is switched while that is lifted", func(t *testing.T) {
		o := o.in(t)
		off := `{"state":"off"}`
		o.refused(http.StatusLocked, "PUT", "/api/v1/devices/fridge/relay", off)
		for _, step := range []struct {
			method, path, body string
			status             int
		}{
			{"POST", "/api/v1/devices/fridge/lift", `{"for_s":60,"reason":"defrosting"}`, http.StatusOK},
			{"PUT", "/api/v1/devices/fridge/relay", off, http.StatusOK},
			{"DELETE", "/api/v1/devices/fridge/lift", "", http.StatusOK},
			{"PUT", "/api/v1/devices/fridge/relay", `{"state":"on"}`, http.StatusOK},
		} {
			// The controller hears of a lift a moment after whoever asked for it.
			testserver.Eventually(t, patience, func() error {
				got, err := o.send(step.method, step.path, step.body)
				if err == nil && got.status != step.status {
					err = fmt.Errorf("%s %s: %d %s", step.method, step.path, got.status, got.body)
				}
				return err
			})
		}
		o.refused(http.StatusLocked, "PUT", "/api/v1/devices/fridge/relay", off)
	})
	t.Run("and they stay through a restart, with what was measured when they are removed", func(t *testing.T) {
		w.Stop()
		w = o.up()
		o := o.in(t)
		o.waitUp("desk-1", "fridge")
		if got, err := o.send("DELETE", "/api/v1/devices/desk-1", ""); err != nil || got.status != http.StatusNoContent {
			t.Fatal(got, err)
		}
		o.refused(http.StatusNotFound, "GET", "/api/v1/devices/desk-1", "")
		o.refused(http.StatusConflict, "DELETE", "/api/v1/devices/desk-2", "")
		if got := apply("-f", "list.csv"); got.code != 0 || !strings.Contains(got.stdout, "1 changes, 1 unchanged") {
			t.Fatalf("%+v", got)
		}
		o.waitUp("desk-1")
		if kept, err := o.tryReadings("desk-1", since); err != nil || len(kept) == 0 || kept[0].Time.After(since.Add(time.Minute)) {
			t.Errorf("%d readings, %v", len(kept), err)
		}
	})
	if err := contains(w.Output(), "a request ended in an internal error"); err == nil {
		t.Error(w.Output())
	}
}
