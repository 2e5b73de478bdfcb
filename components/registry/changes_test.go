package registry_test

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/wattline/wattline"
)

// place is a device as a request gives it, at an address of its own that may be.
func place(id string) wattline.Device {
	address := fmt.Sprintf("10.1.%d.%d", id[0], id[len(id)-1])
	return wattline.Device{ID: id, Kind: "workstation", Location: "hq/f1/" + id, Site: "hq", Address: address}
}

func encoded(t testing.TB, value any) string {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func put(t *testing.T, on *memoryBus, device wattline.Device, version uint64) (got wattline.Device, err error) {
	t.Helper()
	err = ask(t, on, "put", encoded(t, wattline.PutQuery{Device: device, Version: version}), &got)
	return got, err
}

func wantCode(t *testing.T, err error, code wattline.Code, says string) {
	t.Helper()
	if err == nil || wattline.AsError(err).Code != code || !strings.Contains(err.Error(), says) {
		t.Errorf("got %v, want %s with %q", err, code, says)
	}
}

func TestADeviceIsAddedChangedAndRemoved(t *testing.T) {
	on, _, _ := run(t, filepath.Join(t.TempDir(), "registry.sqlite"), device("desk-1"))
	added, err := put(t, on, place("lamp"), 0)
	if err != nil || added.Source != wattline.SourceAPI || added.Version == 0 {
		t.Fatalf("%+v %v", added, err)
	}
	if !cmp.Equal(on.devices["lamp"], added) {
		t.Errorf("published %+v", on.devices["lamp"])
	}
	brighter := place("lamp")
	brighter.Kind = "lighting"
	changed, err := put(t, on, brighter, added.Version)
	if err != nil || changed.Kind != "lighting" || changed.Version <= added.Version {
		t.Fatalf("%+v %v", changed, err)
	}
	t.Run("and a change that changes nothing leaves its version", func(t *testing.T) {
		again, err := put(t, on, brighter, changed.Version)
		if err != nil || again.Version != changed.Version {
			t.Errorf("%+v %v", again, err)
		}
	})
	t.Run("a lost update is a conflict", func(t *testing.T) {
		_, err := put(t, on, place("lamp"), added.Version)
		wantCode(t, err, wattline.CodeConflict, "changed meanwhile")
		_, err = put(t, on, place("lamp"), 0)
		wantCode(t, err, wattline.CodeConflict, "already")
		err = ask(t, on, "delete", encoded(t, wattline.DeleteQuery{Device: "lamp", Version: added.Version}), nil)
		wantCode(t, err, wattline.CodeConflict, "changed meanwhile")
	})
	var was wattline.Device
	if err := ask(t, on, "delete", encoded(t, wattline.DeleteQuery{Device: "lamp", Version: changed.Version}), &was); err != nil || was.Kind != "lighting" {
		t.Fatalf("%+v %v", was, err)
	}
	if published, told := on.retained["lamp"]; published || !told {
		t.Error("it is still published")
	}
	_, err = put(t, on, brighter, changed.Version)
	wantCode(t, err, wattline.CodeNotFound, "lamp")
	var former wattline.DevicePage
	if err := ask(t, on, "former", `{"devices":["lamp","desk-1","nobody"]}`, &former); err != nil || len(former.Devices) != 1 || former.Devices[0].Kind != "lighting" {
		t.Errorf("%+v %v", former, err)
	}
	back, err := put(t, on, place("lamp"), 0)
	if err != nil || back.Version <= changed.Version {
		t.Errorf("its versions begin anew: %+v %v", back, err)
	}
	want := []string{"desk-1 added", "lamp added", "lamp changed", "lamp removed", "lamp added"}
	if got := said(on.events); !slices.Equal(got, want) {
		t.Errorf("events %v", got)
	}
	if e := on.events[2]; e.Actor != "token:test" || e.Before.Kind != "workstation" || e.After.Kind != "lighting" || e.Time.IsZero() {
		t.Errorf("%+v", e)
	}
}

func TestDevicesOfTheConfigurationAreChangedThereOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "registry.sqlite")
	on, r, stop := run(t, path, device("desk-1"))
	version := on.devices["desk-1"].Version
	_, err := put(t, on, place("desk-1"), version)
	wantCode(t, err, wattline.CodeConflict, "declared in the configuration file")
	err = ask(t, on, "delete", encoded(t, wattline.DeleteQuery{Device: "desk-1", Version: version}), nil)
	wantCode(t, err, wattline.CodeConflict, "declared in the configuration file")
	if _, err := put(t, on, place("desk-2"), 0); err != nil {
		t.Fatal(err)
	}
	t.Run("and declaring them anew leaves the others", func(t *testing.T) {
		if err := r.Declare(t.Context(), []wattline.Device{device("desk-3")}); err != nil {
			t.Fatal(err)
		}
		if on.retained["desk-1"] || !on.retained["desk-2"] || !on.retained["desk-3"] {
			t.Errorf("%v", on.retained)
		}
	})
	stop()
	on, r, _ = run(t, path, device("desk-3"))
	if on.devices["desk-2"].Source != wattline.SourceAPI || len(on.events) != 0 {
		t.Errorf("after a restart: %+v, events %v", on.devices["desk-2"], said(on.events))
	}
	t.Run("one that the file declares too becomes the file's", func(t *testing.T) {
		if err := r.Declare(t.Context(), []wattline.Device{device("desk-2"), device("desk-3")}); err != nil {
			t.Fatal(err)
		}
		if got := on.devices["desk-2"]; got.Source != wattline.SourceConfiguration || got.Address != "desk-2.lan" {
			t.Errorf("%+v", got)
		}
	})
}

func TestManyChangesAreMadeAllOrNone(t *testing.T) {
	on, _, _ := run(t, filepath.Join(t.TempDir(), "registry.sqlite"), device("desk-1"))
	lamp, err := put(t, on, place("lamp"), 0)
	if err != nil {
		t.Fatal(err)
	}
	fan, oven := place("fan"), place("oven")
	outside, bad := place("outside"), place("bad")
	outside.Address, bad.Location = "192.0.2.1", "HQ"
	apply := func(query wattline.ApplyQuery) (wattline.Applied, error) {
		var answer wattline.Applied
		err := ask(t, on, "apply", encoded(t, query), &answer)
		return answer, err
	}
	events := len(on.events)
	t.Run("with all that stands against them", func(t *testing.T) {
		_, err := apply(wattline.ApplyQuery{Changes: []wattline.DeviceChange{
			{Device: "fan", Put: &fan}, {Device: "lamp", Version: 1}, {Device: "gone", Version: 3}, {Device: "desk-1", Version: 1},
		}})
		wantCode(t, err, wattline.CodeConflict, "3 changes")
		if fields := wattline.AsError(err).Fields; len(fields) != 3 || fields[0].Field != "changes[1]" {
			t.Errorf("%+v", fields)
		}
	})
	t.Run("with its place where it is one of one", func(t *testing.T) {
		_, err := apply(wattline.ApplyQuery{Changes: []wattline.DeviceChange{{Device: "lamp", Version: 1}}})
		wantCode(t, err, wattline.CodeConflict, "changed meanwhile")
		if fields := wattline.AsError(err).Fields; len(fields) != 1 || fields[0].Field != "changes[0]" {
			t.Errorf("%+v", fields)
		}
	})
	t.Run("with all that is wrong with them", func(t *testing.T) {
		_, err := apply(wattline.ApplyQuery{Changes: []wattline.DeviceChange{
			{Device: "bad", Put: &bad}, {Device: "fan", Put: &fan}, {Device: "fan", Put: &fan}, {Device: "lamp"}, {Device: "x", Put: &fan},
		}})
		wantCode(t, err, wattline.CodeInvalid, "changes[0].location")
		if fields := wattline.AsError(err).Fields; len(fields) != 4 {
			t.Errorf("%+v", fields)
		}
		_, err = apply(wattline.ApplyQuery{Changes: []wattline.DeviceChange{{Device: "fan", Put: &fan}, {Device: "outside", Put: &outside}}})
		wantCode(t, err, wattline.CodeInvalid, "changes[1].address")
	})
	query := wattline.ApplyQuery{DryRun: true, Changes: []wattline.DeviceChange{
		{Device: "fan", Put: &fan}, {Device: "lamp", Version: lamp.Version}, {Device: "oven", Put: &oven},
	}}
	if answer, err := apply(query); err != nil || len(answer.Devices) != 2 {
		t.Fatalf("%+v %v", answer, err)
	}
	if len(on.events) != events || on.retained["fan"] || !on.retained["lamp"] {
		t.Error("what was refused or only tried has changed something")
	}
	query.DryRun = false
	if answer, err := apply(query); err != nil || len(answer.Devices) != 2 || answer.Devices[0].Version == 0 {
		t.Fatalf("%+v %v", answer, err)
	}
	if !on.retained["fan"] || !on.retained["oven"] || on.retained["lamp"] {
		t.Errorf("%v", on.retained)
	}
	t.Run("and their versions do not count them", func(t *testing.T) {
		if fan, oven := on.devices["fan"].Version, on.devices["oven"].Version; fan != oven || fan <= lamp.Version {
			t.Errorf("%d and %d after %d", fan, oven, lamp.Version)
		}
	})
}

func TestAnAddressOutsideTheNetworksIsRefused(t *testing.T) {
	on, r, _ := run(t, filepath.Join(t.TempDir(), "registry.sqlite"))
	for _, address := range []string{
		"127.0.0.1", "169.254.169.254:80", "192.0.2.1", "[::1]:9999", "[fe80::1%eth0]", "[::ffff:8.8.8.8]", "localhost", "no-such-host.invalid", "plug:0", "10.0.0.1/x",
		"10.0.0.1:22", "10.0.0.1:80", "[fd00::1]:9997",
	} {
		lamp := place("lamp")
		lamp.Address = address
		_, err := put(t, on, lamp, 0)
		wantCode(t, err, wattline.CodeInvalid, "device.address")
	}
	for i, address := range []string{"10.1.0.7/00", "172.31.255.255:1", "192.168.0.1", "[fd00::1]:9999"} {
		lamp := place(fmt.Sprintf("lamp-%d", i))
		lamp.Address = address
		if _, err := put(t, on, lamp, 0); err != nil {
			t.Errorf("%s: %v", address, err)
		}
	}
	t.Run("except in the configuration, which may say anything", func(t *testing.T) {
		if err := r.Declare(t.Context(), []wattline.Device{device("desk-1")}); err != nil {
			t.Error(err)
		}
	})
}

func TestAProtectionIsLiftedForATime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "registry.sqlite")
	fridge := device("fridge")
	fridge.Protected = wattline.ProtectionAlwaysOn
	on, r, stop := run(t, path, fridge, device("desk-1"))
	lift := func(body string) (got wattline.Device, err error) { return got, ask(t, on, "lift", body, &got) }
	before := on.devices["fridge"].Version
	got, err := lift(`{"device":"fridge","for_s":3600,"reason":"defrosting"}`)
	if err != nil || got.Lifted.By != "token:test" || got.Lifted.Reason != "defrosting" || !got.Lifted.Holds(time.Now().Add(59*time.Minute)) || got.Lifted.Holds(time.Now().Add(61*time.Minute)) {
		t.Fatalf("%+v %v", got, err)
	}
	if got.Version != before {
		t.Error("a lift is no change of the description")
	}
	for body, code := range map[string]wattline.Code{
		`{"device":"fridge","for_s":3600}`:                           wattline.CodeInvalid,
		`{"device":"fridge","for_s":3600,"reason":" "}`:              wattline.CodeInvalid,
		`{"device":"fridge","for_s":59,"reason":"x"}`:                wattline.CodeInvalid,
		`{"device":"fridge","for_s":86401,"reason":"x"}`:             wattline.CodeInvalid,
		`{"device":"fridge","for_s":-60,"reason":"x"}`:               wattline.CodeInvalid,
		`{"device":"fridge","reason":"x"}`:                           wattline.CodeInvalid,
		`{"device":"nobody","for_s":60,"reason":"x"}`:                wattline.CodeNotFound,
		`{"device":"desk-1","for_s":60,"reason":"is not protected"}`: wattline.CodeConflict,
	} {
		_, err := lift(body)
		wantCode(t, err, code, "")
	}
	stop()
	on, r, _ = run(t, path, fridge, device("desk-1"))
	t.Run("through a restart and a reading anew of the configuration", func(t *testing.T) {
		if err := r.Declare(t.Context(), []wattline.Device{fridge}); err != nil {
			t.Fatal(err)
		}
		if !on.devices["fridge"].Lifted.Holds(time.Now()) {
			t.Errorf("%+v", on.devices["fridge"])
		}
	})
	t.Run("or until it is ended", func(t *testing.T) {
		if got, err := lift(`{"device":"fridge","for_s":0}`); err != nil || got.Lifted != (wattline.Lift{}) {
			t.Errorf("%+v %v", got, err)
		}
		if got := said(on.events); got[len(got)-1] != "fridge lift_ended" {
			t.Errorf("events %v", got)
		}
	})
}

// TestWhatIsPublishedIsWhatWasAskedFor holds the registry against a model: a map.
func TestWhatIsPublishedIsWhatWasAskedFor(t *testing.T) {
	on, _, _ := run(t, filepath.Join(t.TempDir(), "registry.sqlite"), place("fixed"))
	model := map[string]wattline.Device{"fixed": on.devices["fixed"]}
	rapid.Check(t, func(rt *rapid.T) {
		id := rapid.SampledFrom([]string{"a", "b", "c", "fixed"}).Draw(rt, "id")
		had, there := model[id]
		version := rapid.SampledFrom([]uint64{had.Version, 0, 1}).Draw(rt, "version")
		right := version == had.Version && id != "fixed"
		if rapid.Bool().Draw(rt, "remove") {
			err := ask(t, on, "delete", encoded(t, wattline.DeleteQuery{Device: id, Version: version}), nil)
			if wanted := right && there; (err == nil) != wanted {
				rt.Fatalf("delete %s %d: %v", id, version, err)
			}
			if err == nil {
				delete(model, id)
			}
		} else {
			device := place(id)
			device.Kind = rapid.SampledFrom([]string{"lamp", "oven"}).Draw(rt, "kind")
			got, err := put(t, on, device, version)
			if (err == nil) != right {
				rt.Fatalf("put %s %d: %v", id, version, err)
			}
			if err == nil {
				if got.Kind != device.Kind || got.Version < had.Version {
					rt.Fatalf("%+v", got)
				}
				model[id] = got
			}
		}
		if diff := cmp.Diff(model, on.devices); diff != "" {
			rt.Fatal(diff)
		}
	})
}
