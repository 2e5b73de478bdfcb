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

// source is the beginning of every query: some devices of a measurement of a
// bucket in [from, to), in a form that the storage engine filters itself.
type source struct {
	bucket, measurement string
	devices             []string
	from, to            time.Time
}

// fields is the source with only these fields. Devices are matched by one
// expression, because comparisons of more than a few hundred are nested too deep
// for Flux; ids hold nothing that is special there but the dot.
func (s source) fields(names ...string) string {
	conditions := make([]string, len(names))
	for i, name := range names {
		conditions[i] = "r._field == " + quote(name)
	}
	devices := strings.ReplaceAll(strings.Join(s.devices, "|"), ".", `\.`)
	return fmt.Sprintf("from(bucket: %s) |> range(start: %s, stop: %s) |> filter(fn: (r) => r._measurement == %s and r.device =~ /^(%s)$/ and (%s))",
		quote(s.bucket), instant(s.from), instant(s.to), quote(s.measurement), devices, strings.Join(conditions, " or "))
}

// raw is the readings of some devices.
func (s *Store) raw(devices []string, from, to time.Time) source {
	return source{s.options.Bucket, measurement, devices, from, to}
}

// kept are the columns of an answer that are looked at: each one more costs the
// server and the reader.
const kept = ` |> keep(columns: ["_time", "_value", "_field", "device"])`

// whole filters the rows that have all fields.
func whole() string {
	var names []string
	for _, field := range fields() {
		names = append(names, "exists r."+field)
	}
	return " |> filter(fn: (r) => " + strings.Join(names, " and ") + ")"
}
