package kasa

import (
	"math/big"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/wattline/wattline"
)

func TestDecimalsAreRoundedByTheirText(t *testing.T) {
	for _, test := range []struct {
		text  string
		shift int
		want  wattline.Milli
	}{
		{"0", fromUnit, 0},
		{"-0.0", fromUnit, 0},
		{"0.928511", fromUnit, 929},
		{"231.067823", fromUnit, 231068},
		{"0.0005", fromUnit, 1},
		{"-0.0005", fromUnit, -1},
		{"0.00049999999999999999999999999", fromUnit, 0},
		{"1.0005", fromUnit, 1001}, // just below half as a float64
		{"55.139000", fromKilo, 55139000},
		{"4.566", fromKilo, 4566000},
		{"16323", fromUnit, 16323000},
		{"61753", fromMilli, 61753},
		{"61753.5", fromMilli, 61754},
		{"6.1753E+4", fromMilli, 61753},
		{"1e-400", fromKilo, 0},
		{"1e-99999999999999999999", fromKilo, 0},
		{"0e99999", fromUnit, 0},
		{strconv.Itoa(int(wattline.MaxMilli / 1000)), fromUnit, wattline.MaxMilli},
	} {
		got, ok := parseDecimal([]byte(test.text), test.shift)
		if !ok || got != test.want {
			t.Errorf("%s by 10^%d is %d, %v; want %d", test.text, test.shift, int64(got), ok, int64(test.want))
		}
	}
}

func TestDecimalsThatAreNoneOrTooLargeAreRefused(t *testing.T) {
	tooLarge := strconv.Itoa(int(wattline.MaxMilli/1000)) + ".001"
	for _, text := range []string{
		"", "-", "null", "true", `"5"`, "NaN", "[1]", "1e400", "-1e400",
		tooLarge, "1e99999999999999999999", strings.Repeat("9", 5000),
	} {
		if got, ok := parseDecimal([]byte(text), fromUnit); ok {
			t.Errorf("%.40s was read as %d", text, int64(got))
		}
	}
}

func TestDecimalsAgreeWithExactArithmetic(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`-?(0|[1-9][0-9]{0,24})(\.[0-9]{1,24})?([eE][+-]?[0-9]{1,2})?`).Draw(t, "text")
		shift := rapid.SampledFrom([]int{fromMilli, fromUnit, fromKilo}).Draw(t, "shift")
		exact, ok := new(big.Rat).SetString(text)
		if !ok {
			t.Fatalf("%s is no number", text)
		}
		exact.Mul(exact, new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(shift)), nil)))
		half := big.NewRat(int64(exact.Sign()), 2)
		exact.Add(exact, half)
		want := new(big.Int).Quo(exact.Num(), exact.Denom()) // towards zero
		fits := new(big.Int).Abs(want).Cmp(big.NewInt(int64(wattline.MaxMilli))) <= 0
		got, ok := parseDecimal([]byte(text), shift)
		if ok != fits || ok && want.Int64() != int64(got) {
			t.Errorf("%s by 10^%d is %d, %v; want %v, %v", text, shift, int64(got), ok, want, fits)
		}
	})
}
