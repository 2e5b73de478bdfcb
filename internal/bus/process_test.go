package bus_test

import (
	"os/exec"
	"slices"
	"syscall"
	"testing"
	"time"
)

// inOwnGroup makes a shell the leader of a group, so that what it starts can be
// ended with it.
func inOwnGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
}

// endGroup ends a shell and all that it started, without a good-bye.
func endGroup(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if err := cmd.Cancel(); err != nil {
		t.Error(err)
	}
	_ = cmd.Wait() // it was killed
}

// report adds the median and the 99th percentile to a benchmark.
func report(b *testing.B, times []time.Duration) {
	b.Helper()
	slices.Sort(times)
	micros := func(share float64) float64 {
		return float64(times[int(share*float64(len(times)-1))].Microseconds())
	}
	b.ReportMetric(micros(0.5), "p50-µs")
	b.ReportMetric(micros(0.99), "p99-µs")
}
