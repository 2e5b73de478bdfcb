package api_test

import (
	"context"
	"testing"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/api"
	"github.com/wattline/wattline/internal/bus"
)

func TestTheSystemAtAGlance(t *testing.T) {
	o := answering(t, func(_ context.Context, ask bus.Ask) (any, error) {
		if ask.Topic.Instance == "hook-2" {
			return nil, wattline.Errorf(wattline.CodeTimeout, "no answer")
		}
		return wattline.HookStatus{
			Hook: "archive", Failing: "unavailable", Error: "the disk is full", DeadLetters: 2,
			Streams: []wattline.HookStream{{Stream: "a", Behind: 3, BehindS: 4_000}, {Stream: "b", Behind: 1, BehindS: 9_000}},
		}, nil
	})
	o.bus.set(func(b *fakeBus) {
		b.instances = append(b.instances,
			wattline.Presence{Instance: "hook-2", Status: wattline.PresenceOnline, Roles: []string{wattline.RoleHook}, Version: "1.2.4"},
			wattline.Presence{Instance: "gone-1", Status: wattline.PresenceOffline, Roles: []string{wattline.RoleHook}})
	})
	got := decoded[api.SystemOverview](t, o.get(t, "/api/v1/system"))
	if len(got.Instances) != 3 || got.Instances[2].Instance != "hook-2" || got.Instances[2].Version != "1.2.4" {
		t.Errorf("instances %+v", got.Instances)
	}
	if len(got.Stores) != 2 {
		t.Fatalf("stores %+v", got.Stores)
	}
	if s := got.Stores[0]; s.Hook != "archive" || s.Failing != "unavailable" || s.Behind != 4 || s.BehindS != 9_000 || s.DeadLetters != 2 {
		t.Errorf("the store of hook-1: %+v", s)
	}
	if s := got.Stores[1]; s.Failing != "unknown" || s.Error == "" {
		t.Errorf("the store of hook-2: %+v", s)
	}
	if d := got.Devices; d.Total != 5 || d.Up+d.Down+d.Stale+d.Unknown != d.Total || d.Down != 1 {
		t.Errorf("devices %+v", d)
	}
}
