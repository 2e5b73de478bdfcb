package testserver

import (
	"os/exec"
	"path/filepath"
	"testing"
)

// RunningProgram is a process of a test that is none of the servers above, such
// as a role of Wattline. Its methods are safe for concurrent use.
type RunningProgram struct {
	run     *process
	printed output
}

// Program starts cmd, which should come from exec.Command, and stops it at the
// end of the test. What cmd does not send elsewhere, of stdout and stderr, can be
// read by Output and is logged if the test fails. To know when it is ready is
// the caller's business; see Eventually.
func Program(t testing.TB, cmd *exec.Cmd) *RunningProgram {
	t.Helper()
	p := &RunningProgram{}
	if cmd.Stdout == nil {
		cmd.Stdout = &p.printed
	}
	if cmd.Stderr == nil {
		cmd.Stderr = &p.printed
	}
	t.Cleanup(func() {
		p.run.stop()
		p.printed.logIfFailed(t, filepath.Base(cmd.Path))
	})
	run, err := startProcess(cmd)
	if err != nil {
		t.Fatal(err)
	}
	p.run = run
	return p
}

// Output is the end (64 KiB) of what it has printed so far.
func (p *RunningProgram) Output() string { return p.printed.String() }

// Kill ends it as a crash would (SIGKILL) and returns when it is gone.
func (p *RunningProgram) Kill() { p.run.kill() }

// Stop asks it to end (SIGTERM), kills it after half a minute, and returns how it
// ended: nil for status 0.
func (p *RunningProgram) Stop() error {
	p.run.stop()
	return p.run.err
}

// Ended is closed when it has ended, by itself or not.
func (p *RunningProgram) Ended() <-chan struct{} { return p.run.done }
