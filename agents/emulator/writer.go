package emulator

import (
	"encoding/json"
	"strconv"
)

// writer appends JSON. Keys are our own, so they need no escaping; keyOf is for
// those that a client chose.
type writer struct{ b []byte }

func (w *writer) comma() {
	if n := len(w.b); n > 0 && w.b[n-1] != '{' && w.b[n-1] != '[' && w.b[n-1] != ':' {
		w.b = append(w.b, ',')
	}
}

func (w *writer) key(name string) {
	w.comma()
	w.b = append(w.b, '"')
	w.b = append(w.b, name...)
	w.b = append(w.b, '"', ':')
}

func (w *writer) keyOf(name string) {
	w.comma()
	w.quote(name)
	w.b = append(w.b, ':')
}

func (w *writer) open(c byte) {
	w.comma()
	w.b = append(w.b, c)
}

func (w *writer) close(c byte) { w.b = append(w.b, c) }

func (w *writer) int(name string, value int64) {
	w.key(name)
	w.b = strconv.AppendInt(w.b, value, 10)
}

func (w *writer) text(name, value string) {
	w.key(name)
	w.quote(value)
}

func (w *writer) quote(value string) {
	if isPlain(value) {
		w.b = append(w.b, '"')
		w.b = append(w.b, value...)
		w.b = append(w.b, '"')
		return
	}
	quoted, _ := json.Marshal(value) // a string always marshals
	w.b = append(w.b, quoted...)
}

// isPlain: nothing in the text needs escaping.
func isPlain(value string) bool {
	for i := range len(value) {
		if c := value[i]; c < ' ' || c > '~' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			return false
		}
	}
	return true
}

// raw writes a value that is JSON already.
func (w *writer) raw(name, value string) {
	w.key(name)
	w.b = append(w.b, value...)
}

// millionths writes a number with six decimals, as hardware 1 prints all of its
// measurements.
func (w *writer) millionths(name string, value int64) {
	w.key(name)
	if value < 0 {
		w.b = append(w.b, '-')
		value = -value
	}
	w.b = strconv.AppendInt(w.b, value/1_000_000, 10)
	w.b = append(w.b, '.')
	for scale, rest := int64(100_000), value%1_000_000; scale > 0; scale /= 10 {
		w.b = append(w.b, byte('0'+rest/scale%10))
	}
}

// Errors as the plugs number them.
const (
	okCode       = 0
	errModule    = -1
	errMember    = -2
	errArgument  = -3
	errUnknown   = -7
	errTableFull = -10
	errNotSynced = -11
	errNoEntry   = -14
	errNotBound  = -4002
)

func errorText(code int) string {
	switch code {
	case errModule:
		return "module not support"
	case errMember:
		return "member not support"
	case errArgument:
		return "invalid argument"
	case errTableFull:
		return "table is full"
	case errNotSynced:
		return "time not sync"
	case errNoEntry:
		return "entry not exist"
	case errNotBound:
		return "Device hasn't bound to any account yet"
	}
	return "unknown error"
}

// status ends a method's object with its err_code.
func (w *writer) status(code int) {
	w.int("err_code", int64(code))
	if code != okCode {
		w.text("err_msg", errorText(code))
	}
}
