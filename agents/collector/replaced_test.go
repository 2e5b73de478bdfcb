package collector_test

import (
	"errors"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/fence"
)

// notCounted is an error unless another plug answers for a device, without readings.
func (s *site) notCounted(id string, before int) error {
	state := s.last(id)
	if state.Error == nil || state.Error.Class != "other_plug" || len(s.readings(id)) != before {
		return errors.New("another plug is counted")
	}
	return nil
}

func (s *site) remove(id string) {
	s.bus.Deliver(wattline.Topic{Kind: wattline.TopicDevice, Device: id}, nil)
}

func TestAPlugIsNotReplacedByAnotherUnlessItWasSearchedEverywhere(t *testing.T) {
	for name, c := range map[string]struct {
		networks []string
		address  string
	}{
		"networks of the default's size":   {[]string{"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"}, "10.1.0.11"},
		"one network of several too large": {[]string{"10.1.0.0/22", "192.168.0.0/16"}, "10.1.0.11"},
		"an address outside the networks":  {[]string{"10.1.0.0/22"}, "10.9.0.11"},
	} {
		t.Run(name, func(t *testing.T) {
			networks, err := fence.Parse(c.networks)
			if err != nil {
				t.Fatal(err)
			}
			seekIn(t, networks, func(t *testing.T, s *site) {
				s.plugIn("desk-1", c.address, "AA")
				after(time.Minute)
				before := len(s.readings("desk-1"))
				s.lan.put(c.address, "CC") // not registered
				after(3 * time.Hour)
				if err := s.notCounted("desk-1", before); err != nil {
					t.Errorf("%v: %+v", err, s.last("desk-1"))
				}
				s.remove("desk-1")
				s.plugIn("desk-1", c.address, "CC")
				after(time.Minute)
				if state := s.last("desk-1"); state.MAC != "CC" || state.Availability != wattline.AvailabilityUp {
					t.Errorf("an operator has registered it again: %+v", state)
				}
			})
		})
	}
}

func TestAnAddressWrittenAnotherWayConfirmsThePlugThatIsThere(t *testing.T) {
	seekPartly(t, func(t *testing.T, s *site) {
		s.plugIn("desk-1", "10.1.0.11", "AA")
		after(time.Minute)
		s.lan.put("10.1.0.11", "CC")
		after(10 * time.Minute)
		d := device("desk-1")
		d.Address = "10.1.0.11:9999"
		s.register(d)
		after(time.Minute)
		if state := s.last("desk-1"); state.MAC != "CC" || state.Availability != wattline.AvailabilityUp {
			t.Errorf("%+v", state)
		}
	})
}

func TestANetworkAsLargeAsMayBeIsSweptWhole(t *testing.T) {
	network := netip.MustParsePrefix("10.1.0.0/20") // 4,096 addresses
	seekIn(t, fence.Networks{network}, func(t *testing.T, s *site) {
		s.plugIn("desk-1", "10.1.0.11", "AA")
		after(time.Minute)
		s.lan.put("10.1.0.11", "CC")
		after(5 * time.Minute)
		if state := s.last("desk-1"); state.MAC != "CC" || state.Availability != wattline.AvailabilityUp {
			t.Errorf("%+v", state)
		}
	})
}

func TestThePlugOfADeviceNotMetSinceTheStartReplacesNone(t *testing.T) {
	seek(t, func(t *testing.T, s *site) {
		_ = s.bus.Retain(t.Context(), stateTopic("desk-2"), wattline.State{
			Device: "desk-2", Availability: wattline.AvailabilityUp, Since: wattline.At(time.Now()), Time: wattline.At(time.Now()), MAC: "BB", Address: "10.1.0.12",
		})
		s.stop()
		s.stop = s.start(t) // what is retained is heard at the start
		s.plugIn("desk-1", "10.1.0.11", "AA")
		after(time.Minute)
		before := len(s.readings("desk-1"))
		s.lan.put("10.1.0.11", "BB")
		after(time.Hour)
		if err := s.notCounted("desk-1", before); err != nil {
			t.Errorf("%v: %+v", err, s.last("desk-1"))
		}
	})
}

func TestAPlugThatTheRegistryDoesNotMoveIsNotReplaced(t *testing.T) {
	seek(t, func(t *testing.T, s *site) {
		s.setDeaf(true)
		s.plugIn("desk-1", "10.1.0.11", "AA")
		after(time.Minute)
		before := len(s.readings("desk-1"))
		s.lan.put("10.1.3.77", "AA")
		s.lan.put("10.1.0.11", "CC")
		after(time.Hour)
		if err := s.notCounted("desk-1", before); err != nil {
			t.Errorf("%v: %+v", err, s.last("desk-1"))
		}
	})
}

func TestAnAddressThatAnOperatorGivesDuringASearchHolds(t *testing.T) {
	seek(t, func(t *testing.T, s *site) {
		s.plugIn("desk-1", "10.1.0.11", "AA")
		after(time.Minute)
		s.lan.put("10.1.0.11", "")
		s.lan.put("10.1.3.77", "AA")
		for len(s.lan.searched()) == 0 {
			after(time.Second)
		}
		s.plugIn("desk-1", "10.1.0.12", "BB")
		after(10 * time.Minute)
		if len(s.moves()) != 0 || s.last("desk-1").MAC != "BB" {
			t.Errorf("%v %+v", s.moves(), s.last("desk-1"))
		}
	})
}

// A plug that was met at another's address and has left it is not looked for there.
func TestWhereAPlugWasMetIsForgottenWhenItIsGone(t *testing.T) {
	seek(t, func(t *testing.T, s *site) {
		s.plugIn("desk-1", "10.1.0.11", "AA")
		s.plugIn("desk-2", "10.1.0.12", "BB")
		after(time.Minute)
		s.setDeaf(true)
		s.lan.put("10.1.0.12", "")
		s.lan.put("10.1.0.11", "BB")
		after(10 * time.Minute)
		s.lan.put("10.1.0.11", "AA") // it is back, and desk-2's is nowhere
		after(10 * time.Minute)
		s.setDeaf(false)
		after(10 * time.Minute)
		if len(s.moves()) != 0 {
			t.Errorf("%v", s.moves())
		}
	})
}

func TestTheRegistryIsToldWhenTheSearchIsOver(t *testing.T) {
	seek(t, func(t *testing.T, s *site) {
		s.plugIn("desk-1", "10.1.0.11", "AA")
		s.plugIn("desk-2", "10.1.0.12", "BB")
		after(time.Minute)
		s.lan.put("10.1.0.11", "")
		s.lan.put("10.1.0.12", "")
		s.lan.put("10.1.3.77", "AA")
		s.lan.put("10.1.3.78", "BB")
		after(2 * time.Minute)
		if len(s.moves()) != 2 || s.amid.Load() {
			t.Errorf("%v, amid a search: %v", s.moves(), s.amid.Load())
		}
	})
}

func TestAPlugThatLeavesWhereItWasFoundIsFoundAgain(t *testing.T) {
	seek(t, func(t *testing.T, s *site) {
		s.moving = sync.OnceFunc(func() {
			s.lan.put("10.1.3.77", "CC")
			s.lan.put("10.1.3.99", "AA")
		})
		s.plugIn("desk-1", "10.1.0.11", "AA")
		after(time.Minute)
		s.lan.put("10.1.0.11", "")
		s.lan.put("10.1.3.77", "AA")
		after(5 * time.Minute)
		for _, state := range s.states("desk-1") {
			if state.Availability == wattline.AvailabilityUp && state.MAC != "AA" {
				t.Errorf("another plug is counted: %+v", state)
			}
		}
		if s.address("desk-1") != "10.1.3.99" || s.last("desk-1").Availability != wattline.AvailabilityUp {
			t.Errorf("%s %+v", s.address("desk-1"), s.last("desk-1"))
		}
	})
}
