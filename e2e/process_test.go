package e2e_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/wattline/wattline/internal/testserver"
)

// patience is for whatever should happen soon, on a machine that does other
// things as well.
const patience = 45 * time.Second

// longestCommand is for a command that ends by itself.
const longestCommand = 2 * time.Minute

// wattlineProcess is a process of ours. It must end with status 0 when it is asked to,
// by Stop or by the end of the test.
type wattlineProcess struct {
	*testserver.RunningProgram

	t      *testing.T
	name   string
	cmd    *exec.Cmd
	stdout *lines
	ended  bool
}

// start runs the program with arguments, in a folder. (The test's own context
// ends before the cleanup, and would kill what is to end in good order.)
func start(t *testing.T, folder string, args ...string) *wattlineProcess {
	t.Helper()
	cmd := exec.CommandContext(context.Background(), binary, args...)
	cmd.Dir = folder
	out := &lines{}
	cmd.Stdout = out
	w := &wattlineProcess{t: t, name: strings.Join(args, " "), cmd: cmd, stdout: out, RunningProgram: testserver.Program(t, cmd)}
	t.Cleanup(w.Stop)
	return w
}

// Stop asks it to end, which it must do in good order, and looks through what it
// logged.
func (w *wattlineProcess) Stop() {
	w.t.Helper()
	if w.ended {
		return
	}
	w.ended = true
	w.alive()
	if err := w.RunningProgram.Stop(); err != nil {
		w.t.Errorf("%s ended with %v, want status 0", w.name, err)
	}
	for _, bad := range []string{"panic:", "goroutine 1 [", "test-token-of-no-value", adminToken} {
		if strings.Contains(w.Output(), bad) {
			w.t.Errorf("%s printed %q", w.name, bad)
		}
	}
}

// Kill ends it as a crash would.
func (w *wattlineProcess) Kill() {
	w.ended = true
	w.RunningProgram.Kill()
}

// interrupt presses Ctrl-C, which must end it in good order.
func (w *wattlineProcess) interrupt() {
	w.t.Helper()
	w.signal(syscall.SIGINT)
	select {
	case <-w.Ended():
		w.ended = true
	case <-time.After(patience):
		w.t.Errorf("%s does not end by Ctrl-C", w.name)
	}
	if err := w.RunningProgram.Stop(); err != nil {
		w.t.Errorf("%s ended with %v, want status 0", w.name, err)
	}
}

func (w *wattlineProcess) signal(signal syscall.Signal) {
	w.t.Helper()
	if err := w.cmd.Process.Signal(signal); err != nil {
		w.t.Errorf("%s has ended before it was asked to: %v", w.name, err)
	}
}

// alive fails the test if it has ended by itself.
func (w *wattlineProcess) alive() {
	w.t.Helper()
	select {
	case <-w.Ended():
		w.t.Errorf("%s has ended", w.name)
	default:
	}
}

// soon bounds a command that ends by itself: one that hangs must fail its own
// test, not take the time of all of them.
func soon(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), longestCommand)
	t.Cleanup(cancel)
	return ctx
}

// outcome is how a command ended.
type outcome struct {
	code           int
	stdout, stderr string
}

// run runs the program to its end.
func run(t *testing.T, folder string, args ...string) outcome {
	t.Helper()
	cmd := exec.CommandContext(soon(t), binary, args...)
	cmd.Dir = folder
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("wattline %v: %v", args, err)
	}
	return outcome{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// lines collects what a process prints. Safe for concurrent use.
type lines struct{ testserver.Text }

// whole are the lines that have ended.
func (l *lines) whole() []string {
	text := l.String()
	end := strings.LastIndexByte(text, '\n')
	if end < 0 {
		return nil
	}
	return strings.Split(text[:end], "\n")
}

const hangUp = syscall.SIGHUP

// contains is an error unless a text holds a part.
func contains(text, part string) error {
	if strings.Contains(text, part) {
		return nil
	}
	return fmt.Errorf("%q is not in %.2000q", part, text)
}
