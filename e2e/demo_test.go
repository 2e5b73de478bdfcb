package e2e_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/testserver"
)

func TestDemo(t *testing.T) {
	t.Parallel()
	folder, listen := t.TempDir(), freeAddr(t)
	a := api{t, "http://" + listen, adminToken}
	admit(t, filepath.Join(folder, "office"))
	demo := func() (*wattlineProcess, wattline.Reading) {
		began := time.Now()
		w := start(t, folder, "demo", "--listen", listen, "--data", "office")
		var first wattline.FreshState
		testserver.Eventually(t, patience, func() error {
			if err := a.tryGet("/api/v1/devices/desk-1/state", &first); err != nil {
				return err
			}
			if first.Reading == nil || first.Reading.Time.Before(began.Truncate(time.Millisecond)) {
				return fmt.Errorf("no reading yet: %+v", first)
			}
			return nil
		})
		t.Logf("first reading served %v after the start of the process", time.Since(began).Round(time.Millisecond))
		testserver.Eventually(t, patience, func() error { return contains(w.stdout.String(), "Ctrl-C stops it") })
		return w, *first.Reading
	}
	w, first := demo()

	t.Run("it prints where it is and three lines that work as they are", func(t *testing.T) {
		printed := w.stdout.String()
		if err := contains(printed, "http://"+listen+"/docs"); err != nil {
			t.Error(err)
		}
		var answers []map[string]any
		for line := range strings.Lines(printed) {
			if line = strings.TrimSpace(line); strings.HasPrefix(line, "curl ") {
				answers = append(answers, sh(t, line))
			}
		}
		if len(answers) != 3 {
			t.Fatalf("%d curl lines in %s", len(answers), printed)
		}
		if printers, ok := answers[0]["devices"].([]any); !ok || len(printers) != 2 {
			t.Errorf("the printers are %v", answers[0])
		}
		if answers[1]["reading"] == nil {
			t.Errorf("the state is %v", answers[1])
		}
		if answers[2]["outcome"] != "done" || answers[2]["relay"] != "off" {
			t.Errorf("the switched relay is %v", answers[2])
		}
		if got := (api{t, a.base, adminToken}).state("desk-1").State.Relay; got != wattline.RelayOff {
			t.Errorf("the relay is %s afterwards", got)
		}
	})

	t.Run("the office is whole, and the pages are there", func(t *testing.T) {
		a := api{t, a.base, adminToken}
		testserver.Eventually(t, patience, func() error {
			if up := len(a.devices("?state=up")); up != 24 {
				return fmt.Errorf("%d plugs of 24 are up", up)
			}
			return nil
		})
		kinds := map[string]bool{}
		for _, d := range a.devices("") {
			kinds[d.Kind] = true
		}
		for _, kind := range []string{"workstation", "meeting-room", "printer"} {
			if !kinds[kind] {
				t.Errorf("there is no %s among %v", kind, kinds)
			}
		}
		testserver.Eventually(t, patience, func() error { return a.tryGet("/-/ready", nil) })
		for _, page := range []string{"/docs", "/api/v1/openapi.json", "/metrics", "/-/healthy"} {
			if got, err := a.send("GET", page, ""); err != nil || got.status != 200 || len(got.body) == 0 {
				t.Errorf("GET %s: status %d, %v", page, got.status, err)
			}
		}
	})

	t.Run("an export that broke off goes on after its last whole line", func(t *testing.T) {
		files := t.TempDir()
		query := fmt.Sprintf("from=-1h&to=%s", wattline.At(time.Now()))
		take := func(script, query, file string) string {
			command := exec.CommandContext(soon(t), "sh", "../docs/examples/"+script, query, filepath.Join(files, file))
			command.Env = append(os.Environ(), "WATTLINE="+a.base, "WATTLINE_TOKEN="+adminToken)
			if printed, err := command.CombinedOutput(); err != nil {
				t.Fatalf("%s %s: %v: %s", script, query, err, printed)
			}
			text, err := os.ReadFile(filepath.Join(files, file))
			if err != nil {
				t.Fatal(err)
			}
			return string(text)
		}
		whole := ""
		testserver.Eventually(t, patience, func() error { // the last ones are still on their way into the store
			before := whole
			if whole = take("take-out.sh", "readings?format=csv&"+query, "whole.csv"); whole != before || strings.Count(whole, "\n") < 10 {
				return fmt.Errorf("%d bytes, before that %d", len(whole), len(before))
			}
			return nil
		})
		for _, cut := range []int{10, len(whole) / 3, len(whole) * 2 / 3, len(whole) - 1, len(whole)} {
			if err := os.WriteFile(filepath.Join(files, "part.csv"), []byte(whole[:cut]), 0o600); err != nil {
				t.Fatal(err)
			}
			if got := take("take-out-resumed.sh", query, "part.csv"); got != whole {
				t.Errorf("after %d of %d bytes: %d bytes in the end", cut, len(whole), len(got))
			}
		}
	})

	t.Run("it ends by Ctrl-C and goes on with its data", func(t *testing.T) {
		kept := a.eventuallyReading("desk-1", "stored", first.Time.Time, func(r wattline.Reading) bool { return r.Time == first.Time })
		w.interrupt()
		_, again := demo()
		found := a.eventuallyReading("desk-1", "kept", first.Time.Time, func(r wattline.Reading) bool { return r.Time == first.Time })
		if found != kept {
			t.Errorf("the first reading was %+v and is %+v", kept, found)
		}
		if again.EnergyWh < first.EnergyWh {
			t.Errorf("the counter fell from %v to %v over the restart", first.EnergyWh, again.EnergyWh)
		}
		if again.Relay != wattline.RelayOff {
			t.Error("the relay that was switched off is on again")
		}
	})
}

// sh runs a command as somebody would who copied it, and decodes the JSON that
// it prints.
func sh(t *testing.T, line string) map[string]any {
	t.Helper()
	printed, err := exec.CommandContext(soon(t), "sh", "-c", line).Output()
	if err != nil {
		t.Fatalf("%s: %v (curl missing? apt-get install curl): %s", line, err, printed)
	}
	var answer map[string]any
	if err := json.Unmarshal(printed, &answer); err != nil {
		t.Fatalf("%s printed %.300q: %v", line, printed, err)
	}
	return answer
}
