package kasa

import (
	"bytes"
	"fmt"
	"strconv"
)

const maxOutlets = 64

// reply is a decoded answer. Its slices point into the answer's text, so it is
// good until the next answer is read.
type reply struct {
	top      status // of the answer as a whole
	system   status // of the module
	emeter   status // of the module
	sysinfo  sysinfo
	realtime realtime
	relaySet status
	ledSet   status
	scan     scanner
}

// status is an err_code with its err_msg, of a method or of a whole module:
// firmwares put it in either place, and leave it out for success.
type status struct {
	seen bool // the method or module is in the answer
	code int
	msg  []byte
}

type sysinfo struct {
	status
	// Strings, without quotes.
	alias, deviceID, model, hwVer, swVer, mac, feature []byte
	// Values as they stand; nil if absent.
	relayState, ledOff, rssi, onTime []byte
	children                         []child
}

type child struct {
	id, alias     []byte
	state, onTime []byte
}

// realtime has one value per quantity and dialect, as it stands; nil if absent.
type realtime struct {
	status
	powerMW, voltageMV, currentMA, totalWh []byte
	powerW, voltageV, currentA, totalKWh   []byte
}

// decode reads an answer. Keys are matched exactly, unknown ones are checked for
// being JSON and ignored; of a key that comes twice the last counts.
func (r *reply) decode(answer []byte) error {
	*r = reply{sysinfo: sysinfo{children: r.sysinfo.children[:0]}, scan: scanner{data: answer}}
	s := &r.scan
	err := s.document(func(key []byte) error {
		switch string(key) {
		case "system":
			return module(s, &r.system, r.systemMethod)
		case "emeter":
			return module(s, &r.emeter, r.emeterMethod)
		}
		return r.top.member(s, key, 1)
	})
	if err != nil {
		return garbage("%w", err)
	}
	return nil
}

// module reads a module's object: its methods, or an err_code of its own.
func module(scan *scanner, own *status, method func(key []byte) (known bool, err error)) error {
	*own = status{seen: true}
	return scan.object(1, func(key []byte) error {
		if known, err := method(key); known || err != nil {
			return err
		}
		return own.member(scan, key, 2)
	})
}

func (r *reply) systemMethod(key []byte) (known bool, err error) {
	switch string(key) {
	case "get_sysinfo":
		return true, r.sysinfo.read(&r.scan)
	case "set_relay_state":
		return true, r.relaySet.read(&r.scan)
	case "set_led_off":
		return true, r.ledSet.read(&r.scan)
	}
	return false, nil
}

func (r *reply) emeterMethod(key []byte) (known bool, err error) {
	if string(key) == "get_realtime" {
		return true, r.realtime.read(&r.scan)
	}
	return false, nil
}

func (s *status) read(scan *scanner) error {
	*s = status{seen: true}
	return scan.object(2, func(key []byte) error { return s.member(scan, key, 3) })
}

// member takes err_code and err_msg and skips anything else.
func (s *status) member(scan *scanner, key []byte, depth int) error {
	value, err := scan.value(depth)
	if err != nil {
		return err
	}
	switch string(key) {
	case "err_code":
		if string(value) == "null" {
			s.code = 0
			return nil
		}
		code, err := strconv.Atoi(string(value))
		if err != nil {
			return fmt.Errorf("has an err_code of %.20q", value)
		}
		s.code = code
	case "err_msg":
		s.msg = plainText(value)
	}
	return nil
}

func (i *sysinfo) read(scan *scanner) error {
	*i = sysinfo{status: status{seen: true}, children: i.children[:0]}
	return scan.object(2, func(key []byte) error {
		var text, raw *[]byte
		switch string(key) {
		case "alias":
			text = &i.alias
		case "deviceId":
			text = &i.deviceID
		case "model":
			text = &i.model
		case "hw_ver":
			text = &i.hwVer
		case "sw_ver":
			text = &i.swVer
		case "mac":
			text = &i.mac
		case "feature":
			text = &i.feature
		case "relay_state":
			raw = &i.relayState
		case "led_off":
			raw = &i.ledOff
		case "rssi":
			raw = &i.rssi
		case "on_time":
			raw = &i.onTime
		case "children":
			return i.readChildren(scan)
		default:
			return i.member(scan, key, 3)
		}
		return field(scan, 3, text, raw)
	})
}

func (i *sysinfo) readChildren(scan *scanner) error {
	i.children = i.children[:0]
	if !scan.next('[') {
		_, err := scan.value(3)
		return err
	}
	return scan.array(3, func() error {
		if len(i.children) == maxOutlets {
			return fmt.Errorf("lists more than %d outlets", maxOutlets)
		}
		var c child
		err := scan.object(4, func(key []byte) error {
			var text, raw *[]byte
			switch string(key) {
			case "id":
				text = &c.id
			case "alias":
				text = &c.alias
			case "state":
				raw = &c.state
			case "on_time":
				raw = &c.onTime
			}
			return field(scan, 5, text, raw)
		})
		i.children = append(i.children, c)
		return err
	})
}

func (m *realtime) read(scan *scanner) error {
	*m = realtime{status: status{seen: true}}
	return scan.object(2, func(key []byte) error {
		var raw *[]byte
		switch string(key) {
		case "power_mw":
			raw = &m.powerMW
		case "voltage_mv":
			raw = &m.voltageMV
		case "current_ma":
			raw = &m.currentMA
		case "total_wh":
			raw = &m.totalWh
		case "power":
			raw = &m.powerW
		case "voltage":
			raw = &m.voltageV
		case "current":
			raw = &m.currentA
		case "total":
			raw = &m.totalKWh
		default:
			return m.member(scan, key, 3)
		}
		return field(scan, 3, nil, raw)
	})
}

// field consumes a value and keeps it: as text if it is a string and text is
// given, as it stands if raw is given. A null counts as absent.
func field(scan *scanner, depth int, text, raw *[]byte) error {
	value, err := scan.value(depth)
	if err != nil {
		return err
	}
	switch {
	case text != nil:
		*text = plainText(value)
	case raw != nil && string(value) == "null":
		*raw = nil
	case raw != nil:
		*raw = value
	}
	return nil
}

// plainText is the content of a string, and nothing for any other value.
func plainText(value []byte) []byte {
	if len(value) < 2 || value[0] != '"' {
		return nil
	}
	return unquote(value)
}

// failure is the device error that an answer holds for one of its methods, in
// whichever of the three places it stands, or garbage if the method is missing.
func (r *reply) failure(module, method status, name string) error {
	return failure([]status{method, module, r.top}, name)
}

// failure looks at the places of a method's error; the method's own is the first.
func failure(places []status, name string) error {
	for _, s := range places {
		if s.code != 0 {
			return deviceError(s, name)
		}
	}
	if !places[0].seen {
		return garbage("has no %s", name)
	}
	return nil
}

func deviceError(s status, name string) *Error {
	message := fmt.Sprintf("the plug answered %s with error %d", name, s.code)
	if msg := bytes.ToValidUTF8(clip(s.msg), []byte("?")); len(msg) > 0 {
		message += fmt.Sprintf(" (%q)", msg)
	}
	return &Error{Class: ClassDevice, Code: s.code, Message: message + hint(s.code)}
}

// hint explains the codes that have been seen; the maker documents none.
func hint(code int) string {
	switch code {
	case -1, -2:
		return ": this model or firmware does not know the request"
	case -3, -10002:
		return ": it does not take these values"
	case -14:
		return ": it has no such outlet"
	}
	return ""
}
