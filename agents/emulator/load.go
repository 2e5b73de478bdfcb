package emulator

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// Load is what is plugged in: the power it takes at each instant while it has
// current. It must be a pure function of time.
type Load interface {
	// At gives the demand at an instant in milliseconds since the Unix epoch,
	// which holds until Demand.Until.
	At(ms int64) Demand
}

// Demand is constant from the instant it was asked for up to Until.
type Demand struct {
	PowerMW int64
	// PowerFactor in thousandths; 0 stands for 1000.
	PowerFactor int64
	// Until is the first millisecond since the Unix epoch at which the demand may
	// differ; it lies after the instant asked for.
	Until int64
}

// Steady is a load that never changes.
func Steady(powerMW int64) Load { return steady(powerMW) }

type steady int64

func (s steady) At(int64) Demand { return Demand{PowerMW: int64(s), Until: math.MaxInt64} }

// Profile names a believable load.
type Profile string

// The profiles. Those of the office follow the working day in the plug's zone.
const (
	Workstation Profile = "workstation"  // 9 to 18 h on weekdays, bursts, standby
	MeetingRoom Profile = "meeting-room" // a screen, on during meetings
	Printer     Profile = "printer"      // sleep, ready, print bursts
	Fridge      Profile = "fridge"       // a compressor that comes and goes
	Coffee      Profile = "coffee"       // short heavy brews
	Network     Profile = "network"      // a switch: always on, nearly steady
	Lamp        Profile = "lamp"         // on in working hours
	Charger     Profile = "charger"      // laptops charging, tapering off
	Heater      Profile = "heater"       // a fan heater with a thermostat, day and night
	Nothing     Profile = "nothing"      // an empty socket
)

// Profiles lists every profile.
func Profiles() []Profile {
	return []Profile{Workstation, MeetingRoom, Printer, Fridge, Coffee, Network, Lamp, Charger, Heater, Nothing}
}

// NewLoad makes the load of a profile. The same seed and zone give the same load
// for ever. A nil zone is UTC.
func NewLoad(profile Profile, seed uint64, zone *time.Location) (Load, error) {
	if zone == nil {
		zone = time.UTC
	}
	d := dice{seed: seed, zone: zone}
	switch profile {
	case Workstation:
		return newWorkstation(d), nil
	case MeetingRoom:
		return newMeetingRoom(d), nil
	case Printer:
		return newPrinter(d), nil
	case Fridge:
		return newFridge(d), nil
	case Coffee:
		return coffee{d}, nil
	case Network:
		return newNetwork(d), nil
	case Lamp:
		return newLamp(d), nil
	case Charger:
		return newCharger(d), nil
	case Heater:
		return newHeater(d), nil
	case Nothing:
		return Steady(0), nil
	}
	names := make([]string, 0, len(Profiles()))
	for _, p := range Profiles() {
		names = append(names, string(p))
	}
	return nil, fmt.Errorf("profile %.40q must be one of %s", string(profile), strings.Join(names, ", "))
}

// dice gives the same random numbers for the same question, in whatever order
// the questions come.
type dice struct {
	seed uint64
	zone *time.Location
}

// roll is a number in [lo, hi] for a purpose (salt) and a moment or day (n).
func (d dice) roll(salt uint64, n, lo, hi int64) int64 {
	return lo + int64(mix(d.seed, salt, uint64(n))%uint64(hi-lo+1))
}

// chance is true in so many of a thousand moments.
func (d dice) chance(salt uint64, n, permille int64) bool {
	return d.roll(salt, n, 0, 999) < permille
}

// mix is the finalizer of SplitMix64 over its three arguments.
func mix(seed, salt, n uint64) uint64 {
	x := seed ^ salt*0x9e3779b97f4a7c15 ^ n*0xd1b54a32d192ed03
	for range 2 {
		x ^= x >> 30
		x *= 0xbf58476d1ce4e5b9
		x ^= x >> 27
		x *= 0x94d049bb133111eb
		x ^= x >> 31
	}
	return x
}

// wall is an instant on the wall clock.
type wall struct {
	day     int64 // number of the local day since 1970-01-01
	ofDay   int64 // milliseconds since local midnight, by the clock's hands
	weekend bool
}

func (d dice) wall(ms int64) wall {
	_, offset := time.UnixMilli(ms).In(d.zone).Zone()
	local := ms + int64(offset)*1000
	w := wall{day: floorDiv(local, day)}
	w.ofDay = local - w.day*day
	weekday := ((w.day+4)%7 + 7) % 7 // 1970-01-01 was a Thursday
	w.weekend = weekday == 0 || weekday == 6
	return w
}

// Spans in milliseconds.
const (
	second int64 = 1000
	minute       = 60 * second
	hour         = 60 * minute
	day          = 24 * hour
)

// floorTo is the last multiple of step that is not after ms.
func floorTo(ms, step int64) int64 { return floorDiv(ms, step) * step }

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}
