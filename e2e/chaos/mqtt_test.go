package chaos_test

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/e2e/chaos/truth"
	"github.com/wattline/wattline/internal/testserver"
)

// mqtt is the broker as others use it, by mosquitto's own clients and past all
// cables.
type mqtt struct {
	t      *testing.T
	broker *testserver.MosquittoServer
	record *record

	mu      sync.Mutex
	waiting map[string]chan wattline.Reply
	stream  string // of the collector's journal
}

const root = "wattline/"

// listen hears everything but the readings and states, until the context ends. mosquitto_sub
// connects again by itself.
func listen(t *testing.T, ctx context.Context, broker *testserver.MosquittoServer, r *record) *mqtt {
	t.Helper()
	m := &mqtt{t: t, broker: broker, record: r, waiting: map[string]chan wattline.Reply{}}
	args := []string{"-F", "%r %t %p"}
	for _, filter := range []string{"reply/" + auditor + "/+", "reply/" + asker + "/+", "presence/+", "event/+", "command/+/+", "stored/+/+"} {
		args = append(args, "-t", root+filter)
	}
	cmd := m.client(context.WithoutCancel(ctx), "mosquitto_sub", args...)
	lines, printed := io.Pipe()
	cmd.Stdout = printed
	testserver.Program(t, cmd)
	heard := make(chan struct{})
	go func() {
		defer close(heard)
		m.hear(bufio.NewReader(lines))
	}()
	t.Cleanup(func() {
		_ = printed.Close()
		<-heard
	})
	return m
}

func (m *mqtt) client(ctx context.Context, name string, args ...string) *exec.Cmd {
	path, err := exec.LookPath(name)
	if err != nil {
		m.t.Fatalf("%s is missing: apt-get install mosquitto-clients (make deps)", name)
	}
	host, port, _ := net.SplitHostPort(m.broker.Addr())
	return exec.CommandContext(ctx, path, append([]string{"-h", host, "-p", port}, args...)...)
}

// publish sends one message; more arguments are mosquitto_pub's. It is an error if
// the broker is away; then it may have been sent all the same.
func (m *mqtt) publish(ctx context.Context, topic string, payload any, args ...string) error {
	text, err := json.Marshal(payload)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	cmd := m.client(ctx, "mosquitto_pub", append([]string{"-t", root + topic, "-s"}, args...)...)
	cmd.Stdin = strings.NewReader(string(text))
	return cmd.Run()
}

func (m *mqtt) hear(lines *bufio.Reader) {
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return
		}
		parts := strings.SplitN(strings.TrimSuffix(line, "\n"), " ", 3)
		if len(parts) != 3 || parts[2] == "" {
			continue
		}
		levels := strings.Split(strings.TrimPrefix(parts[1], root), "/")
		m.take(levels, []byte(parts[2]), parts[0] == "1")
	}
}

// take sorts a message by its topic.
func (m *mqtt) take(levels []string, payload []byte, retained bool) {
	switch levels[0] {
	case "reply":
		if reply, ok := parse[wattline.Reply](m, payload); ok {
			m.deliver(levels[2], reply)
		}
	case "presence":
		if p, ok := parse[wattline.Presence](m, payload); ok && p.Stream != "" {
			m.mu.Lock()
			m.stream = p.Stream
			m.mu.Unlock()
		}
	case "command":
		if e, ok := parse[wattline.Envelope](m, payload); ok {
			m.record.hearCommand(levels[2], e)
		}
	case "stored":
		if s, ok := parse[wattline.Stored](m, payload); ok && !retained {
			m.record.hearStored(levels[1], s.Seq)
		}
	case "event":
		m.hearEvent(levels[1], payload)
	}
}

func (m *mqtt) hearEvent(kind string, payload []byte) {
	switch kind {
	case "clock_skew":
		if skew, ok := parse[struct{ Instance, Observer string }](m, payload); ok {
			now := time.Now()
			m.record.say(truth.Saying{Door: skew.Observer, Kind: truth.Skewed, Device: skew.Instance, Asked: now, Told: now})
		}
	case "journal_dropped":
		m.record.trouble("the journal dropped readings: " + string(payload))
	}
}

func parse[T any](m *mqtt, payload []byte) (value T, ok bool) {
	if err := json.Unmarshal(payload, &value); err != nil {
		m.record.trouble("on MQTT came " + string(payload) + ": " + err.Error())
		return value, false
	}
	return value, true
}

// askTimeout is how long a query is given.
const askTimeout = 10 * time.Second

// ask puts a query and decodes the body of its reply.
func (m *mqtt) ask(ctx context.Context, topic string, query, into any) error {
	id := strings.ToLower(rand.Text())
	body, err := json.Marshal(query)
	if err != nil {
		return err
	}
	now := time.Now()
	replies, cancel := m.expect(id)
	defer cancel()
	err = m.publish(ctx, topic, wattline.Envelope{
		V: wattline.EnvelopeVersion, ID: id, ReplyTo: root + "reply/" + auditor + "/" + id,
		IssuedAt: wattline.At(now), Deadline: wattline.At(now.Add(askTimeout)), Actor: auditor, Body: body,
	})
	if err != nil {
		return err
	}
	reply := await(replies, now.Add(askTimeout))
	switch {
	case reply == nil:
		return fmt.Errorf("no reply on %s", topic)
	case reply.Error != nil:
		return reply.Error
	}
	return json.Unmarshal(reply.Body, into)
}

// expect has replies to an id delivered until it is cancelled.
func (m *mqtt) expect(id string) (replies <-chan wattline.Reply, cancel func()) {
	waiting := make(chan wattline.Reply, 8)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.waiting[id] = waiting
	return waiting, func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.waiting, id)
	}
}

func (m *mqtt) deliver(id string, reply wattline.Reply) {
	m.mu.Lock()
	defer m.mu.Unlock()
	select {
	case m.waiting[id] <- reply: // a nil channel takes nothing
	default:
	}
}

func (m *mqtt) collectorsStream() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.stream
}
