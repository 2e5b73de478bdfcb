package testserver

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"
)

var errEnded = errors.New("it ended before it was ready")

// stopPatience is more than a gateway gives those it still answers, and a bus
// after that those who wait for replies.
const stopPatience = 30 * time.Second

// process is one run of a server. Its own goroutine waits for its end.
type process struct {
	running *os.Process
	done    chan struct{} // closed when the process has ended and was waited for
	err     error         // how it ended; to be read after done
}

// startProcess runs cmd, whose Stdout and Stderr are the caller's to set.
func startProcess(cmd *exec.Cmd) (*process, error) {
	cmd.WaitDelay = time.Second // for pipes that a grandchild keeps open
	dieWithParent(cmd)
	p := &process{done: make(chan struct{})}
	started := make(chan error)
	go func() {
		// The kernel takes the end of the starting thread for the end of the parent.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(p.done)
		if err := cmd.Start(); err != nil {
			started <- err
			return
		}
		p.running = cmd.Process
		started <- nil
		p.err = cmd.Wait()
	}()
	if err := <-started; err != nil {
		<-p.done
		return nil, fmt.Errorf("start %s: %w", cmd.Path, err)
	}
	return p, nil
}

// kill ends the process at once, as a crash would. It may have ended before.
func (p *process) kill() {
	if p == nil {
		return
	}
	_ = p.running.Kill() // fails only if it has ended
	<-p.done
}

// stop asks the process to end, and kills it if it does not. It may have ended before.
func (p *process) stop() {
	if p == nil {
		return
	}
	_ = p.running.Signal(syscall.SIGTERM) // fails only if it has ended
	select {
	case <-p.done:
	case <-time.After(stopPatience):
		p.kill()
	}
}

// ready polls check until it returns nil; a process that has ended never will be ready.
func (p *process) ready(within time.Duration, check func() error) error {
	var ended error
	err := poll(within, func() error {
		select {
		case <-p.done:
			ended = errors.Join(errEnded, p.err)
			return nil
		default:
			return check()
		}
	})
	return errors.Join(ended, err)
}

// output keeps the end of what a server prints, over all its runs. Safe for
// concurrent use.
type output struct {
	mu   sync.Mutex
	text []byte
}

const outputLimit = 64 << 10

func (o *output) Write(chunk []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text = append(o.text, chunk...)
	if excess := len(o.text) - outputLimit; excess > 0 {
		o.text = append(o.text[:0], o.text[excess:]...)
	}
	return len(chunk), nil
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return string(o.text)
}

// logIfFailed is for t.Cleanup, after the server's end.
func (o *output) logIfFailed(t testing.TB, name string) {
	if printed := o.String(); t.Failed() && printed != "" {
		t.Logf("%s printed:\n%s", name, printed)
	}
}
