package controller_test

import (
	"testing"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/agents/agenttest"
)

func TestAProtectionHoldsThroughAnotherDeviceThatIsTheSamePlug(t *testing.T) {
	const mac = "50:C7:BF:00:00:01"
	for name, c := range map[string]struct {
		address string // of desk-1; fridge-1, which is locked, is at 192.0.2.12
		mac     string // of fridge-1
		action  wattline.Action
		code    wattline.Code
	}{
		"by its address":                 {"192.0.2.12", "", wattline.ActionOff, wattline.CodeProtected},
		"by its address and port":        {"192.0.2.12:9999", "", wattline.ActionOn, wattline.CodeProtected},
		"by its MAC":                     {"fridge.lan", mac, wattline.ActionOff, wattline.CodeProtected},
		"but not of another plug":        {"192.0.2.13", "50:C7:BF:00:00:02", wattline.ActionOff, ""},
		"nor of another of its outlets":  {"192.0.2.12/01", mac, wattline.ActionOff, ""},
		"nor is its light kept from all": {"192.0.2.12", mac, wattline.ActionLEDOff, ""},
	} {
		t.Run(name, func(t *testing.T) {
			p := &plug{}
			run(t, p, func(t *testing.T, bus *agenttest.Bus) {
				met := func(id, address, mac string) {
					bus.Deliver(stateTopic(id), wattline.State{
						Device: id, Availability: wattline.AvailabilityUp, Since: wattline.At(time.Now()), Time: wattline.At(time.Now()),
						MAC: mac, Address: address,
					})
				}
				bus.DeliverDevice(wattline.Device{ID: "desk-1", Kind: "workstation", Location: "hq/f1", Site: "hq", Address: c.address})
				met("desk-1", c.address, mac)
				met("fridge-1", "192.0.2.12", c.mac)
				_, err := command(bus, "desk-1", wattline.Command{Device: "desk-1", Action: c.action})
				if c.code == "" && err != nil || c.code != "" && (err == nil || wattline.AsError(err).Code != c.code || len(p.sets) > 0) {
					t.Errorf("got %v, told %v", err, p.sets)
				}
			})
		})
	}
}
