package wattline

import (
	"errors"
	"math"
	"strconv"
)

// Milli is a quantity in whole thousandths of its unit: milliwatts for a field
// named …W, millivolts for …V, milliamperes for …A, milliwatt-hours for …Wh,
// milliseconds for …S. In JSON it is the plain decimal in the unit itself, with
// up to three decimals: Milli(61753) is 61.753.
type Milli int64

// MaxMilli bounds what a Milli may hold, so that it comes back from its value in the
// unit as a float64 to the last thousandth (below 2^42 units the rounding of both ways
// together stays under half of one), and sums of many do not overflow.
const MaxMilli Milli = 4_000_000_000_000_000

var errNotNumber = errors.New("must be a finite decimal number")

// MilliOf rounds a value in the unit to the nearest thousandth, half away from
// zero. NaN, infinities and magnitudes beyond MaxMilli are errors.
func MilliOf(value float64) (Milli, error) {
	scaled := math.Round(value * 1000)
	if math.IsNaN(scaled) || math.Abs(scaled) > float64(MaxMilli) {
		return 0, errNotNumber
	}
	return Milli(scaled), nil
}

// ParseMilli reads a decimal number in the unit, such as "61.753" or "6.1e1".
// More than three decimals are rounded to the nearest thousandth.
func ParseMilli(text string) (Milli, error) {
	value, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return 0, errNotNumber
	}
	return MilliOf(value)
}

// Float is the value in the unit itself: watts, volts, watt-hours.
func (m Milli) Float() float64 { return float64(m) / 1000 }

// String is the shortest exact decimal, such as "61.753", "-0.5" or "16323".
func (m Milli) String() string { return string(m.Append(nil)) }

// Append appends what String gives.
func (m Milli) Append(dst []byte) []byte {
	magnitude := uint64(m)
	if m < 0 {
		dst = append(dst, '-')
		magnitude = -magnitude
	}
	dst = strconv.AppendUint(dst, magnitude/1000, 10)
	fraction := magnitude % 1000
	if fraction == 0 {
		return dst
	}
	dst = append(dst, '.', byte('0'+fraction/100), byte('0'+fraction/10%10), byte('0'+fraction%10))
	for dst[len(dst)-1] == '0' {
		dst = dst[:len(dst)-1]
	}
	return dst
}

// MarshalJSON writes the decimal number.
func (m Milli) MarshalJSON() ([]byte, error) { return m.Append(nil), nil }

// UnmarshalJSON reads a JSON number. A string, a boolean or null is an error: a
// quantity that is not there is never zero.
func (m *Milli) UnmarshalJSON(data []byte) error {
	if len(data) == 0 || data[0] != '-' && (data[0] < '0' || data[0] > '9') {
		return errNotNumber
	}
	parsed, err := ParseMilli(string(data))
	if err != nil {
		return err
	}
	*m = parsed
	return nil
}

var errTooLarge = errors.New("is too large to be kept exactly")

// check is errTooLarge for what came from elsewhere than a text or a float.
func (m Milli) check() error {
	if m < -MaxMilli || m > MaxMilli {
		return errTooLarge
	}
	return nil
}
