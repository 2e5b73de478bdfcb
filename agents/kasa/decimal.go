package kasa

import "github.com/wattline/wattline"

const (
	maxMantissaDigits = 19 // all of them fit a uint64
	maxExponent       = 10_000
)

// Powers of ten by which the plugs' units are turned into thousandths.
const (
	fromMilli = 0 // mW, mV, mA
	fromUnit  = 3 // W, V, A, Wh
	fromKilo  = 6 // kWh
)

// parseDecimal reads a JSON number times ten to the shift, rounded to a whole,
// half away from zero. It goes by the decimal text, so 0.0005 is exactly that.
// What is no number, or beyond wattline.MaxMilli, is not ok.
func parseDecimal(text []byte, shift int) (value wattline.Milli, ok bool) {
	negative := len(text) > 0 && text[0] == '-'
	if negative {
		text = text[1:]
	}
	if len(text) == 0 || !isDigit(text[0]) {
		return 0, false
	}
	mantissa, exponent := splitDecimal(text)
	magnitude, ok := scale(mantissa, exponent+shift)
	if !ok || magnitude > uint64(wattline.MaxMilli) {
		return 0, false
	}
	value = wattline.Milli(magnitude)
	if negative {
		value = -value
	}
	return value, true
}

// splitDecimal gives text as mantissa × 10^exponent. Digits past the nineteenth
// are cut off, which half away from zero cannot tell from having them.
func splitDecimal(text []byte) (mantissa uint64, exponent int) {
	digits, inFraction, i := 0, false, 0
	for ; i < len(text); i++ {
		c := text[i]
		if c == '.' {
			inFraction = true
			continue
		}
		if !isDigit(c) {
			break
		}
		kept := digits < maxMantissaDigits
		if kept {
			mantissa = mantissa*10 + uint64(c-'0')
			if mantissa > 0 {
				digits++
			}
		}
		if kept && inFraction {
			exponent--
		}
		if !kept && !inFraction {
			exponent++
		}
	}
	return mantissa, exponent + parseExponent(text[i:])
}

func parseExponent(text []byte) int {
	if len(text) == 0 {
		return 0
	}
	negative, exponent := false, 0
	for _, c := range text[1:] { // text[0] is e or E
		switch {
		case c == '-':
			negative = true
		case isDigit(c) && exponent < maxExponent:
			exponent = exponent*10 + int(c-'0')
		}
	}
	if negative {
		return -exponent
	}
	return exponent
}

func scale(mantissa uint64, exponent int) (value uint64, ok bool) {
	if mantissa == 0 {
		return 0, true
	}
	for ; exponent > 0; exponent-- {
		if mantissa > uint64(wattline.MaxMilli) {
			return 0, false
		}
		mantissa *= 10
	}
	if exponent < -maxMantissaDigits {
		return 0, true
	}
	divisor := uint64(1)
	for ; exponent < 0; exponent++ {
		divisor *= 10
	}
	quotient, rest := mantissa/divisor, mantissa%divisor
	if rest >= divisor-rest {
		quotient++
	}
	return quotient, true
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }
