package openapi_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestAnotherValidatorFindsNoFault looks at the examples too.
func TestAnotherValidatorFindsNoFault(t *testing.T) {
	spectral := exec.CommandContext(t.Context(), "../tools/npm/node_modules/.bin/spectral", "lint", "--ruleset", "../tools/npm/spectral.yaml", "openapi.json")
	if said, err := spectral.CombinedOutput(); err != nil {
		t.Errorf("%v (make deps provides spectral)\n%s", err, said)
	}
}

func TestNothingThatWasReleasedIsBroken(t *testing.T) {
	if said, err := exec.CommandContext(t.Context(), "./breaking.sh").CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, said)
	}
}

func TestWhatBreaksClientsIsFound(t *testing.T) {
	released, err := os.ReadFile("released.json")
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]struct{ was, is, told string }{
		"a path":               {`"/api/v1/devices/{id}/relay"`, `"/api/v1/devices/{id}/switch"`, "/api/v1/devices/{id}/relay"},
		"an operation's name":  {`"operationId": "putRelay"`, `"operationId": "switchRelay"`, "putRelay"},
		"a value of an answer": {`"current_a"`, `"current_amperes"`, "current_a"},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "openapi.json")
			if err := os.WriteFile(file, bytes.ReplaceAll(released, []byte(change.was), []byte(change.is)), 0o600); err != nil {
				t.Fatal(err)
			}
			said, err := exec.CommandContext(t.Context(), "./breaking.sh", file).CombinedOutput()
			if err == nil || !bytes.Contains(said, []byte(change.told)) {
				t.Errorf("%v\n%s", err, said)
			}
		})
	}
}
