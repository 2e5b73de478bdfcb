package emulator

import (
	"fmt"
	"time"
)

func (e *exchange) time(c call) int {
	switch c.method {
	case "get_time":
		e.writeTime(e.cal.local(e.at))
		return okCode
	case "get_timezone":
		e.w.int("index", e.tzIndex)
		if e.traits.floats {
			name, _ := e.cal.local(e.at).Zone()
			e.w.text("zone_str", e.cal.zone.String())
			e.w.text("tz_str", name)
			e.w.int("dst_offset", 0)
		}
		return okCode
	case "set_timezone": // the time in it is ignored: the plugs go by NTP
		args, ok := decode[struct {
			Index *int64 `json:"index"`
		}](c)
		if !ok || args.Index == nil || *args.Index < 0 || *args.Index > 109 {
			return errArgument
		}
		e.tzIndex = *args.Index
		return okCode
	case "set_time":
		return errArgument
	}
	return errMember
}

func (e *exchange) writeTime(t time.Time) {
	e.w.int("year", int64(t.Year()))
	e.w.int("month", int64(t.Month()))
	e.w.int("mday", int64(t.Day()))
	e.w.int("wday", int64(t.Weekday()))
	e.w.int("hour", int64(t.Hour()))
	e.w.int("min", int64(t.Minute()))
	e.w.int("sec", int64(t.Second()))
}

// schedule answers as a plug without rules; adding some is not emulated.
func (e *exchange) schedule(c call) int {
	switch c.method {
	case "get_rules":
		e.w.raw("rule_list", "[]")
		e.w.int("version", 2)
		e.w.int("enable", 1)
		return okCode
	case "get_next_action":
		if e.cal.unsynced {
			return errNotSynced
		}
		e.w.int("type", -1)
		return okCode
	case "get_daystat":
		return e.days(c, everything, func(r record) { e.w.int("time", r.OnMS/minute) })
	case "get_monthstat":
		return e.months(c, everything, func(r record) { e.w.int("time", r.OnMS/minute) })
	case "delete_rule", "edit_rule":
		return errNoEntry
	case "delete_all_rules", "set_overall_enable":
		return okCode
	case "erase_runtime_stat":
		o, _, code := e.one()
		if code != okCode {
			return code
		}
		eraseRuntime(o.stats.Days)
		eraseRuntime(o.stats.Months)
		return okCode
	}
	return errMember
}

// misc is the modules that a gateway reads at most.
func (e *exchange) misc(c call) int {
	switch c.module + "." + c.method {
	case "anti_theft.get_rules":
		e.w.raw("rule_list", "[]")
		e.w.int("version", 2)
		e.w.int("enable", 0)
		return okCode
	case "cnCloud.get_info":
		e.w.text("username", "")
		e.w.text("server", "devs.tplinkcloud.com")
		for _, name := range []string{"binded", "cld_connection", "illegalType", "stopConnect", "tcspStatus"} {
			e.w.int(name, 0)
		}
		e.w.text("fwDlPage", "")
		e.w.text("tcspInfo", "")
		e.w.int("fwNotifyType", 0)
		return okCode
	case "cnCloud.unbind":
		return errNotBound
	case "netif.get_scaninfo":
		e.w.raw("ap_list", `[{"ssid":"office","key_type":3}]`)
		return okCode
	}
	return errMember
}

type ruleArgs struct {
	ID     string  `json:"id"`
	Name   *string `json:"name"`
	Enable *int    `json:"enable"`
	Delay  *int64  `json:"delay"`
	Act    *int    `json:"act"`
}

func (e *exchange) countdown(c call) int {
	o, index, code := e.one()
	if code != okCode {
		return code
	}
	args, ok := decode[ruleArgs](c)
	switch c.method {
	case "get_rules":
		e.writeRules(o)
	case "add_rule":
		if !ok || !isBit(args.Enable) || !isBit(args.Act) || args.Delay == nil {
			return errArgument
		}
		if o.rule != nil {
			return errTableFull
		}
		rule := countdown{ID: hexOf(fmt.Sprintf("%s/%d/%d", e.self.deviceID, index, e.at))[:32]}
		if code := rule.change(args, e.at); code != okCode {
			return code
		}
		o.rule = &rule
		e.w.text("id", rule.ID)
	case "edit_rule":
		return o.editRule(args, ok, e.at)
	case "delete_rule":
		if !ok {
			return errArgument
		}
		if o.rule == nil || o.rule.ID != args.ID {
			return errNoEntry
		}
		o.rule = nil
	case "delete_all_rules":
		o.rule = nil
	default:
		return errMember
	}
	return okCode
}

func (o *outlet) editRule(args ruleArgs, ok bool, now int64) int {
	if !ok {
		return errArgument
	}
	if o.rule == nil || o.rule.ID != args.ID {
		return errNoEntry
	}
	changed := *o.rule
	code := changed.change(args, now)
	if code == okCode {
		o.rule = &changed
	}
	return code
}

// change takes over what is given and starts the rule anew.
func (r *countdown) change(args ruleArgs, now int64) int {
	if args.Enable != nil {
		r.Enable = *args.Enable
	}
	if args.Act != nil {
		r.Act = *args.Act
	}
	if args.Delay != nil {
		r.Delay = *args.Delay
	}
	if args.Name != nil {
		r.Name = *args.Name
	}
	if !isBit(&r.Enable) || !isBit(&r.Act) || r.Delay < 1 || r.Delay > maxDelay || len(r.Name) > maxAlias {
		return errArgument
	}
	r.StartMS = now
	return okCode
}

func (e *exchange) writeRules(o *outlet) {
	e.w.key("rule_list")
	e.w.open('[')
	if r := o.rule; r != nil {
		remain := int64(0)
		if due, ok := r.due(); ok {
			remain = max(0, (due-e.at)/second)
		}
		e.w.open('{')
		e.w.text("id", r.ID)
		e.w.text("name", r.Name)
		e.w.int("enable", int64(r.Enable))
		e.w.int("act", int64(r.Act))
		e.w.int("delay", r.Delay)
		e.w.int("remain", remain)
		e.w.close('}')
	}
	e.w.close(']')
}
