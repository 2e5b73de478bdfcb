package influx

import (
	"strings"
	"testing"
)

func TestQuoteLetsNothingOut(t *testing.T) {
	for text, want := range map[string]string{
		"desk-1":          `"desk-1"`,
		`a"b`:             `"a\"b"`,
		`a\`:              `"a\\"`,
		"${r.device}":     `"\x24{r.device}"`,
		"a\nb":            `"a\x0ab"`,
		`") |> drop() //`: `"\") |> drop() //"`,
	} {
		if got := quote(text); got != want {
			t.Errorf("%q became %s", text, got)
		}
	}
}

func FuzzQuote(f *testing.F) {
	f.Add(`") |> yield()`)
	f.Add("\\")
	f.Fuzz(func(t *testing.T, text string) {
		literal := quote(text)
		inner := literal[1 : len(literal)-1]
		for i := 0; i < len(inner); i++ {
			switch {
			case inner[i] == '\\' && i+1 < len(inner):
				i++
			case inner[i] == '"' || inner[i] == '\\':
				t.Fatalf("%q became %s, which ends early", text, literal)
			}
		}
		if strings.Contains(inner, "${") || strings.ContainsAny(inner, "\n\r\x00") {
			t.Fatalf("%q became %s", text, literal)
		}
	})
}
