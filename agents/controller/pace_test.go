package controller_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/agents/agenttest"
	"github.com/wattline/wattline/agents/kasa"
)

// meterRoom notes when each plug of many was switched.
type meterRoom struct {
	mu sync.Mutex
	at map[bool][]time.Time
	is map[string]wattline.Relay
}

func newMeterRoom() *meterRoom {
	return &meterRoom{at: map[bool][]time.Time{}, is: map[string]wattline.Relay{}}
}

func (p *meterRoom) SetRelay(_ context.Context, target kasa.Target, on bool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.at[on] = append(p.at[on], time.Now())
	p.is[target.Host] = wattline.RelayOf(on)
	return nil
}

func (p *meterRoom) SetLED(context.Context, kasa.Target, bool) error { return nil }

func (p *meterRoom) ReadBack(_ context.Context, target kasa.Target) (kasa.Measurement, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return kasa.Measurement{At: time.Now(), Info: &kasa.Info{}, Relay: p.is[target.Host]}, nil
}

// given is a command to many devices at once.
type given struct {
	devices int
	action  wattline.Action
	confirm bool
	within  time.Duration
}

// all gives a command and counts its outcomes.
func all(bus *agenttest.Bus, g given) map[wattline.Code]int {
	codes := map[wattline.Code]int{}
	var mu sync.Mutex
	var group sync.WaitGroup
	ctx, cancel := context.WithTimeout(context.Background(), g.within)
	defer cancel()
	for i := range g.devices {
		group.Go(func() {
			id := fmt.Sprintf("plug-%d", i)
			_, err := bus.Request(ctx, wattline.Topic{Kind: wattline.TopicCommand, Site: "hq", Device: id}, wattline.Command{Device: id, Action: g.action, Confirm: g.confirm})
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				codes[""]++
			} else {
				codes[wattline.AsError(err).Code]++
			}
		})
	}
	group.Wait()
	return codes
}

func TestSwitchOnsAreSpread(t *testing.T) {
	const devices, perSecond = 60, 10
	paced := func(t *testing.T, do func(*testing.T, *meterRoom, *agenttest.Bus)) {
		t.Helper()
		room := newMeterRoom()
		runPaced(t, room, perSecond, func(t *testing.T, bus *agenttest.Bus) {
			for i := range devices {
				bus.DeliverDevice(wattline.Device{
					ID: fmt.Sprintf("plug-%d", i), Kind: "workstation", Location: "hq/f1", Site: "hq", Address: fmt.Sprintf("plug-%d.lan", i),
				})
			}
			synctest.Wait()
			do(t, room, bus)
		})
	}
	t.Run("never more within any second than configured", func(t *testing.T) {
		paced(t, func(t *testing.T, room *meterRoom, bus *agenttest.Bus) {
			if codes := all(bus, given{devices: devices, action: wattline.ActionOn, within: time.Minute}); codes[""] != devices {
				t.Fatalf("%v", codes)
			}
			at := room.at[true]
			for i := perSecond; i < len(at); i++ {
				if gap := at[i].Sub(at[i-perSecond]); gap < time.Second-time.Millisecond {
					t.Errorf("%d within %v", perSecond+1, gap)
				}
			}
		})
	})
	t.Run("one whose turn would come too late is not sent, and the rest are in time", func(t *testing.T) {
		paced(t, func(t *testing.T, room *meterRoom, bus *agenttest.Bus) {
			began := time.Now()
			codes := all(bus, given{devices: devices, action: wattline.ActionOn, within: 3 * time.Second})
			if sent := len(room.at[true]); codes[wattline.CodeBusy] == 0 || codes[""] != sent || sent+codes[wattline.CodeBusy] != devices || sent < 20 {
				t.Errorf("%v, %d sent", codes, sent)
			}
			time.Sleep(time.Minute)
			for _, at := range room.at[true] {
				if at.Sub(began) > 3*time.Second {
					t.Errorf("one was switched on %v after it was asked for", at.Sub(began))
				}
			}
		})
	})
	t.Run("switching off is not paced, nor held up by those that wait", func(t *testing.T) {
		paced(t, func(t *testing.T, room *meterRoom, bus *agenttest.Bus) {
			go all(bus, given{devices: devices, action: wattline.ActionOn, within: time.Minute})
			synctest.Wait()
			began := time.Now()
			if codes := all(bus, given{devices: devices, action: wattline.ActionOff, within: time.Second}); codes[""] != devices || !time.Now().Equal(began) {
				t.Errorf("%v after %v", codes, time.Since(began))
			}
			time.Sleep(time.Minute)
		})
	})
	t.Run("what is switched off meanwhile stays off", func(t *testing.T) {
		paced(t, func(t *testing.T, room *meterRoom, bus *agenttest.Bus) {
			ons := make(chan map[wattline.Code]int, 1)
			go func() { ons <- all(bus, given{devices: devices, action: wattline.ActionOn, within: time.Minute}) }()
			time.Sleep(time.Second / 2)
			if codes := all(bus, given{devices: devices, action: wattline.ActionOff, within: time.Second}); codes[""] != devices {
				t.Fatalf("off: %v", codes)
			}
			before := len(room.at[true])
			if codes := <-ons; codes[""] != before || codes[wattline.CodeBusy] != devices-before {
				t.Errorf("on: %v, %d were before the off", codes, before)
			}
			for host, relay := range room.is {
				if relay != wattline.RelayOff {
					t.Errorf("%s was switched on after it was switched off", host)
				}
			}
			if codes := all(bus, given{devices: 1, action: wattline.ActionOn, within: time.Minute}); codes[""] != 1 {
				t.Errorf("on after it: %v", codes)
			}
		})
	})
	t.Run("one given again after the switch-off is carried out", func(t *testing.T) {
		paced(t, func(t *testing.T, room *meterRoom, bus *agenttest.Bus) {
			go all(bus, given{devices: devices, action: wattline.ActionOn, within: time.Minute})
			synctest.Wait()
			all(bus, given{devices: devices, action: wattline.ActionOff, within: time.Second})
			if codes := all(bus, given{devices: devices, action: wattline.ActionOn, within: time.Minute}); codes[""] != devices {
				t.Errorf("%v", codes)
			}
		})
	})
}
