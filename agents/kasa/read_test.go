package kasa_test

import (
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/agents/kasa"
)

func TestReadUnderstandsBothGenerations(t *testing.T) {
	for name, test := range map[string]struct {
		sysinfo, realtime string
		want              kasa.Measurement
	}{
		"hardware 1, in units": {hw1Sysinfo, hw1Realtime, kasa.Measurement{
			Relay: wattline.RelayOn, LED: wattline.RelayOff, RSSIdBm: -71, OnTime: 6023162 * time.Second,
			Meter: &kasa.Meter{PowerW: 929, VoltageV: 231068, CurrentA: 15, TotalWh: 55139000},
			Info: &kasa.Info{
				DeviceID: "8006000000000000000000000000000000000001", Alias: "Desk 1", Model: "HS110(EU)",
				HardwareVersion: "1.0", Firmware: "1.2.5 Build 171213 Rel.101523", MAC: "50:C7:BF:00:00:01", HasMeter: true, HasLED: true,
			},
		}},
		"hardware 4, in thousandths": {hw4Sysinfo, hw4Realtime, kasa.Measurement{
			Relay: wattline.RelayOff, LED: wattline.RelayOn, RSSIdBm: -60,
			Meter: &kasa.Meter{PowerW: 61753, VoltageV: 230837, CurrentA: 451, TotalWh: 16323000},
			Info: &kasa.Info{
				DeviceID: "8006000000000000000000000000000000000004", Alias: "Desk 4", Model: "HS110(EU)",
				HardwareVersion: "4.0", Firmware: "1.0.4 Build 191111 Rel.143500", MAC: "B0:95:75:00:00:04", HasMeter: true, HasLED: true,
			},
		}},
		"a plug without a meter": {hs100, `null`, kasa.Measurement{
			Relay: wattline.RelayOn, LED: wattline.RelayOn, RSSIdBm: -50, OnTime: 12 * time.Second,
			Info: &kasa.Info{
				DeviceID: "8006000000000000000000000000000000000100", Alias: "Lamp", Model: "HS100(US)",
				HardwareVersion: "2.0", Firmware: "1.5.6", MAC: "50:C7:BF:00:01:00", HasLED: true,
			},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			plug := newFakePlug(t, answers(model(test.sysinfo, test.realtime)))
			client := newClient(t, kasa.Options{})
			before := time.Now()
			got, err := client.Read(t.Context(), plug.target)
			if err != nil {
				t.Fatal(err)
			}
			if got.At.Before(before) || got.At.After(time.Now()) {
				t.Errorf("answered at %v", got.At)
			}
			got.At = time.Time{}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("measurement (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRequestsAreThoseThatThePlugSurvives(t *testing.T) {
	const alone = `{"system":{"get_sysinfo":{}}}`
	const both = `{"system":{"get_sysinfo":{}},"emeter":{"get_realtime":{}}}`
	read := func(t *testing.T, client *kasa.Client, target kasa.Target) {
		t.Helper()
		if _, err := client.Read(t.Context(), target); err != nil {
			t.Fatal(err)
		}
	}
	check := func(t *testing.T, plug *fakePlug, want ...string) {
		t.Helper()
		if diff := cmp.Diff(want, plug.seen()); diff != "" {
			t.Errorf("requests (-want +got):\n%s", diff)
		}
	}
	t.Run("the first contact is the sysinfo alone, then one request for all", func(t *testing.T) {
		plug := newFakePlug(t, answers(model(hw4Sysinfo, hw4Realtime)))
		client := newClient(t, kasa.Options{})
		read(t, client, plug.target)
		read(t, client, plug.target)
		check(t, plug, alone, both, both)
	})
	t.Run("a plug without a meter is never asked for one", func(t *testing.T) {
		plug := newFakePlug(t, answers(model(hs100, `null`)))
		client := newClient(t, kasa.Options{})
		read(t, client, plug.target)
		read(t, client, plug.target)
		check(t, plug, alone, alone)
	})
	t.Run("an outlet is asked for in its context, a plug never in one", func(t *testing.T) {
		plug := newFakePlug(t, answers(model(hs300, hw4Realtime)))
		client := newClient(t, kasa.Options{})
		second := outlet(plug.target, "01")
		read(t, client, second)
		if err := client.SetRelay(t.Context(), second, true); err != nil {
			t.Error(err)
		}
		if err := client.SetLED(t.Context(), second, false); err != nil {
			t.Error(err)
		}
		const context = `{"context":{"child_ids":["800600000000000000000000000000000000030001"]},`
		check(t, plug, alone, context+both[1:],
			context+`"system":{"set_relay_state":{"state":1}}}`, `{"system":{"set_led_off":{"off":1}}}`)
	})
	t.Run("a failure makes the next contact a first one", func(t *testing.T) {
		replies := []string{model(hw4Sysinfo, "")(alone), "rubbish", model(hw4Sysinfo, "")(alone), model(hw4Sysinfo, hw4Realtime)(both)}
		plug := newFakePlug(t, answers(func(string) string {
			reply := replies[0]
			replies = replies[1:]
			return reply
		}))
		client := newClient(t, kasa.Options{})
		if _, err := client.Read(t.Context(), plug.target); kasa.ClassOf(err) != kasa.ClassGarbage {
			t.Errorf("error %v", err)
		}
		read(t, client, plug.target)
		check(t, plug, alone, both, alone, both)
	})
	t.Run("a command to a plug not met before asks first what it is", func(t *testing.T) {
		plug := newFakePlug(t, answers(model(hw4Sysinfo, hw4Realtime)))
		client := newClient(t, kasa.Options{})
		if err := client.SetRelay(t.Context(), plug.target, false); err != nil {
			t.Error(err)
		}
		check(t, plug, alone, `{"system":{"set_relay_state":{"state":0}}}`)
	})
}

func TestStripHasOneDevicePerOutlet(t *testing.T) {
	plug := newFakePlug(t, answers(model(hs300, hw4Realtime)))
	client := newClient(t, kasa.Options{})
	info, err := client.Identify(t.Context(), plug.target)
	if err != nil {
		t.Fatal(err)
	}
	want := []kasa.Outlet{
		{ID: "800600000000000000000000000000000000030000", Alias: "Left"},
		{ID: "800600000000000000000000000000000000030001", Alias: "Right"},
	}
	if diff := cmp.Diff(want, info.Outlets); diff != "" {
		t.Errorf("outlets (-want +got):\n%s", diff)
	}
	for name, relay := range map[string]wattline.Relay{"00": wattline.RelayOn, "01": wattline.RelayOff, want[1].ID: wattline.RelayOff} {
		got, err := client.Read(t.Context(), outlet(plug.target, name))
		if err != nil || got.Relay != relay || got.Meter == nil || got.Meter.PowerW != 61753 {
			t.Errorf("outlet %s: %+v, error %v", name, got, err)
		}
	}
	if n := plug.connections(); n != 1 {
		t.Errorf("%d connections for one strip", n)
	}
	refused := func(what string, err error, reason string) {
		t.Helper()
		if kasa.ClassOf(err) != kasa.ClassUnsupported || !strings.Contains(err.Error(), reason) {
			t.Errorf("%s: error %v, want one about %q", what, err, reason)
		}
	}
	refused("switching the whole strip", client.SetRelay(t.Context(), plug.target, false), "add the outlet to its address (/00, /01)")
	refused("an outlet that is not there", client.SetRelay(t.Context(), outlet(plug.target, "02"), false), "no outlet /02")
	for _, request := range plug.seen() {
		if strings.Contains(request, "set_relay_state") {
			t.Errorf("%s was sent", request)
		}
	}
	plain := newFakePlug(t, answers(model(hw1Sysinfo, hw1Realtime)))
	_, err = client.Read(t.Context(), outlet(plain.target, "00"))
	refused("an outlet of a plain plug", err, "has no outlets")
}

func TestOutletsListedBySuffixAloneGetTheirWholeID(t *testing.T) {
	short := strings.ReplaceAll(hs300, `"id":"8006000000000000000000000000000000000300`, `"id":"`)
	plug := newFakePlug(t, answers(model(short, hw4Realtime)))
	info, err := newClient(t, kasa.Options{}).Identify(t.Context(), plug.target)
	if err != nil || len(info.Outlets) != 2 || info.Outlets[1].ID != "800600000000000000000000000000000000030001" {
		t.Errorf("%+v, error %v", info, err)
	}
}

func TestAnswersThatAreWrong(t *testing.T) {
	without := func(key string) string { return strings.Replace(hw4Sysinfo, `"`+key+`":0`, `"x":0`, 1) }
	relay := func(value string) string {
		return `{"system":{"get_sysinfo":` + strings.Replace(hw4Sysinfo, `"relay_state":0`, `"relay_state":`+value, 1) + `}}`
	}
	for name, test := range map[string]struct {
		answer string
		class  kasa.Class
		reason string
	}{
		"no JSON":                      {"Hello", kasa.ClassGarbage, "not JSON"},
		"JSON cut off":                 {`{"system":{"get_sys`, kasa.ClassGarbage, "ends in the middle"},
		"bytes after it":               {`{} {}`, kasa.ClassGarbage, "not JSON"},
		"an empty object":              {`{}`, kasa.ClassGarbage, "has no system.get_sysinfo"},
		"an array":                     {`[]`, kasa.ClassGarbage, "not JSON"},
		"a module that is no object":   {`{"system":7}`, kasa.ClassGarbage, "not of the shape"},
		"a method that is null":        {`{"system":{"get_sysinfo":null}}`, kasa.ClassGarbage, "not of the shape"},
		"no relay":                     {`{"system":{"get_sysinfo":` + without("relay_state") + `}}`, kasa.ClassGarbage, "has no relay_state"},
		"a relay of null":              {relay("null"), kasa.ClassGarbage, "has no relay_state"},
		"a relay of 2":                 {relay("2"), kasa.ClassGarbage, "instead of 0 or 1"},
		"a relay as a text":            {relay(`"0"`), kasa.ClassGarbage, "instead of 0 or 1"},
		"a relay as a boolean":         {relay("false"), kasa.ClassGarbage, "instead of 0 or 1"},
		"a relay as an object":         {relay("{}"), kasa.ClassGarbage, "instead of 0 or 1"},
		"a relay under another case":   {`{"system":{"get_sysinfo":` + strings.Replace(without("relay_state"), `"x"`, `"Relay_State"`, 1) + `}}`, kasa.ClassGarbage, "has no relay_state"},
		"an error of the method":       {`{"system":{"get_sysinfo":{"err_code":-2,"err_msg":"member not support"}}}`, kasa.ClassDevice, `error -2 ("member not support")`},
		"an error of the module":       {`{"system":{"err_code":-1,"err_msg":"module not support"}}`, kasa.ClassDevice, "error -1"},
		"an error of all":              {`{"err_code":-3}`, kasa.ClassDevice, "error -3"},
		"an error code that is a text": {`{"system":{"err_code":"-1"}}`, kasa.ClassGarbage, "err_code"},
		"far too many outlets":         {`{"system":{"get_sysinfo":{"children":[` + strings.Repeat(`{},`, 64) + `{}]}}}`, kasa.ClassGarbage, "more than 64"},
	} {
		t.Run(name, func(t *testing.T) {
			plug := newFakePlug(t, answers(func(string) string { return test.answer }))
			_, err := newClient(t, kasa.Options{}).Read(t.Context(), plug.target)
			var known *kasa.Error
			if !errors.As(err, &known) || known.Class != test.class || !strings.Contains(err.Error(), test.reason) {
				t.Errorf("error %v, want %s about %q", err, test.class, test.reason)
			}
			if !strings.HasPrefix(err.Error(), plug.target.String()+": ") {
				t.Errorf("error %q does not name the plug", err)
			}
		})
	}
}

func TestMeterThatFailsLeavesTheRelayKnown(t *testing.T) {
	for name, test := range map[string]struct {
		emeter string
		class  kasa.Class
		code   int
	}{
		"error of the method": {`{"get_realtime":{"err_code":-1,"err_msg":"module not support"}}`, kasa.ClassDevice, -1},
		"error of the module": {`{"err_code":-1,"err_msg":"module not support"}`, kasa.ClassDevice, -1},
		"no answer for it":    {`{}`, kasa.ClassGarbage, 0},
		"a value missing":     {`{"get_realtime":{"power_mw":1,"voltage_mv":2,"current_ma":3}}`, kasa.ClassGarbage, 0},
		"a value of null":     {`{"get_realtime":{"power_mw":null,"voltage_mv":2,"current_ma":3,"total_wh":4}}`, kasa.ClassGarbage, 0},
		"a value as a text":   {`{"get_realtime":{"power_mw":"1","voltage_mv":2,"current_ma":3,"total_wh":4}}`, kasa.ClassGarbage, 0},
		"a value beyond all":  {`{"get_realtime":{"power_mw":1e99,"voltage_mv":2,"current_ma":3,"total_wh":4}}`, kasa.ClassGarbage, 0},
	} {
		t.Run(name, func(t *testing.T) {
			plug := newFakePlug(t, answers(func(request string) string {
				if !strings.Contains(request, "emeter") {
					return model(hw1Sysinfo, "")(request)
				}
				return `{"system":{"get_sysinfo":` + hw1Sysinfo + `},"emeter":` + test.emeter + `}`
			}))
			got, err := newClient(t, kasa.Options{}).Read(t.Context(), plug.target)
			if err != nil || got.Relay != wattline.RelayOn || got.Meter != nil {
				t.Errorf("%+v, error %v", got, err)
			}
			var known *kasa.Error
			if !errors.As(got.MeterErr, &known) || known.Class != test.class || known.Code != test.code || known.Address == "" {
				t.Errorf("meter's error %v, want %s %d", got.MeterErr, test.class, test.code)
			}
		})
	}
}

func TestMeterTakesWhatIsOddButTrue(t *testing.T) {
	for name, test := range map[string]struct {
		realtime string
		want     kasa.Meter
	}{
		"no err_code":        {`{"power_mw":1,"voltage_mv":2,"current_ma":3,"total_wh":4}`, kasa.Meter{PowerW: 1, VoltageV: 2, CurrentA: 3, TotalWh: 4000}},
		"zeros":              {`{"power":0.000000,"voltage":0,"current":0,"total":0}`, kasa.Meter{}},
		"negative":           {`{"power":-1.5,"voltage":230,"current":-0.0004,"total":0.001}`, kasa.Meter{PowerW: -1500, VoltageV: 230000, TotalWh: 1000}},
		"a spike":            {`{"power_mw":100000000,"voltage_mv":296000,"current_ma":3,"total_wh":4}`, kasa.Meter{PowerW: 100_000_000, VoltageV: 296_000, CurrentA: 3, TotalWh: 4000}},
		"both dialects":      {`{"power_mw":1500,"power":1.4,"voltage":230,"current_ma":3,"total":4}`, kasa.Meter{PowerW: 1500, VoltageV: 230_000, CurrentA: 3, TotalWh: 4_000_000}},
		"escapes in the key": {`{"p\u006fwer_mw":1,"voltage_mv":2,"current_ma":3,"total_wh":4,"slot_id":0}`, kasa.Meter{PowerW: 1, VoltageV: 2, CurrentA: 3, TotalWh: 4000}},
	} {
		t.Run(name, func(t *testing.T) {
			plug := newFakePlug(t, answers(model(hw4Sysinfo, test.realtime)))
			got, err := newClient(t, kasa.Options{}).Read(t.Context(), plug.target)
			if err != nil || got.MeterErr != nil {
				t.Fatal(err, got.MeterErr)
			}
			if diff := cmp.Diff(test.want, *got.Meter); diff != "" {
				t.Errorf("meter (-want +got):\n%s", diff)
			}
		})
	}
}

func TestWhatDoesNotMatterMayBeMissingOrOfAnyType(t *testing.T) {
	const bare = `{"relay_state":1,"alias":7,"model":null,"rssi":"loud","on_time":-5,"led_off":9,"latitude":{"a":[1]},"children":null,"feature":["ENE"],"mac":false}`
	plug := newFakePlug(t, answers(model(bare, `null`)))
	got, err := newClient(t, kasa.Options{}).Read(t.Context(), plug.target)
	if err != nil || got.Relay != wattline.RelayOn || got.LED != "" || got.RSSIdBm != 0 || got.OnTime != 0 || got.Info.HasMeter {
		t.Errorf("%+v, error %v", got, err)
	}
}

func TestTextsOfThePlugAreBoundedAndOfOneLine(t *testing.T) {
	long := strings.Repeat("ñ", 300)
	sysinfo := strings.Replace(hw4Sysinfo, `"Desk 4"`, `"a\nb\u001b`+"\xff"+long+`"`, 1)
	plug := newFakePlug(t, answers(model(sysinfo, hw4Realtime)))
	info, err := newClient(t, kasa.Options{}).Identify(t.Context(), plug.target)
	if err != nil || len(info.Alias) > 260 || !strings.HasPrefix(info.Alias, "a b \uFFFDñ") || !strings.HasSuffix(info.Alias, "ñ") {
		t.Errorf("alias %q, error %v", info.Alias, err)
	}
}

func TestCommandThatThePlugRefusesIsADeviceError(t *testing.T) {
	plug := newFakePlug(t, answers(func(request string) string {
		if strings.Contains(request, "set_") {
			return `{"system":{"set_relay_state":{"err_code":-3,"err_msg":"invalid argument"},"set_led_off":{"err_code":-3}}}`
		}
		return model(hw4Sysinfo, hw4Realtime)(request)
	}))
	client := newClient(t, kasa.Options{})
	for name, err := range map[string]error{
		"relay": client.SetRelay(t.Context(), plug.target, true),
		"light": client.SetLED(t.Context(), plug.target, true),
	} {
		var known *kasa.Error
		if !errors.As(err, &known) || known.Class != kasa.ClassDevice || known.Code != -3 {
			t.Errorf("%s: error %v", name, err)
		}
	}
	dark := newFakePlug(t, answers(model(strings.Replace(hw4Sysinfo, "led_off", "x", 1), hw4Realtime)))
	if err := client.SetLED(t.Context(), dark.target, true); kasa.ClassOf(err) != kasa.ClassUnsupported {
		t.Errorf("a plug without a light: error %v", err)
	}
}

func TestCommandIsSentOnlyWhenItHasGoneOut(t *testing.T) {
	identity := model(hw4Sysinfo, hw4Realtime)(`{"system":{"get_sysinfo":{}}}`)
	for name, test := range map[string]struct {
		replies []string
		sent    bool
	}{
		"the question what the plug is gets rubbish": {[]string{"rubbish"}, false},
		"that question gets an error":                {[]string{`{"system":{"get_sysinfo":{"err_code":-1}}}`}, false},
		"that question gets no answer":               {nil, false},
		"the command gets rubbish":                   {[]string{identity, "rubbish"}, true},
		"the command gets another's answer":          {[]string{identity, identity}, true},
		"the command gets no answer":                 {[]string{identity}, true},
	} {
		t.Run(name, func(t *testing.T) {
			plug := newFakePlug(t, func(_ *testing.T, conn net.Conn, _ int) {
				for _, reply := range test.replies {
					if readRequest(conn) == "" {
						return
					}
					send(conn, reply)
				}
				readRequest(conn)
			})
			var known *kasa.Error
			err := newClient(t, kasa.Options{}).SetRelay(t.Context(), plug.target, true)
			if !errors.As(err, &known) || known.Sent != test.sent {
				t.Errorf("%v, sent %v", err, known != nil && known.Sent)
			}
		})
	}
}
