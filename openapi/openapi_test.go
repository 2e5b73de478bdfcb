package openapi_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"github.com/wattline/wattline/openapi/openapitest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestTheDescriptionIsValidAndItsOperationsAreNamed(t *testing.T) {
	validator, err := openapitest.New()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]string{}
	for _, operation := range validator.Operations() {
		where := operation.Method + " " + operation.Path
		if operation.ID == "" {
			t.Errorf("%s has no operation id", where)
		}
		if other, twice := seen[operation.ID]; twice {
			t.Errorf("%s and %s are both called %s", where, other, operation.ID)
		}
		seen[operation.ID] = where
	}
	if len(seen) == 0 {
		t.Error("the description has no operations")
	}
}

func TestEveryAnswerIsShownByAnExample(t *testing.T) {
	validator, err := openapitest.New()
	if err != nil {
		t.Fatal(err)
	}
	for _, answer := range validator.WithoutExample() {
		t.Errorf("%s has no example: bring it about in the tests of api, then make examples openapi", answer)
	}
}

func TestTheGeneratedFilesAreUpToDate(t *testing.T) {
	out := t.TempDir()
	generate := exec.CommandContext(t.Context(), "./generate.sh", out)
	if said, err := generate.CombinedOutput(); err != nil {
		t.Fatalf("openapi/generate.sh: %v\n%s", err, said)
	}
	for _, file := range []string{"openapi/openapi.json", "docs/rest.md", "client/client.gen.go"} {
		want, err := os.ReadFile(filepath.Join(out, file))
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Join("..", file))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is out of date: run make openapi", file)
		}
	}
}
