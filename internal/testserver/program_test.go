package testserver_test

import (
	"errors"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/wattline/wattline/internal/testserver"
)

func TestProgram(t *testing.T) {
	t.Parallel()

	t.Run("is stopped in good order", func(t *testing.T) {
		t.Parallel()
		program := testserver.Program(t, exec.CommandContext(t.Context(), "sh", "-c", "trap 'echo bye; exit 3' TERM; echo hello; while :; do sleep 0.01; done"))
		testserver.Eventually(t, 10*time.Second, func() error {
			if !strings.Contains(program.Output(), "hello") {
				return errors.New("it has not said hello")
			}
			return nil
		})
		var exit *exec.ExitError
		if err := program.Stop(); !errors.As(err, &exit) || exit.ExitCode() != 3 {
			t.Errorf("it ended with %v, want status 3", err)
		}
		if !strings.Contains(program.Output(), "bye") {
			t.Errorf("it printed %q", program.Output())
		}
	})

	t.Run("is killed", func(t *testing.T) {
		t.Parallel()
		program := testserver.Program(t, exec.CommandContext(t.Context(), "sleep", "600"))
		program.Kill()
		<-program.Ended()
	})

	t.Run("may end by itself", func(t *testing.T) {
		t.Parallel()
		program := testserver.Program(t, exec.CommandContext(t.Context(), "true"))
		<-program.Ended()
		if err := program.Stop(); err != nil {
			t.Errorf("it ended with %v, want success", err)
		}
	})
}
