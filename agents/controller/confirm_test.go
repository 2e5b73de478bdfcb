package controller_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/agents/agenttest"
	"github.com/wattline/wattline/internal/bus"
)

// Two are switched on a second, and three are asked for: one goes at once, two wait.
func TestASwitchOnThatHadToWaitIsCarriedOutOnlyIfItStillHolds(t *testing.T) {
	for name, c := range map[string]struct {
		gateway func(context.Context) error
		want    map[wattline.Code]int
	}{
		"it holds": {func(context.Context) error { return nil }, map[wattline.Code]int{"": 3}},
		"who gave it may not any more": {func(context.Context) error {
			return wattline.Errorf(wattline.CodeForbidden, "the rights were changed")
		}, map[wattline.Code]int{"": 1, wattline.CodeForbidden: 2}},
		"nobody waits for it": {func(context.Context) error {
			return wattline.Errorf(wattline.CodeBusy, "nobody waits")
		}, map[wattline.Code]int{"": 1, wattline.CodeBusy: 2}},
		"the gateway is silent": {func(ctx context.Context) error {
			<-ctx.Done()
			return wattline.AsError(ctx.Err())
		}, map[wattline.Code]int{"": 1, wattline.CodeBusy: 2}},
		"the gateway is gone": {nil, map[wattline.Code]int{"": 1, wattline.CodeBusy: 2}},
	} {
		t.Run(name, func(t *testing.T) {
			room := newMeterRoom()
			runPaced(t, room, 2, func(t *testing.T, on *agenttest.Bus) {
				var asked atomic.Int64
				if c.gateway != nil {
					filter := wattline.Topic{Kind: wattline.TopicQuery, Component: "gateway", Instance: "gateway-1", Verb: "confirm"}
					stop, err := on.Respond(bus.RespondOptions{Filter: filter}, func(ctx context.Context, request bus.Request) (any, error) {
						asked.Add(1)
						return nil, c.gateway(ctx)
					})
					if err != nil {
						t.Fatal(err)
					}
					defer stop()
				}
				for _, id := range []string{"plug-0", "plug-1", "plug-2"} {
					on.DeliverDevice(wattline.Device{ID: id, Kind: "workstation", Location: "hq/f1", Site: "hq", Address: id + ".lan"})
				}
				synctest.Wait()
				codes := all(on, given{devices: 3, action: wattline.ActionOn, confirm: true, within: time.Minute})
				for code, want := range c.want {
					if codes[code] != want {
						t.Errorf("%v, want %v", codes, c.want)
					}
				}
				if sent := len(room.at[true]); sent != c.want[""] {
					t.Errorf("%d plugs were switched, want %d", sent, c.want[""])
				}
				if c.gateway != nil && asked.Load() != 2 {
					t.Errorf("the gateway was asked %d times", asked.Load())
				}
			})
		})
	}
}

func TestWhatIsSwitchedOffWhileItsSwitchOnIsConfirmedStaysOff(t *testing.T) {
	room := newMeterRoom()
	runPaced(t, room, 1, func(t *testing.T, on *agenttest.Bus) {
		filter := wattline.Topic{Kind: wattline.TopicQuery, Component: "gateway"}
		stop, err := on.Respond(bus.RespondOptions{Filter: filter}, func(context.Context, bus.Request) (any, error) {
			all(on, given{devices: 2, action: wattline.ActionOff, within: time.Second})
			return nil, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		defer stop()
		for _, id := range []string{"plug-0", "plug-1"} {
			on.DeliverDevice(wattline.Device{ID: id, Kind: "workstation", Location: "hq/f1", Site: "hq", Address: id + ".lan"})
		}
		synctest.Wait()
		if codes := all(on, given{devices: 2, action: wattline.ActionOn, confirm: true, within: time.Minute}); codes[""] != 1 || codes[wattline.CodeBusy] != 1 {
			t.Errorf("%v", codes)
		}
		for host, relay := range room.is {
			if relay != wattline.RelayOff {
				t.Errorf("%s is %s", host, relay)
			}
		}
	})
}
