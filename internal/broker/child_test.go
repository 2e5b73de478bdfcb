package broker_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/wattline/wattline/internal/broker"
	"github.com/wattline/wattline/internal/testserver"
)

// child is a broker in a process of its own, which can be killed and comes back
// at the same address with the same data.
type child struct {
	t       testing.TB
	options broker.Options
	cmd     *exec.Cmd
	stdin   io.WriteCloser
	ready   chan error
	stderr  strings.Builder
	// nats is the address that the child prints.
	nats string
}

// newChild prepares a broker on a fixed port without starting it.
func newChild(t testing.TB, options broker.Options) *child {
	t.Helper()
	if options.DataDir == "" {
		options.DataDir = t.TempDir()
	}
	if options.Listen == "" {
		options.Listen = fmt.Sprintf("127.0.0.1:%d", testserver.FreePort(t))
	}
	c := &child{t: t, options: options}
	t.Cleanup(func() {
		c.kill()
		if t.Failed() {
			t.Logf("%s on %s printed:\n%s", options.Name, options.Listen, c.stderr.String())
		}
	})
	return c
}

func (c *child) url() string { return "mqtt://" + c.options.Listen }

// launch starts the process and does not wait for the broker to be ready.
func (c *child) launch() {
	c.t.Helper()
	text, err := json.Marshal(c.options)
	if err != nil {
		c.t.Fatal(err)
	}
	c.cmd = exec.CommandContext(context.Background(), os.Args[0]) // ended by kill
	c.cmd.Env = append(os.Environ(), childEnv+"="+string(text))
	stderr := &c.stderr
	c.cmd.Stderr = stderr
	c.stdin, err = c.cmd.StdinPipe()
	if err != nil {
		c.t.Fatal(err)
	}
	stdout, err := c.cmd.StdoutPipe()
	if err != nil {
		c.t.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	c.ready = make(chan error, 1)
	go func(ready chan<- error, cmd *exec.Cmd) {
		line, err := bufio.NewReader(stdout).ReadString('\n')
		if err != nil {
			_ = cmd.Wait()
			ready <- fmt.Errorf("the broker's process ended: %w: %s%s", err, line, stderr.String())
		}
		c.nats = strings.TrimSpace(line)
		close(ready)
	}(c.ready, c.cmd)
}

// start starts the process and waits until the broker is ready.
func (c *child) start() {
	c.t.Helper()
	c.launch()
	c.await()
}

func (c *child) await() {
	c.t.Helper()
	if err := <-c.ready; err != nil {
		c.t.Fatal(err)
	}
}

// kill ends the process as a crash would.
func (c *child) kill() {
	if c.cmd == nil {
		return
	}
	_ = c.cmd.Process.Kill()
	for range c.ready { // until it has said that it was ready, or why not
	}
	_ = c.cmd.Wait()
	_ = c.stdin.Close()
	c.cmd = nil
}
