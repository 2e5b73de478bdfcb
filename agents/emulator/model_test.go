package emulator_test

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wattline/wattline/agents/emulator"
)

const (
	sysinfo  = `{"system":{"get_sysinfo":{}}}`
	realtime = `{"emeter":{"get_realtime":{}}}`
	both     = `{"system":{"get_sysinfo":{}},"emeter":{"get_realtime":{}}}`
)

// The keys are those of the fixtures that python-kasa's users collected.
func TestSysinfoHasTheKeysOfTheRealModel(t *testing.T) {
	old := "active_mode alias dev_name deviceId err_code feature fwId hwId hw_ver icon_hash latitude led_off longitude mac model oemId on_time relay_state rssi sw_ver type updating"
	for model, keys := range map[emulator.Model]string{
		emulator.HS110HW1: old,
		emulator.HS100:    old,
		emulator.HS110HW4: "active_mode alias dev_name deviceId err_code feature hwId hw_ver icon_hash latitude_i led_off longitude_i mac mic_type model next_action oemId on_time relay_state rssi status sw_ver updating",
		emulator.HS300:    "alias child_num children deviceId err_code feature hwId hw_ver latitude_i led_off longitude_i mac mic_type model oemId rssi status sw_ver updating",
	} {
		t.Run(string(model), func(t *testing.T) {
			info := answer(t, newPlug(t, emulator.Spec{Model: model}, emulator.Options{}), sysinfo).sub("system", "get_sysinfo")
			if got := strings.Join(slices.Sorted(maps.Keys(info)), " "); got != strings.Join(slices.Sorted(slices.Values(strings.Fields(keys))), " ") {
				t.Errorf("keys are\n%s\nwant\n%s", got, keys)
			}
			if id, _ := info["deviceId"].(string); !regexp.MustCompile(`^[0-9A-F]{40}$`).MatchString(id) {
				t.Errorf("deviceId %q", id)
			}
			if mac, _ := info["mac"].(string); !regexp.MustCompile(`^([0-9A-F]{2}:){5}[0-9A-F]{2}$`).MatchString(mac) {
				t.Errorf("mac %q", mac)
			}
			wantFeature := "TIM:ENE"
			if model == emulator.HS100 {
				wantFeature = "TIM"
			}
			if info["feature"] != wantFeature {
				t.Errorf("feature %v, want %s", info["feature"], wantFeature)
			}
		})
	}
}

func TestRealtimeSpeaksTheDialectOfTheGeneration(t *testing.T) {
	load := emulator.Steady(61_753)
	t.Run("hardware 1 prints floats with six decimals, which round to whole thousandths", func(t *testing.T) {
		clock := clockAt(monday(9))
		plug := newPlug(t, emulator.Spec{Model: emulator.HS110HW1, Load: load}, emulator.Options{Now: clock.Now})
		for range 50 {
			clock.Forward(5013 * time.Millisecond)
			text := rawAnswer(t, plug, realtime)
			want := regexp.MustCompile(`^\{"emeter":\{"get_realtime":\{"current":0\.\d{6},"voltage":2\d\d\.\d{6},"power":61\.75[23]\d{3},"total":0\.00\d000,"err_code":0\}\}\}$`)
			if !want.MatchString(text) {
				t.Fatalf("got %s", text)
			}
			if power, _ := answer(t, plug, realtime).at("emeter", "get_realtime", "power").(float64); int(power*1000+0.5) != 61_753 {
				t.Fatalf("%v W does not round to 61.753", power)
			}
		}
	})
	for _, model := range []emulator.Model{emulator.HS110HW4, emulator.HS300} {
		t.Run(string(model)+" prints integers", func(t *testing.T) {
			spec := emulator.Spec{Model: model, Load: load}
			if model == emulator.HS300 {
				spec.Outlets = []emulator.OutletSpec{{Load: load}}
			}
			text := rawAnswer(t, newPlug(t, spec, emulator.Options{}), realtime)
			want := regexp.MustCompile(`\{("slot_id":0,)?"voltage_mv":2\d{5},"current_ma":2\d\d,"power_mw":61753,"total_wh":0,"err_code":0\}`)
			if !want.MatchString(text) {
				t.Errorf("got %s", text)
			}
		})
	}
}

func TestErrorsStandWhereTheModelPutsThem(t *testing.T) {
	t.Run("a plug without a meter has no emeter, told at the method", func(t *testing.T) {
		reply := answer(t, newPlug(t, emulator.Spec{Model: emulator.HS100}, emulator.Options{}), both)
		wantCode(t, reply, 0, "system", "get_sysinfo")
		wantCode(t, reply, -1, "emeter", "get_realtime")
	})
	t.Run("newer firmware tells at the module", func(t *testing.T) {
		plug := newPlug(t, emulator.Spec{Model: emulator.HS110HW4}, emulator.Options{})
		wantCode(t, answer(t, plug, `{"smartlife.iot.dimmer":{"get_x":{}}}`), -1, "smartlife.iot.dimmer")
		wantCode(t, answer(t, plug, `{"system":{"make_coffee":{}}}`), -2, "system")
	})
	t.Run("one unknown method does not spoil its neighbours", func(t *testing.T) {
		for _, model := range emulator.Models() {
			reply := answer(t, newPlug(t, emulator.Spec{Model: model}, emulator.Options{}), `{"system":{"make_coffee":{},"get_sysinfo":null}}`)
			wantCode(t, reply, -2, "system", "make_coffee")
			wantCode(t, reply, 0, "system", "get_sysinfo")
		}
	})
	t.Run("older firmware tells at the method", func(t *testing.T) {
		plug := newPlug(t, emulator.Spec{Model: emulator.HS110HW1}, emulator.Options{})
		wantCode(t, answer(t, plug, `{"coffee":{"get_x":{}}}`), -1, "coffee", "get_x")
		wantCode(t, answer(t, plug, `{"system":{"make_coffee":{}}}`), -2, "system", "make_coffee")
	})
}

func TestStrip(t *testing.T) {
	plug := newPlug(t, emulator.Spec{ID: "strip-1", Model: emulator.HS300, Outlets: []emulator.OutletSpec{
		{Alias: "Screen", Load: emulator.Steady(100_000)}, {Load: emulator.Steady(7_000)},
	}}, emulator.Options{})
	in := func(child int, rest string) string {
		return `{"context":{"child_ids":["` + plug.ChildID(child) + `"]},` + rest[1:]
	}

	t.Run("lists six outlets by the whole child id", func(t *testing.T) {
		info := answer(t, plug, sysinfo).sub("system", "get_sysinfo")
		children := info.list("children")
		if len(children) != 6 || info["child_num"] != 6.0 {
			t.Fatalf("%d children", len(children))
		}
		if second := children[1]; second["id"] != plug.ChildID(1) || len(plug.ChildID(1)) != 42 || second["alias"] != "Outlet 2" || second["state"] != 1.0 {
			t.Errorf("second child is %v", second)
		}
	})
	t.Run("measures the outlet addressed and without one the first", func(t *testing.T) {
		if got := answer(t, plug, in(1, realtime)).at("emeter", "get_realtime", "power_mw"); got != 7_000.0 {
			t.Errorf("outlet 1 takes %v mW", got)
		}
		if got := answer(t, plug, realtime).at("emeter", "get_realtime", "power_mw"); got != 100_000.0 {
			t.Errorf("without context %v mW", got)
		}
	})
	t.Run("switches the outlets addressed and without context all", func(t *testing.T) {
		wantCode(t, answer(t, plug, in(1, `{"system":{"set_relay_state":{"state":0}}}`)), 0, "system", "set_relay_state")
		if !plug.Relay(0) || plug.Relay(1) {
			t.Error("not just the second outlet is off")
		}
		answer(t, plug, `{"system":{"set_relay_state":{"state":0}}}`)
		for i := range plug.Outlets() {
			if plug.Relay(i) {
				t.Errorf("outlet %d is on", i)
			}
		}
	})
	t.Run("knows wrong child ids", func(t *testing.T) {
		wantCode(t, answer(t, plug, `{"context":{"child_ids":["00"]},`+realtime[1:]), -14, "emeter", "get_realtime")
		wantCode(t, answer(t, plug, `{"context":{"child_ids":[1]},`+realtime[1:]), -3, "emeter", "get_realtime")
		reply := answer(t, plug, `{"context":{"child_ids":["`+plug.ChildID(0)+`","x"]},"system":{"set_relay_state":{"state":1},"get_sysinfo":{}}}`)
		wantCode(t, reply, -14, "system", "set_relay_state")
		wantCode(t, reply, 0, "system", "get_sysinfo")
		if plug.Relay(0) {
			t.Error("one wrong id did not stop the right one")
		}
	})
	t.Run("takes no children as nothing to do", func(t *testing.T) {
		wantCode(t, answer(t, plug, `{"context":{"child_ids":[]},"system":{"set_relay_state":{"state":1}}}`), 0, "system", "set_relay_state")
		if plug.Relay(0) {
			t.Error("switched")
		}
	})
	t.Run("names one outlet", func(t *testing.T) {
		answer(t, plug, in(2, `{"system":{"set_dev_alias":{"alias":"Lamp"}}}`))
		info := answer(t, plug, sysinfo).sub("system", "get_sysinfo")
		if name := info.list("children")[2]["alias"]; name != "Lamp" || info["alias"] == "Lamp" {
			t.Errorf("outlet is %v, strip is %v", name, info["alias"])
		}
	})
}

func TestAPlugIgnoresAContext(t *testing.T) {
	plug := newPlug(t, emulator.Spec{Model: emulator.HS110HW4}, emulator.Options{})
	reply := answer(t, plug, `{"context":{"child_ids":["x"]},"system":{"get_sysinfo":{}},"context":{"child_ids":[]}}`)
	wantCode(t, reply, 0, "system", "get_sysinfo")
	wantCode(t, reply, -1, "context")
}
