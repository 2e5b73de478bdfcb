package alike_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/strictjson"
)

// story is what some devices measured over a few days, and how it arrives.
type story struct {
	random  *rand.Rand
	devices []string
	begins  time.Time
	ends    time.Time
	// readings are by device and then time; batches is how they arrive at first,
	// late what comes when questions have been asked already.
	readings []wattline.Reading
	batches  [][]wattline.Reading
	late     [][]wattline.Reading
}

// newStory tells the story of a seed, which is always the same.
func newStory(seed uint64) *story {
	s := &story{random: rand.New(rand.NewPCG(seed, 7))}
	// Weekends on which clocks change: Europe's two, New York's, and Lord Howe's half hour.
	s.begins = []time.Time{
		time.Date(2026, 3, 27, 20, 0, 0, 0, time.UTC), time.Date(2025, 10, 24, 3, 0, 0, 0, time.UTC),
		time.Date(2026, 3, 6, 9, 0, 0, 0, time.UTC), time.Date(2026, 4, 3, 12, 0, 0, 0, time.UTC),
		time.Date(2025, 12, 30, 0, 0, 0, 0, time.UTC),
	}[seed%5]
	for i := range 3 + s.random.IntN(3) {
		s.devices = append(s.devices, fmt.Sprintf("s%d.desk-%c", seed, 'a'+i))
	}
	for _, device := range s.devices {
		s.measure(device)
	}
	s.deal()
	return s
}

// measure is one device's life: polls, with gaps, power cuts that reset its
// counter, lost readings, and times at which two collectors read it.
func (s *story) measure(device string) {
	poll := []time.Duration{10 * time.Second, 30 * time.Second, time.Minute, 5 * time.Minute}[s.random.IntN(4)]
	at := s.begins.Add(time.Duration(s.random.Int64N(3_600_000)) * time.Millisecond)
	end := at.Add(time.Duration(20+s.random.IntN(60)) * time.Hour)
	energy, meter, watts, on := wattline.Milli(s.random.Int64N(1<<40)), wattline.Milli(0), wattline.Milli(60_000), true
	covers := time.Duration(0)
	for n := 0; at.Before(end) && n < 700; n++ {
		if s.random.IntN(40) == 0 {
			watts, on = wattline.Milli(s.random.Int64N(2_000_000)), s.random.IntN(4) > 0
		}
		power := wattline.Milli(0)
		if on {
			power = watts + wattline.Milli(s.random.Int64N(500)) - 250
		}
		r := wattline.Reading{
			Device: device, Time: wattline.At(at), PowerW: power, VoltageV: 228_000 + wattline.Milli(s.random.Int64N(40)*100),
			CurrentA: power / 230, EnergyWh: energy, MeterWh: meter / 1000 * 1000, Relay: wattline.RelayOf(on),
			RSSIdBm: -40 - s.random.IntN(40), CoversS: wattline.Milli(covers.Milliseconds()),
		}
		step := poll + time.Duration(s.random.Int64N(800)-400)*time.Millisecond
		covers = step
		switch s.random.IntN(60) {
		case 0: // a gap
			step = time.Duration(30+s.random.IntN(6*3600)) * time.Second
			covers = 0
		case 1: // readings that never arrived
			step *= time.Duration(2 + s.random.IntN(20))
		case 2: // somebody else reads it too
			step /= 3
		case 3: // a power cut
			meter = 0
			r.Quality |= wattline.QualityMeterReset
		case 4:
			r.Quality |= wattline.QualityImplausible
			r.PowerW = -r.PowerW
		}
		if r.CoversS == 0 {
			r.Quality |= wattline.QualityAfterGap
		}
		s.readings = append(s.readings, r)
		used := max(0, power) * wattline.Milli(step.Milliseconds()) / 3_600_000
		energy, meter, at = energy+used, meter+used, at.Add(step)
		if at.After(s.ends) {
			s.ends = at
		}
	}
}

// deal puts the readings into batches: most in order, some out of it, some again
// and some late.
func (s *story) deal() {
	arriving := slices.Clone(s.readings)
	for range len(arriving) / 4 {
		a := s.random.IntN(len(arriving))
		b := min(len(arriving)-1, a+s.random.IntN(300))
		arriving[a], arriving[b] = arriving[b], arriving[a]
	}
	held := len(arriving) / 10
	for len(arriving) > 0 {
		n := min(len(arriving), 1+s.random.IntN(2000))
		batch := slices.Clone(arriving[:n])
		for range s.random.IntN(20) {
			batch = append(batch, s.readings[s.random.IntN(len(s.readings))])
		}
		if len(arriving) <= held {
			s.late = append(s.late, batch)
		} else {
			s.batches = append(s.batches, batch)
		}
		arriving = arriving[n:]
	}
}

// spoilt are readings as somebody's collector might publish them, which nobody may
// let in: the boundary is the same for every store.
func spoilt() map[string][]byte {
	good, _ := json.Marshal(wattline.Reading{Device: "desk-1", Time: wattline.AtMilli(1_774_000_000_000), PowerW: 61_753, Relay: wattline.RelayOn})
	documents := map[string][]byte{}
	for _, value := range []string{"NaN", `"NaN"`, "Infinity", "1e400", "null", "true", "[61.753]", "9e15"} {
		documents[value] = bytes.Replace(good, []byte("61.753"), []byte(value), 1)
	}
	return documents
}

func decode(document []byte) (r wattline.Reading, err error) {
	return r, strictjson.Decode(document, &r)
}
