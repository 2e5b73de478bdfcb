package emulator_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/wattline/wattline/agents/emulator"
)

func TestSeveralCommandsKeepTheirOrder(t *testing.T) {
	plug := newPlug(t, emulator.Spec{Model: emulator.HS110HW1}, emulator.Options{})
	text := rawAnswer(t, plug, `{"time":{"get_time":{}},"system":{"set_relay_state":{"state":0},"get_sysinfo":{}},"emeter":{"get_realtime":{}}}`)
	last := -1
	for _, part := range []string{`"time"`, `"set_relay_state"`, `"get_sysinfo"`, `"emeter"`} {
		at := strings.Index(text, part)
		if at <= last {
			t.Fatalf("%s is out of order in %s", part, text)
		}
		last = at
	}
	if !strings.Contains(text, `"relay_state":0`) || !strings.Contains(text, `"power":0.000000`) {
		t.Errorf("what follows does not see the relay switched: %s", text)
	}
	answer(t, plug, `{"system":{"set_relay_state":{"state":0}},"system":{"set_relay_state":{"state":1}}}`)
	if !plug.Relay(0) {
		t.Error("of two of the same the last did not win")
	}
}

func TestArguments(t *testing.T) {
	plug := newPlug(t, emulator.Spec{Model: emulator.HS110HW1}, emulator.Options{})
	for request, path := range map[string][]string{
		`{"system":{"set_relay_state":{}}}`:                                        {"system", "set_relay_state"},
		`{"system":{"set_relay_state":null}}`:                                      {"system", "set_relay_state"},
		`{"system":{"set_relay_state":{"state":null}}}`:                            {"system", "set_relay_state"},
		`{"system":{"set_relay_state":{"state":"0"}}}`:                             {"system", "set_relay_state"},
		`{"system":{"set_relay_state":{"state":false}}}`:                           {"system", "set_relay_state"},
		`{"system":{"set_relay_state":{"state":2}}}`:                               {"system", "set_relay_state"},
		`{"system":{"set_relay_state":[0]}}`:                                       {"system", "set_relay_state"},
		`{"system":{"set_led_off":{"off":7}}}`:                                     {"system", "set_led_off"},
		`{"system":{"set_dev_alias":{"alias":""}}}`:                                {"system", "set_dev_alias"},
		`{"system":{"set_dev_alias":{"alias":"` + strings.Repeat("x", 32) + `"}}}`: {"system", "set_dev_alias"},
		`{"system":{"reboot":{"delay":-1}}}`:                                       {"system", "reboot"},
		`{"system":{"reboot":{}}}`:                                                 {"system", "reboot"},
		`{"emeter":{"get_daystat":{"year":"2026","month":9}}}`:                     {"emeter", "get_daystat"},
		`{"emeter":{"get_daystat":{"year":2026,"month":13}}}`:                      {"emeter", "get_daystat"},
		`{"emeter":{"get_daystat":{"year":2026}}}`:                                 {"emeter", "get_daystat"},
		`{"emeter":{"get_monthstat":{}}}`:                                          {"emeter", "get_monthstat"},
		`{"time":{"set_time":{"year":2026}}}`:                                      {"time", "set_time"},
		`{"time":{"set_timezone":{"index":110}}}`:                                  {"time", "set_timezone"},
		`{"count_down":{"add_rule":{"enable":1,"act":0}}}`:                         {"count_down", "add_rule"},
		`{"count_down":{"add_rule":{"enable":1,"act":0,"delay":0}}}`:               {"count_down", "add_rule"},
	} {
		wantCode(t, answer(t, plug, request), -3, path...)
	}
	if !plug.Relay(0) {
		t.Error("an invalid argument switched the plug off")
	}
}

func TestAliasAndLEDAreKept(t *testing.T) {
	plug := newPlug(t, emulator.Spec{Model: emulator.HS110HW4}, emulator.Options{})
	info := answer(t, plug, `{"system":{"set_dev_alias":{"alias":"Büro \"A\""},"set_led_off":{"off":1},"get_sysinfo":{}}}`).sub("system", "get_sysinfo")
	if info["alias"] != `Büro "A"` || info["led_off"] != 1.0 {
		t.Errorf("alias %v, led_off %v", info["alias"], info["led_off"])
	}
}

func TestOnTimeCountsFromSwitchingOn(t *testing.T) {
	clock := clockAt(monday(9))
	plug := newPlug(t, emulator.Spec{Model: emulator.HS110HW1, Off: true}, emulator.Options{Now: clock.Now})
	onTime := func() any { return answer(t, plug, sysinfo).at("system", "get_sysinfo", "on_time") }
	clock.Forward(time.Hour)
	if got := onTime(); got != 0.0 {
		t.Errorf("%v s while off", got)
	}
	answer(t, plug, `{"system":{"set_relay_state":{"state":1}}}`)
	clock.Forward(90 * time.Second)
	answer(t, plug, `{"system":{"set_relay_state":{"state":1}}}`) // changes nothing
	clock.Forward(30*time.Second + 900*time.Millisecond)
	if got := onTime(); got != 120.0 {
		t.Errorf("%v s after two minutes", got)
	}
}

func TestCountdown(t *testing.T) {
	clock := clockAt(monday(9))
	plug := newPlug(t, emulator.Spec{Model: emulator.HS110HW4, Load: emulator.Steady(1_000)}, emulator.Options{Now: clock.Now})
	add := `{"count_down":{"add_rule":{"enable":1,"delay":60,"act":0,"name":"dead man"}}}`
	id, _ := answer(t, plug, add).at("count_down", "add_rule", "id").(string)

	t.Run("holds one rule", func(t *testing.T) {
		wantCode(t, answer(t, plug, add), -10, "count_down", "add_rule")
		wantCode(t, answer(t, plug, `{"count_down":{"delete_rule":{"id":"nope"}}}`), -14, "count_down", "delete_rule")
		wantCode(t, answer(t, plug, `{"count_down":{"edit_rule":{"id":"nope","delay":5}}}`), -14, "count_down", "edit_rule")
	})
	t.Run("tells what remains", func(t *testing.T) {
		clock.Forward(20 * time.Second)
		rules := answer(t, plug, `{"count_down":{"get_rules":null}}`).list("count_down", "get_rules", "rule_list")
		if len(rules) != 1 {
			t.Fatalf("rules are %v", rules)
		}
		if rule := rules[0]; rule["remain"] != 40.0 || rule["id"] != id || rule["name"] != "dead man" {
			t.Errorf("rules are %v", rules)
		}
	})
	t.Run("fires at its second though nobody looks", func(t *testing.T) {
		clock.Forward(time.Hour)
		want := monday(9).Add(time.Minute)
		history := plug.RelayHistory(0)
		if plug.Relay(0) || len(history) != 1 || !history[0].At.Equal(want) || history[0].Cause != emulator.ByCountdown {
			t.Fatalf("history is %v", history)
		}
		if got := plug.TrueEnergy(0); got != 1_000*60_000 {
			t.Errorf("%d µJ went through, want a minute of a watt", got)
		}
	})
	t.Run("can be changed and deleted", func(t *testing.T) {
		wantCode(t, answer(t, plug, `{"count_down":{"edit_rule":{"id":"`+id+`","enable":1,"act":1,"delay":5}}}`), 0, "count_down", "edit_rule")
		clock.Forward(5 * time.Second)
		if !plug.Relay(0) {
			t.Error("the changed rule did not fire")
		}
		wantCode(t, answer(t, plug, `{"count_down":{"delete_rule":{"id":"`+id+`"}}}`), 0, "count_down", "delete_rule")
		wantCode(t, answer(t, plug, add), 0, "count_down", "add_rule")
		answer(t, plug, `{"count_down":{"delete_all_rules":{}}}`)
		clock.Forward(time.Hour)
		if !plug.Relay(0) {
			t.Error("a deleted rule fired")
		}
	})
}

func TestTheClockOfThePlug(t *testing.T) {
	madrid, err := time.LoadLocation("Europe/Madrid")
	if err != nil {
		t.Fatal(err)
	}
	clock := clockAt(time.Date(2026, 3, 29, 0, 30, 7, 0, time.UTC))
	plug := newPlug(t, emulator.Spec{Model: emulator.HS110HW1, Load: emulator.Steady(5_000)}, emulator.Options{Now: clock.Now, Zone: madrid})
	wall := func() string {
		w := answer(t, plug, `{"time":{"get_time":null}}`).sub("time", "get_time")
		return fmt.Sprintf("%v-%02v-%02v %02v:%02v:%02v", w["year"], w["month"], w["mday"], w["hour"], w["min"], w["sec"])
	}
	t.Run("shows local time across the change to summer time", func(t *testing.T) {
		if got := wall(); got != "2026-03-29 01:30:07" {
			t.Errorf("shows %s", got)
		}
		clock.Forward(time.Hour)
		if got := wall(); got != "2026-03-29 03:30:07" {
			t.Errorf("shows %s an hour later", got)
		}
		if got := answer(t, plug, `{"time":{"get_timezone":{}}}`).at("time", "get_timezone", "index"); got != 43.0 {
			t.Errorf("zone index %v", got)
		}
	})
	t.Run("can be wrong", func(t *testing.T) {
		plug.SetClock(-19*time.Hour, true)
		if got := wall(); got != "2026-03-28 07:30:07" {
			t.Errorf("shows %s", got)
		}
	})
	t.Run("counts from 2000 without NTP and keeps no statistics", func(t *testing.T) {
		plug.SetClock(0, false)
		if got := wall(); !strings.HasPrefix(got, "2000-01-01") {
			t.Errorf("shows %s", got)
		}
		wantCode(t, answer(t, plug, `{"schedule":{"get_next_action":{}}}`), -11, "schedule", "get_next_action")
		days := `{"emeter":{"get_daystat":{"year":2026,"month":3}}}`
		before := rawAnswer(t, plug, days)
		clock.Forward(48 * time.Hour)
		if after := rawAnswer(t, plug, days); after != before {
			t.Errorf("day list grew from %s to %s", before, after)
		}
		plug.SetClock(0, true)
		wantCode(t, answer(t, plug, `{"schedule":{"get_next_action":{}}}`), 0, "schedule", "get_next_action")
	})
}

func TestTheModulesThatGatewaysReadAtMost(t *testing.T) {
	plug := newPlug(t, emulator.Spec{Model: emulator.HS110HW4}, emulator.Options{})
	reply := answer(t, plug, `{"schedule":{"get_rules":{},"get_next_action":{}},"anti_theft":{"get_rules":{}},"cnCloud":{"get_info":{},"unbind":{}},`+
		`"netif":{"get_scaninfo":{"refresh":0}},"count_down":{"get_rules":{}},"emeter":{"get_vgain_igain":{}},"system":{"get_dev_icon":{},"get_download_state":{}}}`)
	for _, path := range [][]string{
		{"schedule", "get_rules"},
		{"schedule", "get_next_action"},
		{"anti_theft", "get_rules"},
		{"cnCloud", "get_info"},
		{"netif", "get_scaninfo"},
		{"count_down", "get_rules"},
		{"emeter", "get_vgain_igain"},
		{"system", "get_dev_icon"},
	} {
		wantCode(t, reply, 0, path...)
	}
	wantCode(t, reply, -4002, "cnCloud", "unbind")
	wantCode(t, reply, -7, "system", "get_download_state")
}

func TestWhatIsNoRequestGetsNoAnswer(t *testing.T) {
	plug := newPlug(t, emulator.Spec{Model: emulator.HS110HW4}, emulator.Options{})
	for _, request := range []string{
		``, `{`, `[]`, `17`, `{}`, `null`, `"system"`, `{"system":17}`, `{"system":{"get_sysinfo":{}}`, `{"system":{"get_sysinfo":{}}}x`,
		`{"system":{"get_sysinfo":nul}}`, "\xff\xfe", `{"system":{` + strings.Repeat(`"get_sysinfo":{},`, 64) + `"get_sysinfo":{}}}`,
	} {
		if reply, ok := plug.Answer([]byte(request)); ok {
			t.Errorf("%.40q is answered with %s", request, reply)
		}
	}
	if got := plug.Stats(); got.Requests != 0 || got.Unanswered == 0 {
		t.Errorf("stats are %+v", got)
	}
}
