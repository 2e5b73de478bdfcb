package emulator

// Each load cuts time into slots and looks only at a slot's beginning, so that
// its power is constant within the slot whoever asks and whenever. Quiet hours
// have long slots, which keeps adding them up cheap.

// Purposes of random numbers; one each, so that they are independent.
const (
	saltTrait uint64 = iota + 1
	saltAbsent
	saltArrive
	saltLeave
	saltLunch
	saltLunchEnd
	saltOvernight
	saltNoise
	saltBurst
	saltBurstSize
	saltMeeting
	saltMeetingLength
	saltJob
	saltJobLength
	saltHeat
	saltVoltage
	saltVoltageFast
	saltRSSI
	saltDigits
)

const (
	quiet = 5 * minute  // a slot when nothing happens
	busy  = 10 * second // a slot when something does
)

type workstation struct {
	dice
	idleMW, standbyMW int64
}

func newWorkstation(d dice) workstation {
	return workstation{d, d.roll(saltTrait, 1, 42_000, 78_000), d.roll(saltTrait, 2, 700, 2_600)}
}

func (l workstation) At(ms int64) Demand {
	slot := floorTo(ms, quiet)
	now := l.wall(slot)
	switch l.use(now) {
	case unused:
		return Demand{l.standbyMW, 430, slot + quiet}
	case leftOn:
		return Demand{l.idleMW * 6 / 10, 620, slot + quiet}
	}
	slot = floorTo(ms, busy)
	power := l.idleMW * l.roll(saltNoise, slot, 930, 1_090) / 1000
	if span := floorDiv(slot, minute); l.chance(saltBurst, span, 220) {
		power += l.roll(saltBurstSize, span, 15_000, 95_000) * l.roll(saltNoise, -slot, 600, 1_000) / 1000
	}
	return Demand{power, 880, slot + busy}
}

type use int

const (
	unused use = iota
	leftOn     // running, nobody at it
	inUse
)

func (l workstation) use(now wall) use {
	if now.weekend || l.chance(saltAbsent, now.day, 80) {
		return unused
	}
	arrive := 8*hour + l.roll(saltArrive, now.day, 20, 90)*minute
	leave := 17*hour + l.roll(saltLeave, now.day, 0, 110)*minute
	lunch := 12*hour + l.roll(saltLunch, now.day, 40, 100)*minute
	back := lunch + l.roll(saltLunchEnd, now.day, 25, 65)*minute
	switch {
	case now.ofDay < arrive:
		return unused
	case now.ofDay >= leave:
		if l.chance(saltOvernight, now.day, 60) {
			return leftOn
		}
		return unused
	case now.ofDay >= lunch && now.ofDay < back:
		return leftOn
	}
	return inUse
}

type meetingRoom struct {
	dice
	screenMW, standbyMW int64
}

func newMeetingRoom(d dice) meetingRoom {
	return meetingRoom{d, d.roll(saltTrait, 1, 115_000, 190_000), d.roll(saltTrait, 2, 900, 3_200)}
}

func (l meetingRoom) At(ms int64) Demand {
	slot := floorTo(ms, quiet)
	if !l.meeting(l.wall(slot)) {
		return Demand{l.standbyMW, 410, slot + quiet}
	}
	slot = floorTo(ms, busy)
	return Demand{l.screenMW * l.roll(saltNoise, slot, 900, 1_060) / 1000, 930, slot + busy}
}

// meeting: half-hours that are booked, the last five or ten minutes left free.
func (l meetingRoom) meeting(now wall) bool {
	if now.weekend || now.ofDay < 9*hour || now.ofDay >= 18*hour {
		return false
	}
	half := now.day*48 + now.ofDay/(30*minute)
	length := l.roll(saltMeetingLength, half, 4, 6) * quiet
	return l.chance(saltMeeting, half, 430) && now.ofDay%(30*minute) < length
}

type printer struct {
	dice
	sleepMW, readyMW int64
}

func newPrinter(d dice) printer {
	return printer{d, d.roll(saltTrait, 1, 1_100, 2_400), d.roll(saltTrait, 2, 11_000, 24_000)}
}

func (l printer) At(ms int64) Demand {
	slot := floorTo(ms, quiet)
	now := l.wall(slot)
	if now.weekend || now.ofDay < 8*hour || now.ofDay >= 19*hour {
		return Demand{l.sleepMW, 380, slot + quiet}
	}
	slot = floorTo(ms, busy)
	span := floorDiv(slot, 3*minute)
	inSpan := (slot - span*3*minute) / busy // the tenth of a minute within the span
	switch {
	case l.chance(saltJob, span, 260) && inSpan < l.roll(saltJobLength, span, 2, 9):
		return Demand{l.roll(saltNoise, slot, 340_000, 720_000), 970, slot + busy}
	case inSpan == 17 && l.chance(saltHeat, span, 500): // the fuser kept warm
		return Demand{l.roll(saltNoise, slot, 610_000, 830_000), 990, slot + busy}
	}
	return Demand{l.readyMW * l.roll(saltNoise, slot, 970, 1_030) / 1000, 560, slot + busy}
}

type fridge struct {
	dice
	periodMS, runMS, phaseMS, runMW int64
}

func newFridge(d dice) fridge {
	period := d.roll(saltTrait, 1, 33, 52) * minute
	return fridge{d, period, period * d.roll(saltTrait, 2, 28, 45) / 100, d.roll(saltTrait, 3, 0, 60) * minute, d.roll(saltTrait, 4, 58_000, 96_000)}
}

func (l fridge) At(ms int64) Demand {
	cycle := floorTo(ms-l.phaseMS, l.periodMS) + l.phaseMS
	switch in := ms - cycle; {
	case in >= l.runMS:
		return Demand{1_200, 390, cycle + l.periodMS}
	case in < 2*second: // the compressor starting
		return Demand{l.runMW * 4, 700, cycle + 2*second}
	default:
		slot := max(floorTo(ms, minute), cycle+2*second)
		return Demand{l.runMW * l.roll(saltNoise, slot, 960, 1_040) / 1000, 710, min(floorTo(ms, minute)+minute, cycle+l.runMS)}
	}
}

type coffee struct{ dice }

func (l coffee) At(ms int64) Demand {
	slot := floorTo(ms, quiet)
	now := l.wall(slot)
	if now.weekend || now.ofDay < 8*hour || now.ofDay >= 18*hour {
		return Demand{1_900, 450, slot + quiet}
	}
	slot = floorTo(ms, busy)
	span := floorDiv(slot, 2*minute)
	inSpan := (slot - span*2*minute) / busy
	if l.chance(saltJob, span, 140) && inSpan < l.roll(saltJobLength, span, 3, 6) {
		return Demand{l.roll(saltNoise, slot, 1_150_000, 1_420_000), 995, slot + busy}
	}
	return Demand{4_300, 520, slot + busy}
}

type network struct {
	dice
	baseMW int64
}

func newNetwork(d dice) network { return network{d, d.roll(saltTrait, 1, 21_000, 34_000)} }

func (l network) At(ms int64) Demand {
	slot := floorTo(ms, minute)
	return Demand{l.baseMW + l.roll(saltNoise, slot, -450, 1_300), 590, slot + minute}
}

type lamp struct {
	dice
	powerMW int64
}

func newLamp(d dice) lamp { return lamp{d, d.roll(saltTrait, 1, 9_000, 38_000)} }

func (l lamp) At(ms int64) Demand {
	slot := floorTo(ms, quiet)
	now := l.wall(slot)
	if now.weekend || now.ofDay < 8*hour || now.ofDay >= 19*hour {
		return Demand{300, 400, slot + quiet}
	}
	return Demand{l.powerMW, 900, slot + quiet}
}

type charger struct {
	dice
	peakMW int64
}

func newCharger(d dice) charger { return charger{d, d.roll(saltTrait, 1, 38_000, 64_000)} }

// At: half-hours in which somebody charges, full power for the first ten minutes
// and less in every minute after.
func (l charger) At(ms int64) Demand {
	slot := floorTo(ms, quiet)
	now := l.wall(slot)
	half := now.day*48 + now.ofDay/(30*minute)
	if now.weekend || now.ofDay < 9*hour || now.ofDay >= 18*hour || !l.chance(saltJob, half, 380) {
		return Demand{250, 350, slot + quiet}
	}
	slot = floorTo(ms, minute)
	in := now.ofDay%(30*minute)/minute + (slot-floorTo(slot, quiet))/minute
	return Demand{l.peakMW * 100 / (100 + 25*max(0, in-10)), 920, slot + minute}
}

type heater struct {
	dice
	heatMW int64
}

func newHeater(d dice) heater { return heater{d, d.roll(saltTrait, 1, 900_000, 2_000_000)} }

// At: in most minutes it heats, in the others the fan turns alone.
func (l heater) At(ms int64) Demand {
	slot := floorTo(ms, busy)
	if !l.chance(saltHeat, floorTo(ms, minute), 700) {
		return Demand{24_000 + l.roll(saltNoise, slot, -900, 900), 780, slot + busy}
	}
	return Demand{l.heatMW * l.roll(saltNoise, slot, 960, 1_040) / 1000, 990, slot + busy}
}
