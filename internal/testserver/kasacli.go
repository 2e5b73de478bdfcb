package testserver

import (
	"context"
	"os"
	"os/exec"
	"testing"
	"time"
)

const kasaCLIPatience = 30 * time.Second

// KasaCLI runs the command-line client of the npm package tplink-smarthome-api,
// for example with "getSysInfo", "127.0.0.1:9999", and returns all that it
// printed. It ends with status 0 whatever happens: assert on the output.
func KasaCLI(t testing.TB, args ...string) string {
	t.Helper()
	node, script, err := findNPM("node_modules/tplink-smarthome-api/lib/cli.js")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), kasaCLIPatience)
	defer cancel()
	cmd := exec.CommandContext(ctx, node, append([]string{script, "-c", "off"}, args...)...)
	cmd.Env = append(os.Environ(), "NO_COLOR=1")
	printed, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("tplink-smarthome-api %q: %v\n%s", args, err, printed)
	}
	return string(printed)
}
