// Package e2e runs the whole of Wattline as its users do: the built program, real
// brokers and stores, independent plugs and clients, and nothing of its inside.
package e2e_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"github.com/wattline/wattline/internal/testserver"
)

var influx testserver.SharedInflux

// binary is the program under test, built once for all tests.
var binary string

// builtVersion is what the linker is told, as make build does.
const builtVersion = "v0.0.0-e2e"

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(influx.Around(built{m}))
}

// built builds the program, runs the tests and removes it.
type built struct{ m testserver.Main }

func (b built) Run() int {
	folder, err := os.MkdirTemp("", "wattline-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(folder) }()
	binary = filepath.Join(folder, "wattline")
	build := exec.CommandContext(context.Background(), "go", "build", "-buildvcs=false", "-ldflags", "-X main.version="+builtVersion, "-o", binary, "../cmd/wattline")
	if printed, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build the program: %v\n%s", err, printed)
		return 1
	}
	return b.m.Run()
}
