package emulator

import (
	"math"
	"time"
)

func (e *exchange) system(c call) int {
	switch c.method {
	case "get_sysinfo":
		e.sysinfo()
		return okCode
	case "set_relay_state":
		return e.setRelay(c)
	case "set_led_off":
		return e.setLED(c)
	case "set_dev_alias":
		return e.setAlias(c)
	case "set_dev_location":
		return e.setLocation(c)
	case "reboot":
		return e.reboot(c)
	case "reset":
		return e.reset(c)
	case "get_dev_icon":
		e.w.text("icon", "")
		e.w.text("hash", "")
		return okCode
	case "check_new_config", "test_check_uboot":
		return okCode
	case "get_download_state":
		return errUnknown
	}
	return errMember
}

func (e *exchange) setRelay(c call) int {
	args, ok := decode[struct {
		State *int `json:"state"`
	}](c)
	if !ok || !isBit(args.State) {
		return errArgument
	}
	outlets, code := e.scope(true)
	for _, i := range outlets {
		e.switchRelay(i, *args.State == 1, ByCommand)
		e.answers.add(Answer{Method: setRelayState, On: e.outlets[i].relay, Reading: Reading{At: time.UnixMilli(e.at).UTC(), Outlet: i}})
	}
	return code
}

func isBit(v *int) bool { return v != nil && (*v == 0 || *v == 1) }

func (e *exchange) setLED(c call) int {
	args, ok := decode[struct {
		Off *int `json:"off"`
	}](c)
	if !ok || !isBit(args.Off) {
		return errArgument
	}
	e.ledOff = *args.Off
	return okCode
}

func (e *exchange) setAlias(c call) int {
	args, ok := decode[struct {
		Alias string `json:"alias"`
	}](c)
	if !ok || !validAlias(args.Alias) {
		return errArgument
	}
	if len(e.outlets) > 1 && e.req.hasScope {
		o, _, code := e.one()
		if code == okCode {
			o.alias = args.Alias
		}
		return code
	}
	e.alias = args.Alias
	return okCode
}

func (e *exchange) setLocation(c call) int {
	args, ok := decode[struct {
		Latitude   *float64 `json:"latitude"`
		Longitude  *float64 `json:"longitude"`
		LatitudeI  *int64   `json:"latitude_i"`
		LongitudeI *int64   `json:"longitude_i"`
	}](c)
	switch {
	case !ok:
		return errArgument
	case args.LatitudeI != nil && args.LongitudeI != nil:
		e.latitude, e.longitude = *args.LatitudeI, *args.LongitudeI
	case args.Latitude != nil && args.Longitude != nil:
		e.latitude, e.longitude = int64(math.Round(*args.Latitude*10_000)), int64(math.Round(*args.Longitude*10_000))
	default:
		return errArgument
	}
	const quarter, half = 90 * 10_000, 180 * 10_000
	e.latitude = min(max(e.latitude, -quarter), quarter)
	e.longitude = min(max(e.longitude, -half), half)
	return okCode
}

// maxDelay bounds every delay that a client may ask for.
const maxDelay = 24 * 3600

func delay(c call) (seconds int64, ok bool) {
	args, ok := decode[struct {
		Delay *int64 `json:"delay"`
	}](c)
	if !ok || args.Delay == nil || *args.Delay < 0 || *args.Delay > maxDelay {
		return 0, false
	}
	return *args.Delay, true
}

func (e *exchange) reboot(c call) int {
	seconds, ok := delay(c)
	if !ok {
		return errArgument
	}
	e.rebootAt = e.at + seconds*second
	return okCode
}

// reset forgets names, rules and statistics and reboots. A real plug would also
// leave its Wi-Fi; this one stays.
func (e *exchange) reset(c call) int {
	if code := e.reboot(c); code != okCode {
		return code
	}
	e.forget()
	return okCode
}

// sysinfo has the keys of each model's firmware, as collected in python-kasa's
// fixtures.
func (e *exchange) sysinfo() {
	switch e.spec.Model {
	case HS110HW1:
		e.sysinfoHW1("HS110(EU)", "Wi-Fi Smart Plug With Energy Monitoring", "TIM:ENE", "1.2.5 Build 171213 Rel.101523")
	case HS100:
		e.sysinfoHW1("HS100(EU)", "Wi-Fi Smart Plug", "TIM", "1.2.6 Build 200727 Rel.120236")
	case HS300:
		e.sysinfoStrip()
	default:
		e.sysinfoHW4()
	}
}

func (e *exchange) sysinfoHW1(model, name, feature, firmware string) {
	w, o := &e.w, &e.outlets[0]
	w.text("sw_ver", firmware)
	w.text("hw_ver", "1.0")
	w.text("type", "IOT.SMARTPLUGSWITCH")
	w.text("model", model)
	w.text("mac", e.self.mac)
	w.text("deviceId", e.self.deviceID)
	w.text("hwId", e.self.hwID)
	w.text("fwId", "00000000000000000000000000000000")
	w.text("oemId", e.self.oemID)
	w.text("alias", e.alias)
	w.text("dev_name", name)
	w.text("icon_hash", "")
	w.int("relay_state", bit(o.relay))
	w.int("on_time", o.onSeconds(e.at))
	w.text("active_mode", o.mode("schedule"))
	w.text("feature", feature)
	w.int("updating", 0)
	w.int("rssi", e.rssi())
	w.int("led_off", int64(e.ledOff))
	w.millionths("latitude", e.latitude*100)
	w.millionths("longitude", e.longitude*100)
}

// sysinfoIntegers is what the generations that measure in integers have in common.
func (e *exchange) sysinfoIntegers() {
	w := &e.w
	w.text("deviceId", e.self.deviceID)
	w.text("oemId", e.self.oemID)
	w.text("hwId", e.self.hwID)
	w.int("rssi", e.rssi())
	w.int("longitude_i", e.longitude)
	w.int("latitude_i", e.latitude)
	w.text("alias", e.alias)
	w.text("status", "new")
	w.text("mic_type", "IOT.SMARTPLUGSWITCH")
	w.text("feature", "TIM:ENE")
	w.text("mac", e.self.mac)
	w.int("updating", 0)
	w.int("led_off", int64(e.ledOff))
}

func (e *exchange) sysinfoHW4() {
	w, o := &e.w, &e.outlets[0]
	w.text("sw_ver", "1.0.4 Build 191111 Rel.143500")
	w.text("hw_ver", "4.0")
	w.text("model", "HS110(EU)")
	e.sysinfoIntegers()
	w.int("relay_state", bit(o.relay))
	w.int("on_time", o.onSeconds(e.at))
	w.text("active_mode", o.mode("none"))
	w.text("icon_hash", "")
	w.text("dev_name", "Smart Wi-Fi Plug With Energy Monitoring")
	w.raw("next_action", `{"type":-1}`)
}

func (e *exchange) sysinfoStrip() {
	w := &e.w
	w.text("sw_ver", "1.0.12 Build 220121 Rel.175814")
	w.text("hw_ver", "2.0")
	w.text("model", "HS300(US)")
	e.sysinfoIntegers()
	w.key("children")
	w.open('[')
	for i := range e.outlets {
		o, id := &e.outlets[i], e.self.childID(i)
		if e.datagram {
			id = id[len(id)-2:] // keeps the datagram small
		}
		w.open('{')
		w.text("id", id)
		w.int("state", bit(o.relay))
		w.text("alias", o.alias)
		w.int("on_time", o.onSeconds(e.at))
		w.raw("next_action", `{"type":-1}`)
		w.close('}')
	}
	w.close(']')
	w.int("child_num", int64(len(e.outlets)))
}

func bit(on bool) int64 {
	if on {
		return 1
	}
	return 0
}

// mode tells of a timer that runs.
func (o *outlet) mode(otherwise string) string {
	if _, ok := o.rule.due(); ok {
		return "count_down"
	}
	return otherwise
}

// rssi wanders by a few dB around what the plug's place gives.
func (e *exchange) rssi() int64 {
	return e.dice.roll(saltRSSI, 0, -74, -41) + e.dice.roll(saltRSSI, floorTo(e.at, minute)+1, -2, 2)
}
