package persist_test

import (
	"bufio"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wattline/wattline/internal/testserver"
)

// TestTheDiskIsFull lets no file of a hook grow for a while: it says nothing to be
// stored that its ledger does not have, says what is wrong, and goes on when
// there is room again.
func TestTheDiskIsFull(t *testing.T) {
	t.Run("and the store takes readings all the same", func(t *testing.T) {
		t.Parallel()
		c := startFull(t, childOptions{Takes: true})
		c.untilStored(50)
		c.fill()
		before := c.kept()
		testserver.Eventually(t, patience, func() error {
			if kept := c.kept(); kept < before+200 {
				return fmt.Errorf("the store has got %d readings while the disk was full", kept-before)
			}
			return nil
		})
		c.say("room")
		c.untilReady("ready: <nil>")
		c.untilStored(c.options.last())
		c.kill()
	})
	t.Run("and the process is killed", func(t *testing.T) {
		t.Parallel()
		c := startFull(t, childOptions{Takes: true})
		c.untilStored(50)
		c.fill()
		c.kill()
		ledgerHas(t, c)
	})
	t.Run("and readings are refused", func(t *testing.T) {
		t.Parallel()
		c := startFull(t, childOptions{})
		c.untilStored(50)
		c.fill()
		c.say("room")
		c.untilReady("ready: <nil>")
		c.untilStored(c.options.last())
		c.kill()
		ledgerHas(t, c)
	})
}

// fullChild is a process with a hook whose store prints.
type fullChild struct {
	t       *testing.T
	options childOptions
	cmd     *exec.Cmd
	stdin   io.Writer
	ended   chan bool

	mu    sync.Mutex
	said  positions
	store map[string]bool
	ready string
}

func startFull(t *testing.T, o childOptions) *fullChild {
	t.Helper()
	o.Folder, o.Began, o.Say = t.TempDir(), time.Now(), true
	c := &fullChild{t: t, options: o, cmd: o.command(t), ended: make(chan bool), said: positions{}, store: map[string]bool{}}
	stdin, err := c.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c.stdin = stdin
	go c.listen(out)
	t.Cleanup(c.kill)
	return c
}

func (c *fullChild) listen(out io.Reader) {
	defer close(c.ended)
	for lines := bufio.NewScanner(out); lines.Scan(); {
		line := lines.Text()
		c.mu.Lock()
		switch {
		case strings.HasPrefix(line, "ready"):
			c.ready = line
		case strings.HasPrefix(line, "stored"):
			c.said.hear(c.t, line)
		default:
			c.store[line] = true
		}
		c.mu.Unlock()
	}
}

func (c *fullChild) kill() {
	_ = c.cmd.Process.Kill()
	<-c.ended
	_ = c.cmd.Wait() // killed
}

func (c *fullChild) say(what string) {
	c.t.Helper()
	if _, err := fmt.Fprintln(c.stdin, what); err != nil {
		c.t.Fatal(err)
	}
}

func (c *fullChild) kept() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.store)
}

// fill takes the room away and waits until the hook says so.
func (c *fullChild) fill() {
	c.t.Helper()
	c.say("full")
	c.untilReady("cannot be written")
}

func (c *fullChild) untilReady(says string) {
	c.t.Helper()
	testserver.Eventually(c.t, patience, func() error {
		c.say("ready")
		c.mu.Lock()
		defer c.mu.Unlock()
		if !strings.Contains(c.ready, says) {
			return fmt.Errorf("it says %q, not %q", c.ready, says)
		}
		return nil
	})
}

func (c *fullChild) untilStored(seq uint64) {
	c.t.Helper()
	testserver.Eventually(c.t, patience, func() error {
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, stream := range childStreams() {
			if c.said[stream] < seq {
				return fmt.Errorf("%s was said to be stored up to %d, not %d", stream, c.said[stream], seq)
			}
		}
		return nil
	})
}

// ledgerHas opens a hook on the files that were left.
func ledgerHas(t *testing.T, c *fullChild) {
	t.Helper()
	have := handled(t, c.options.Folder)
	for line := range c.store {
		have[line] = true
	}
	ledgerIsTrue(t, c.options.Folder, c.said, have)
}
