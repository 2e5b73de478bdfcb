package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wattline/wattline/internal/config"
)

func TestAMapFile(t *testing.T) {
	load := func(t *testing.T, text string) (map[string]config.Place, error) {
		t.Helper()
		path := filepath.Join(t.TempDir(), "map.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return config.LoadPlaces(path)
	}
	t.Run("gives ids another device, place or kind", func(t *testing.T) {
		got, err := load(t, "# the office\nsp_w.r1.c1: {device: desk-1, location: hq/f1, kind: desk}\n\"SP Q9\": {device: q9}\n")
		want := map[string]config.Place{"sp_w.r1.c1": {Device: "desk-1", Location: "hq/f1", Kind: "desk"}, "SP Q9": {Device: "q9"}}
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Error(diff, err)
		}
	})
	for name, c := range map[string]struct{ text, says string }{
		"with a mistyped key":    {"sp_g0: {devce: x}", `line 1: unknown key "devce"; did you mean "device"?`},
		"with a bad device":      {"sp_g0: {device: A B}", "sp_g0.device must be"},
		"with a bad location":    {"sp_g0: {location: /x}", "sp_g0.location must be"},
		"with a bad kind":        {"sp_g0: {kind: X}", "sp_g0.kind must be"},
		"with an id twice":       {"sp_g0: {kind: x}\nsp_g0: {kind: y}", "line 2"},
		"that is a list":         {"- sp_g0", "line 1"},
		"with a second one":      {"a: {kind: x}\n---\nb: {kind: y}", "second document"},
		"with something strange": {"a: !!set [x]", "line 1"},
	} {
		t.Run("is refused "+name, func(t *testing.T) {
			if _, err := load(t, c.text); err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v", err)
			}
		})
	}
	t.Run("may be empty", func(t *testing.T) {
		if got, err := load(t, "# nothing\n"); err != nil || len(got) != 0 {
			t.Error(got, err)
		}
	})
	t.Run("must be there", func(t *testing.T) {
		if _, err := config.LoadPlaces("no/such/file.yaml"); err == nil || !strings.Contains(err.Error(), "map file") {
			t.Error(err)
		}
	})
}
