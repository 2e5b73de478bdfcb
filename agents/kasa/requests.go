package kasa

import "strconv"

// sysinfoRequest is the only one that every model is known to survive.
const sysinfoRequest = `{"system":{"get_sysinfo":{}}}`

// appendReadRequest asks for the sysinfo and, if there is a meter, its values.
func appendReadRequest(dst []byte, outletID string, metered bool) []byte {
	dst = appendContext(dst, outletID)
	dst = append(dst, `"system":{"get_sysinfo":{}}`...)
	if metered {
		dst = append(dst, `,"emeter":{"get_realtime":{}}`...)
	}
	return append(dst, '}')
}

// appendDaysRequest asks for the statistics of a month. The plugs want numbers for
// it, and take but one month at a time.
func appendDaysRequest(dst []byte, outletID string, question daysQuestion) []byte {
	dst = appendContext(dst, outletID)
	if question.clock {
		dst = append(dst, `"time":{"get_time":{},"get_timezone":{}},`...)
	}
	dst = append(dst, `"emeter":{"get_daystat":{"year":`...)
	dst = strconv.AppendInt(dst, int64(question.month.Year), 10)
	dst = append(dst, `,"month":`...)
	dst = strconv.AppendInt(dst, int64(question.month.Month), 10)
	return append(dst, '}', '}', '}')
}

func appendRelayRequest(dst []byte, outletID string, on bool) []byte {
	dst = appendContext(dst, outletID)
	dst = append(dst, `"system":{"set_relay_state":{"state":`...)
	return append(dst, digit(on), '}', '}', '}')
}

// appendLEDRequest says whether the light is to be off, as the plugs have it.
func appendLEDRequest(dst []byte, on bool) []byte {
	dst = append(dst, `{"system":{"set_led_off":{"off":`...)
	return append(dst, digit(!on), '}', '}', '}')
}

// appendContext begins a request for one outlet of a strip. A plain plug must
// not get a context: some crash on it.
func appendContext(dst []byte, outletID string) []byte {
	dst = append(dst, '{')
	if outletID == "" {
		return dst
	}
	dst = append(dst, `"context":{"child_ids":[`...)
	dst = strconv.AppendQuote(dst, outletID)
	return append(dst, "]},"...)
}

func digit(on bool) byte {
	if on {
		return '1'
	}
	return '0'
}
