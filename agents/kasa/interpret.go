package kasa

import (
	"bytes"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/wattline/wattline"
)

// maxText bounds every text that is kept of a plug.
const maxText = 255

// appendIdentity appends what makes up an Info, as the plug sent it, so that an
// unchanged identity is recognised without making one anew on every poll.
func (i *sysinfo) appendIdentity(dst []byte) []byte {
	for _, text := range [...][]byte{i.alias, i.deviceID, i.model, i.hwVer, i.swVer, i.mac, i.feature} {
		dst = append(append(dst, text...), 0)
	}
	dst = append(dst, strconv.FormatBool(i.ledOff != nil)...)
	for _, c := range i.children {
		dst = append(append(dst, c.id...), 0)
		dst = append(append(dst, c.alias...), 0)
	}
	return dst
}

func (i *sysinfo) info() *Info {
	info := &Info{
		DeviceID:        keep(i.deviceID),
		Alias:           keep(i.alias),
		Model:           keep(i.model),
		HardwareVersion: keep(i.hwVer),
		Firmware:        keep(i.swVer),
		MAC:             strings.ReplaceAll(strings.ToUpper(keep(i.mac)), "-", ":"),
		HasMeter:        hasFeature(i.feature, "ENE"),
		HasLED:          i.ledOff != nil,
	}
	for _, c := range i.children {
		id := keep(c.id)
		if len(id) == outletSuffix { // some strips list the suffix alone
			id = info.DeviceID + id
		}
		info.Outlets = append(info.Outlets, Outlet{ID: id, Alias: keep(c.alias)})
	}
	return info
}

// hasFeature looks for a word in a list such as "TIM:ENE".
func hasFeature(list []byte, word string) bool {
	for feature := range bytes.SplitSeq(list, []byte(":")) {
		if string(feature) == word {
			return true
		}
	}
	return false
}

// keep copies a text out of the answer, bounded, valid and of one line.
func keep(text []byte) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r // U+FFFD for each byte that is not UTF-8
	}, string(clip(text)))
}

func clip(text []byte) []byte {
	if len(text) <= maxText {
		return text
	}
	end := maxText
	for end > maxText-utf8.UTFMax && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end]
}

// place is where in a strip an outlet is; index -1 and no id for a plain plug.
type place struct {
	index int
	id    string
}

// outlet finds an outlet by its whole id or its last two digits. It refuses a
// strip without an outlet, for a command would go to all of them.
func (i *Info) outlet(name string) (place, error) {
	if len(i.Outlets) == 0 {
		if name != "" {
			return place{}, unsupported("%s has no outlets: take the /%s off its address", i.describe(), name)
		}
		return place{index: -1}, nil
	}
	if name == "" {
		return place{}, unsupported("%s is a strip: add the outlet to its address (%s)", i.describe(), i.outletNames())
	}
	for index, outlet := range i.Outlets {
		if strings.EqualFold(outlet.ID, name) || len(name) == outletSuffix && strings.EqualFold(outlet.suffix(), name) {
			return place{index, outlet.ID}, nil
		}
	}
	return place{}, unsupported("%s has no outlet /%s (it has %s)", i.describe(), name, i.outletNames())
}

func (i *Info) describe() string {
	if i.Model == "" {
		return "this plug"
	}
	return "this " + i.Model
}

func (i *Info) outletNames() string {
	names := make([]string, len(i.Outlets))
	for n, outlet := range i.Outlets {
		names[n] = "/" + outlet.suffix()
	}
	return strings.Join(names, ", ")
}

func (o Outlet) suffix() string { return o.ID[max(0, len(o.ID)-outletSuffix):] }

// measure reads relay, light and the rest out of a sysinfo, for the outlet at
// that index of its children, or for the plug itself if it is negative.
func (i *sysinfo) measure(outlet int) (m Measurement, err error) {
	state, onTime, name := i.relayState, i.onTime, "relay_state"
	if outlet >= 0 {
		state, onTime, name = i.children[outlet].state, i.children[outlet].onTime, "state of its outlet"
	}
	switch string(state) {
	case "1":
		m.Relay = wattline.RelayOn
	case "0":
		m.Relay = wattline.RelayOff
	case "":
		return m, garbage("has no %s: this is no plug", name)
	default:
		return m, garbage("has a %s of %.20q instead of 0 or 1", name, state)
	}
	switch string(i.ledOff) {
	case "1":
		m.LED = wattline.RelayOff
	case "0":
		m.LED = wattline.RelayOn
	}
	m.RSSIdBm = int(whole(i.rssi, -math.MaxInt16, math.MaxInt16))
	m.OnTime = time.Duration(whole(onTime, 0, math.MaxInt32)) * time.Second
	return m, nil
}

// whole is a whole number within bounds, or 0: for what may be missing.
func whole(value []byte, lowest, highest int64) int64 {
	n, err := strconv.ParseInt(string(value), 10, 64)
	if err != nil || n < lowest || n > highest {
		return 0
	}
	return n
}

// meter reads the four quantities, each in the dialect whose key is there.
func (m *realtime) meter() (*Meter, error) {
	var meter Meter
	for _, quantity := range [...]struct {
		name          string
		dst           *wattline.Milli
		newer, older  []byte
		scaleN, scale int
	}{
		{"power", &meter.PowerW, m.powerMW, m.powerW, fromMilli, fromUnit},
		{"voltage", &meter.VoltageV, m.voltageMV, m.voltageV, fromMilli, fromUnit},
		{"current", &meter.CurrentA, m.currentMA, m.currentA, fromMilli, fromUnit},
		{"total", &meter.TotalWh, m.totalWh, m.totalKWh, fromUnit, fromKilo},
	} {
		text, shift := quantity.newer, quantity.scaleN
		if text == nil {
			text, shift = quantity.older, quantity.scale
		}
		if text == nil {
			return nil, garbage("has no %s in get_realtime", quantity.name)
		}
		value, ok := parseDecimal(text, shift)
		if !ok {
			return nil, garbage("has a %s of %.20q in get_realtime, which is no number it can have", quantity.name, text)
		}
		*quantity.dst = value
	}
	return &meter, nil
}
