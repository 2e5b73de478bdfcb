package registry_test

import (
	"encoding/json"
	"path/filepath"
	"testing"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/bus"
)

func moved(t *testing.T, on *memoryBus, query wattline.MovedQuery) (got wattline.Device, err error) {
	t.Helper()
	return movedAt(t, on, "hq", query)
}

func movedAt(t *testing.T, on *memoryBus, site string, query wattline.MovedQuery) (wattline.Device, error) {
	t.Helper()
	answer, err := on.moved(t.Context(), bus.Request{
		Topic:    wattline.Topic{Kind: wattline.TopicQuery, Component: wattline.RoleWhereabouts, Instance: "registry-1", Verb: site},
		Envelope: wattline.Envelope{Body: json.RawMessage(encoded(t, query)), Actor: "collector-1"},
	})
	got, _ := answer.(wattline.Device)
	return got, err
}

func TestAPlugThatWasFoundElsewhereIsPublishedThere(t *testing.T) {
	desk := device("desk-1")
	desk.Address = "10.1.0.20"
	on, _, _ := run(t, filepath.Join(t.TempDir(), "registry.sqlite"), desk)
	lamp := place("lamp")
	lamp.Address = "10.1.0.7"
	added, err := put(t, on, lamp, 0)
	if err != nil {
		t.Fatal(err)
	}
	got, err := moved(t, on, wattline.MovedQuery{Device: "lamp", From: "10.1.0.7", Address: "10.1.0.8"})
	if err != nil || got.Address != "10.1.0.8" || got.DeclaredAddress != "" || got.Version <= added.Version || on.devices["lamp"].Address != got.Address {
		t.Errorf("%+v %v", got, err)
	}
	for name, c := range map[string]struct {
		query wattline.MovedQuery
		code  wattline.Code
	}{
		"by somebody who knows an earlier address": {wattline.MovedQuery{Device: "lamp", From: "10.1.0.7", Address: "10.1.0.9"}, wattline.CodeConflict},
		"outside the networks":                     {wattline.MovedQuery{Device: "lamp", From: "10.1.0.8", Address: "8.8.8.8"}, wattline.CodeInvalid},
		"to what is no address":                    {wattline.MovedQuery{Device: "lamp", From: "10.1.0.8", Address: "10.1"}, wattline.CodeInvalid},
		"of a device that is not there":            {wattline.MovedQuery{Device: "nobody", From: "10.1.0.8", Address: "10.1.0.9"}, wattline.CodeNotFound},
	} {
		t.Run("and not "+name, func(t *testing.T) {
			_, err := moved(t, on, c.query)
			wantCode(t, err, c.code, "")
		})
	}
	t.Run("also to where another one was, which may have moved too", func(t *testing.T) {
		if got, err := moved(t, on, wattline.MovedQuery{Device: "lamp", From: "10.1.0.8", Address: "10.1.0.20"}); err != nil || got.Address != "10.1.0.20" {
			t.Errorf("%+v %v", got, err)
		}
	})
	t.Run("and not by who is of another site", func(t *testing.T) {
		_, err := movedAt(t, on, "annex", wattline.MovedQuery{Device: "lamp", From: "10.1.0.20", Address: "10.1.0.9"})
		wantCode(t, err, wattline.CodeNotFound, "")
	})
}

func TestAnAddressThatWasFoundOverlaysTheConfigurationFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "registry.sqlite")
	declared := place("desk-1")
	declared.Address = "10.1.0.7"
	on, _, stop := run(t, path, declared)
	move := func(on *memoryBus, from, to string) wattline.Device {
		got, err := moved(t, on, wattline.MovedQuery{Device: "desk-1", From: from, Address: to})
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	if got := move(on, "10.1.0.7", "10.1.0.8"); got.DeclaredAddress != "10.1.0.7" || got.Address != "10.1.0.8" {
		t.Errorf("%+v", got)
	}
	stop()
	t.Run("also after a restart", func(t *testing.T) {
		on, r, stop := run(t, path, declared)
		defer stop()
		if got := on.devices["desk-1"]; got.Address != "10.1.0.8" || got.DeclaredAddress != "10.1.0.7" {
			t.Errorf("%+v", got)
		}
		if got := move(on, "10.1.0.8", "10.1.0.9"); got.DeclaredAddress != "10.1.0.7" {
			t.Errorf("moved once more: %+v", got)
		}
		if err := r.Declare(t.Context(), []wattline.Device{declared}); err != nil || on.devices["desk-1"].Address != "10.1.0.9" {
			t.Errorf("declared anew as it was: %+v %v", on.devices["desk-1"], err)
		}
	})
	t.Run("until the file has another", func(t *testing.T) {
		mended := declared
		mended.Address = "10.1.0.20"
		on, _, stop := run(t, path, mended)
		defer stop()
		if got := on.devices["desk-1"]; got.Address != "10.1.0.20" || got.DeclaredAddress != "" {
			t.Errorf("%+v", got)
		}
	})
	t.Run("or it is back", func(t *testing.T) {
		on, _, _ := run(t, path, declared)
		move(on, "10.1.0.7", "10.1.0.8")
		if got := move(on, "10.1.0.8", "10.1.0.7"); got.DeclaredAddress != "" {
			t.Errorf("%+v", got)
		}
	})
}
