package collector_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wattline/wattline"
)

func TestAPlugThatChangesItsAddressIsFoundAgainWithinTwoMinutes(t *testing.T) {
	seekPartly(t, func(t *testing.T, s *site) {
		s.plugIn("desk-1", "10.1.0.11", "AA")
		s.plugIn("desk-2", "10.1.0.12", "BB")
		after(time.Minute)
		energy := s.readings("desk-1")[len(s.readings("desk-1"))-1].EnergyWh
		s.lan.put("10.1.0.11", "")
		s.lan.put("10.1.3.77", "AA")
		after(2 * time.Minute)
		want := []wattline.MovedQuery{{Device: "desk-1", From: "10.1.0.11", Address: "10.1.3.77"}}
		if diff := cmp.Diff(want, s.moves()); diff != "" {
			t.Error(diff)
		}
		if state := s.last("desk-1"); state.Availability != wattline.AvailabilityUp || state.Address != "10.1.3.77" || state.MAC != "AA" {
			t.Errorf("%+v", state)
		}
		readings := s.readings("desk-1")
		r := readings[len(readings)-1]
		if age := time.Since(r.Time.Time); age > 6*time.Second || r.EnergyWh < energy || r.EnergyWh > energy+10_000 {
			t.Errorf("its history does not go on: %+v after %v", r, energy)
		}
		for _, d := range s.lan.searched() {
			if d.Skip(netip.MustParseAddrPort("10.1.0.11:9999")) || !d.Skip(netip.MustParseAddrPort("10.1.0.12:9999")) {
				t.Error("where it was is to be tried, and where the other one answers is not")
			}
			if got := fmt.Sprint(d.Networks); got != "[10.1.0.0/24 10.1.0.0/22]" || d.PerSecond < 10 || d.PerSecond > 100 {
				t.Errorf("%s at %d a second: networks too large are not swept, and it begins near where the plug was", got, d.PerSecond)
			}
		}
	})
}

func TestTheOutletsOfAStripMoveTogether(t *testing.T) {
	seek(t, func(t *testing.T, s *site) {
		for n := range 3 {
			s.plugIn(fmt.Sprintf("strip-%d", n), fmt.Sprintf("10.1.0.11/%02d", n), "AA")
		}
		s.lan.put("10.1.0.11", "AA")
		after(time.Minute)
		s.lan.put("10.1.0.11", "")
		s.lan.put("10.1.3.77", "AA")
		after(2 * time.Minute)
		for n := range 3 {
			if got, want := s.address(fmt.Sprintf("strip-%d", n)), fmt.Sprintf("10.1.3.77/%02d", n); got != want {
				t.Errorf("%s, want %s", got, want)
			}
		}
		s.lan.put("10.1.3.77", "CC") // another strip, for good
		after(3 * time.Minute)
		for n := range 3 {
			if state := s.last(fmt.Sprintf("strip-%d", n)); state.MAC != "CC" || state.Availability != wattline.AvailabilityUp {
				t.Errorf("%+v", state)
			}
		}
	})
}

func TestAPlugThatIsAwayIsSearchedAsLongAsItIs(t *testing.T) {
	seek(t, func(t *testing.T, s *site) {
		s.plugIn("desk-1", "10.1.0.11", "AA")
		after(time.Minute)
		s.lan.put("10.1.0.11", "")
		after(3 * time.Hour)
		if n := len(s.lan.searched()); n < 100 || n > 3*60+2 {
			t.Errorf("%d searches in three hours", n)
		}
		s.lan.put("10.1.2.5", "AA")
		after(2 * time.Minute)
		if s.last("desk-1").Availability != wattline.AvailabilityUp {
			t.Errorf("%+v", s.last("desk-1"))
		}
		n := len(s.lan.searched())
		after(time.Hour)
		if more := len(s.lan.searched()) - n; more > 0 {
			t.Errorf("%d searches with nothing lost", more)
		}
	})
}

func TestAPlugThatNobodyKnewIsNotSearched(t *testing.T) {
	seek(t, func(t *testing.T, s *site) {
		d := device("desk-1")
		d.Address = "10.1.0.11"
		s.register(d) // it never answered
		after(10 * time.Minute)
		if n := len(s.lan.searched()); n != 0 {
			t.Errorf("%d searches", n)
		}
	})
}

func TestAnotherPlugAtAnAddressIsNotCounted(t *testing.T) {
	t.Run("while its own is elsewhere", func(t *testing.T) {
		seek(t, func(t *testing.T, s *site) {
			s.plugIn("desk-1", "10.1.0.11", "AA")
			after(time.Minute)
			before := len(s.readings("desk-1"))
			s.lan.put("10.1.3.77", "AA")
			s.lan.put("10.1.0.11", "CC") // not registered
			after(10 * time.Second)
			if state := s.last("desk-1"); state.Error == nil || state.Error.Class != "other_plug" || len(s.readings("desk-1")) != before {
				t.Errorf("%+v, %d readings more", state, len(s.readings("desk-1"))-before)
			}
			after(2 * time.Minute)
			if len(s.moves()) != 1 || s.last("desk-1").MAC != "AA" || s.last("desk-1").Address != "10.1.3.77" {
				t.Errorf("%v %+v", s.moves(), s.last("desk-1"))
			}
		})
	})
	t.Run("when two have changed places", func(t *testing.T) {
		seek(t, func(t *testing.T, s *site) {
			s.plugIn("desk-1", "10.1.0.11", "AA")
			s.plugIn("desk-2", "10.1.0.12", "BB")
			after(time.Minute)
			s.lan.put("10.1.0.11", "BB")
			s.lan.put("10.1.0.12", "AA")
			after(2 * time.Minute)
			if s.address("desk-1") != "10.1.0.12" || s.address("desk-2") != "10.1.0.11" {
				t.Errorf("desk-1 at %s, desk-2 at %s", s.address("desk-1"), s.address("desk-2"))
			}
			if a, b := s.last("desk-1"), s.last("desk-2"); a.MAC != "AA" || b.MAC != "BB" || a.Availability != wattline.AvailabilityUp {
				t.Errorf("%+v\n%+v", a, b)
			}
		})
	})
	t.Run("when another device's has taken the place of one that is gone", func(t *testing.T) {
		seek(t, func(t *testing.T, s *site) {
			s.plugIn("desk-1", "10.1.0.11", "AA")
			s.plugIn("desk-2", "10.1.0.12", "BB")
			after(time.Minute)
			before := len(s.readings("desk-1"))
			s.lan.put("10.1.0.11", "BB")
			s.lan.put("10.1.0.12", "")
			after(time.Hour)
			if s.address("desk-2") != "10.1.0.11" || len(s.readings("desk-1")) != before || s.last("desk-1").Error == nil {
				t.Errorf("%+v, %d readings of another's plug", s.last("desk-1"), len(s.readings("desk-1"))-before)
			}
		})
	})
	t.Run("until it is clear that its own is gone", func(t *testing.T) {
		seek(t, func(t *testing.T, s *site) {
			s.plugIn("desk-1", "10.1.0.11", "AA")
			after(time.Minute)
			s.lan.put("10.1.0.11", "CC")
			after(2 * time.Minute)
			if state := s.last("desk-1"); state.MAC != "CC" || state.Availability != wattline.AvailabilityUp || len(s.moves()) != 0 {
				t.Errorf("%+v %v", state, s.moves())
			}
		})
	})
}

func TestAnAddressThatAnOperatorGivesHolds(t *testing.T) {
	seek(t, func(t *testing.T, s *site) {
		s.plugIn("desk-1", "10.1.0.11", "AA")
		after(time.Minute)
		s.plugIn("desk-1", "10.1.0.12", "BB") // its plug was exchanged; the old one is still about
		after(10 * time.Minute)
		if len(s.moves()) != 0 || s.last("desk-1").MAC != "BB" {
			t.Errorf("%v %+v", s.moves(), s.last("desk-1"))
		}
	})
}

func TestWhatIsOnlySaidByDatagramMovesNothing(t *testing.T) {
	seek(t, func(t *testing.T, s *site) {
		s.lan.unverified = true
		s.plugIn("desk-1", "10.1.0.11", "AA")
		after(time.Minute)
		s.lan.put("10.1.0.11", "")
		s.lan.put("10.1.3.77", "AA")
		after(10 * time.Minute)
		if len(s.moves()) != 0 {
			t.Errorf("%v", s.moves())
		}
	})
}

func TestAFoundAddressIsOfferedUntilItIsTaken(t *testing.T) {
	seek(t, func(t *testing.T, s *site) {
		s.setDeaf(true)
		s.plugIn("desk-1", "10.1.0.11", "AA")
		after(time.Minute)
		s.lan.put("10.1.0.11", "")
		s.lan.put("10.1.3.77", "AA")
		after(10 * time.Minute)
		s.setDeaf(false)
		after(2 * time.Minute)
		if len(s.moves()) != 1 {
			t.Errorf("%v", s.moves())
		}
	})
}

func TestAPlugThatMovedWhileNobodyLookedIsFound(t *testing.T) {
	seek(t, func(t *testing.T, s *site) {
		d := device("desk-1")
		d.Address = "10.1.0.11"
		s.bus.Deliver(stateTopic("desk-1"), nil)
		_ = s.bus.Retain(t.Context(), stateTopic("desk-1"), wattline.State{
			Device: "desk-1", Availability: wattline.AvailabilityUp, Since: wattline.At(time.Now()), Time: wattline.At(time.Now()), MAC: "AA", Address: "10.1.0.11",
		})
		s.lan.put("10.1.3.77", "AA")
		stop := s.start(t) // what is retained is heard at the start
		defer stop()
		s.register(d)
		after(2 * time.Minute)
		if len(s.moves()) == 0 || s.moves()[0].Address != "10.1.3.77" {
			t.Errorf("%v", s.moves())
		}
	})
}
