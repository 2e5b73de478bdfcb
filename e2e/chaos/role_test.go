package chaos_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/wattline/wattline/e2e/chaos/truth"
	"github.com/wattline/wattline/internal/testserver"
)

// role is one process of Wattline. Its log goes into a file, over all its lives.
type role struct {
	t        *testing.T
	name     string
	binary   string
	dir      string
	roles    []string
	settings []string

	cmd *exec.Cmd
	run *testserver.RunningProgram // nil while it is down on purpose
}

func (r *role) logFile() string { return filepath.Join(filepath.Dir(r.dir), r.name+".log") }

func (r *role) start() {
	r.t.Helper()
	log, err := os.OpenFile(r.logFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		r.t.Fatal(err)
	}
	defer log.Close()
	r.cmd = exec.CommandContext(context.Background(), r.binary, append(append([]string{"run"}, r.roles...), "-c", "wattline.yaml")...)
	r.cmd.Dir, r.cmd.Stdout, r.cmd.Stderr = r.dir, log, log
	r.run = testserver.Program(r.t, r.cmd)
}

func (r *role) kill() {
	r.run.Kill()
	r.run = nil
}

// stop ends it in good order, which must succeed.
func (r *role) stop() {
	r.t.Helper()
	if err := r.run.Stop(); err != nil {
		r.t.Errorf("%s ended with %v when it was asked to, want status 0", r.name, err)
	}
	r.run = nil
}

// ended is an error if the process has ended by itself.
func (r *role) ended() error {
	if r.run == nil {
		return nil
	}
	select {
	case <-r.run.Ended():
		return fmt.Errorf("%s has ended: %s", r.name, r.lastWords())
	default:
		return nil
	}
}

func (r *role) lastWords() string {
	log, err := os.ReadFile(r.logFile())
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(log)), "\n")
	return lines[len(lines)-1]
}

// admissions is when a collector said in its log of a device that it does not
// answer, until it said that it answers again.
func (r *role) admissions() map[string][]truth.Span {
	r.t.Helper()
	log, err := os.ReadFile(r.logFile())
	if err != nil {
		r.t.Fatal(err)
	}
	spans := map[string][]truth.Span{}
	said := regexp.MustCompile(`(?m)^time=(\S+) .*msg="device (does not answer|answers again)".* device=(\S+)`)
	for _, found := range said.FindAllStringSubmatch(string(log), -1) {
		at, err := time.Parse(time.RFC3339Nano, found[1])
		if err != nil {
			r.t.Fatal(err)
		}
		of := spans[found[3]]
		if len(of) > 0 && found[2] == "answers again" {
			of[len(of)-1].To = at
		} else {
			spans[found[3]] = append(of, truth.Span{From: at, To: at})
		}
	}
	return spans
}

// configure writes the configuration, so that a process which reads it meanwhile
// sees the old one or the new one.
func (r *role) configure() {
	r.t.Helper()
	r.write("new.yaml", strings.Join(r.settings, "\n")+"\n")
	if err := os.Rename(filepath.Join(r.dir, "new.yaml"), filepath.Join(r.dir, "wattline.yaml")); err != nil {
		r.t.Fatal(err)
	}
}

func (r *role) write(name, text string) {
	r.t.Helper()
	if err := os.WriteFile(filepath.Join(r.dir, name), []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

// hangUp has it read its configuration anew, if it runs.
func (r *role) hangUp() {
	if r.run != nil {
		_ = r.cmd.Process.Signal(syscall.SIGHUP) // it may just have ended, and reads it when it starts
	}
}
