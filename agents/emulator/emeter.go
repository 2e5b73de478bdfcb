package emulator

import "time"

func (e *exchange) emeter(c call) int {
	switch c.method {
	case "get_realtime":
		return e.realtime()
	case "get_daystat":
		return e.energyDays(c)
	case "get_monthstat":
		return e.energyMonths(c)
	case "erase_emeter_stat":
		return e.eraseMeter()
	case "get_vgain_igain":
		e.w.int("vgain", 13462)
		e.w.int("igain", 16835)
		return okCode
	}
	return errMember
}

// measure is what an outlet's meter shows now. The caller holds p.mu and has
// advanced.
func (p *Plug) measure(index int) Reading {
	o := &p.outlets[index]
	r := Reading{
		At: time.UnixMilli(p.at).UTC(), Outlet: index, TotalWh: o.meter.WholeWh(),
		VoltageMV: 230_000 + p.dice.roll(saltVoltage, floorTo(p.at, 10*minute), -2_600, 2_400) +
			p.dice.roll(saltVoltageFast, floorTo(p.at, 5*second), -350, 350),
	}
	if !o.fed() {
		return r
	}
	demand := o.load.At(p.at)
	factor := demand.PowerFactor
	if factor == 0 {
		factor = 1000
	}
	r.PowerMW = demand.PowerMW
	r.CurrentMA = (demand.PowerMW*1_000_000/factor + r.VoltageMV/2) / r.VoltageMV
	return r
}

func (e *exchange) realtime() int {
	_, index, code := e.one()
	if code != okCode {
		return code
	}
	r := e.measure(index)
	if e.fault.Kind == Spike {
		r.PowerMW = 100_000_001 + e.rng.Int64N(900_000_000)
	}
	e.answers.add(Answer{Method: getRealtime, On: e.outlets[index].relay, Reading: r})
	w := &e.w
	if e.traits.floats {
		w.millionths("current", e.digits(1, r.CurrentMA))
		w.millionths("voltage", e.digits(2, r.VoltageMV))
		w.millionths("power", e.digits(3, r.PowerMW))
		w.millionths("total", r.TotalWh*1000)
		return okCode
	}
	if len(e.outlets) > 1 {
		w.int("slot_id", int64(index))
	}
	w.int("voltage_mv", r.VoltageMV)
	w.int("current_ma", r.CurrentMA)
	w.int("power_mw", r.PowerMW)
	w.int("total_wh", r.TotalWh)
	return okCode
}

// digits are the millionths of a value in thousandths: hardware 1 prints three
// digits more than it measures. They never reach half a thousandth.
func (e *exchange) digits(which, thousandths int64) int64 {
	if thousandths == 0 {
		return 0
	}
	return thousandths*1000 + e.dice.roll(saltDigits, e.at*4+which, -400, 400)
}

func (e *exchange) eraseMeter() int {
	outlets, code := e.scope(false)
	for _, i := range outlets {
		o := &e.outlets[i]
		eraseEnergy(o.stats.Days)
		eraseEnergy(o.stats.Months)
		if !e.traits.totalSurvives {
			o.meter = 0
		}
	}
	return code
}

func (e *exchange) energyDays(c call) int {
	return e.days(c, notErased, func(r record) { e.energy(r.Energy) })
}

func (e *exchange) energyMonths(c call) int {
	return e.months(c, notErased, func(r record) { e.energy(r.Energy) })
}

func notErased(r record) bool { return !r.Erased }

func everything(record) bool { return true }

func (e *exchange) energy(of Energy) {
	if e.traits.floats {
		e.w.millionths("energy", of.WholeWh()*1000)
		return
	}
	e.w.int("energy_wh", of.WholeWh())
}

// days lists the records of a month. It is sparse.
func (e *exchange) days(c call, wanted func(record) bool, value func(record)) int {
	args, ok := decode[struct {
		Year  *int `json:"year"`
		Month *int `json:"month"`
	}](c)
	if !ok || args.Year == nil || args.Month == nil || *args.Month < 1 || *args.Month > 12 {
		return errArgument
	}
	o, _, code := e.one()
	if code != okCode {
		return code
	}
	e.w.key("day_list")
	e.w.open('[')
	for _, r := range o.stats.Days {
		if r.Year == *args.Year && r.Month == *args.Month && wanted(r) {
			e.w.open('{')
			e.w.int("year", int64(r.Year))
			e.w.int("month", int64(r.Month))
			e.w.int("day", int64(r.Day))
			value(r)
			e.w.close('}')
		}
	}
	e.w.close(']')
	return okCode
}

// months lists the records of a year. It is sparse.
func (e *exchange) months(c call, wanted func(record) bool, value func(record)) int {
	args, ok := decode[struct {
		Year *int `json:"year"`
	}](c)
	if !ok || args.Year == nil {
		return errArgument
	}
	o, _, code := e.one()
	if code != okCode {
		return code
	}
	e.w.key("month_list")
	e.w.open('[')
	for _, r := range o.stats.Months {
		if r.Year == *args.Year && wanted(r) {
			e.w.open('{')
			e.w.int("year", int64(r.Year))
			e.w.int("month", int64(r.Month))
			value(r)
			e.w.close('}')
		}
	}
	e.w.close(']')
	return okCode
}
