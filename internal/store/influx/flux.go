package influx

import (
	"fmt"
	"strings"
	"time"
)

// quote makes a Flux string literal of any text. Flux takes \", \\ and ${ apart;
// control characters and what is not UTF-8 are written as bytes.
func quote(text string) string {
	var literal strings.Builder
	literal.WriteByte('"')
	for i := range len(text) {
		switch c := text[i]; {
		case c == '"', c == '\\':
			literal.WriteByte('\\')
			literal.WriteByte(c)
		case c == '$' || c < ' ' || c >= 0x7f:
			fmt.Fprintf(&literal, `\x%02x`, c)
		default:
			literal.WriteByte(c)
		}
	}
	literal.WriteByte('"')
	return literal.String()
}

// instant is a Flux time literal.
func instant(at time.Time) string { return at.UTC().Format(time.RFC3339Nano) }

// source is the beginning of every query: some devices of the bucket in
// [from, to), in a form that the storage engine filters itself.
func (s *Store) source(devices []string, from, to time.Time) string {
	names := make([]string, len(devices))
	for i, device := range devices {
		names[i] = "r.device == " + quote(device)
	}
	return fmt.Sprintf("from(bucket: %s) |> range(start: %s, stop: %s) |> filter(fn: (r) => r._measurement == %s and (%s))",
		quote(s.options.Bucket), instant(from), instant(to), quote(measurement), strings.Join(names, " or "))
}

// ofFields filters the fields.
func ofFields(fields ...string) string {
	names := make([]string, len(fields))
	for i, field := range fields {
		names[i] = "r._field == " + quote(field)
	}
	return " |> filter(fn: (r) => " + strings.Join(names, " or ") + ")"
}

// whole filters the rows that have all fields.
func whole() string {
	var names []string
	for _, field := range fields() {
		names = append(names, "exists r."+field)
	}
	return " |> filter(fn: (r) => " + strings.Join(names, " and ") + ")"
}
