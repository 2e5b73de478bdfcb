package asyncapi_test

import (
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/bus"
	"github.com/wattline/wattline/openapi/asyncapi/asyncapitest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestTheDescriptionIsValid(t *testing.T) {
	checker, err := filepath.Abs("../../tools/npm/asyncapi.js")
	if err != nil {
		t.Fatal(err)
	}
	if said, err := exec.CommandContext(t.Context(), "node", checker, "asyncapi.yaml").CombinedOutput(); err != nil {
		t.Errorf("%v (make deps provides the parser)\n%s", err, said)
	}
}

// TestTheSchemasAreThoseOfTheTypes holds names and presence of all fields against
// the types that are sent.
func TestTheSchemasAreThoseOfTheTypes(t *testing.T) {
	validator, err := asyncapitest.New()
	if err != nil {
		t.Fatal(err)
	}
	for schema, value := range map[string]any{
		"reading": wattline.Reading{}, "pack": wattline.Pack{}, "state": wattline.State{}, "device": wattline.Device{}, "envelope": wattline.Envelope{},
		"command": wattline.Command{}, "reply": wattline.Reply{}, "result": wattline.Result{}, "stored": wattline.Stored{},
		"presence": wattline.Presence{}, "registering": wattline.RegistryEvent{}, "skew": bus.ClockSkew{},
	} {
		var all, required []string
		for field := range reflect.TypeOf(value).Fields() {
			name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
			if name == "" || name == "-" {
				continue
			}
			all = append(all, name)
			if !strings.Contains(options, "omit") {
				required = append(required, name)
			}
		}
		slices.Sort(all)
		slices.Sort(required)
		properties, must := validator.Fields(schema)
		if diff := cmp.Diff(all, properties); diff != "" {
			t.Errorf("%s: the type (-) and the schema (+) have other fields:\n%s", schema, diff)
		}
		if diff := cmp.Diff(required, must); diff != "" {
			t.Errorf("%s: the type (-) and the schema (+) require others:\n%s", schema, diff)
		}
	}
}
