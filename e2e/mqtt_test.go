package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/testserver"
)

// mqtt is a broker as others use it: by mosquitto's clients.
type mqtt struct {
	t    *testing.T
	addr string
}

func (m mqtt) client(ctx context.Context, name string, args ...string) *exec.Cmd {
	m.t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		m.t.Fatalf("%s is missing: apt-get install mosquitto-clients (make deps)", name)
	}
	host, port, err := net.SplitHostPort(m.addr)
	if err != nil {
		m.t.Fatal(err)
	}
	return exec.CommandContext(ctx, path, append([]string{"-h", host, "-p", port}, args...)...)
}

// publish sends one message; more arguments are mosquitto_pub's.
func (m mqtt) publish(topic, payload string, args ...string) {
	m.t.Helper()
	cmd := m.client(soon(m.t), "mosquitto_pub", append([]string{"-t", topic, "-s"}, args...)...)
	cmd.Stdin = strings.NewReader(payload)
	if printed, err := cmd.CombinedOutput(); err != nil {
		m.t.Fatalf("publish on %s: %v: %s", topic, err, printed)
	}
}

// message is one that a recorder got.
type message struct {
	topic, payload string
	retained       bool
}

// recorder keeps all messages of some topics from its making on, the retained
// ones first.
type recorder struct {
	t       *testing.T
	printed *lines
	run     *testserver.RunningProgram
}

const mark = "e2e/mark"

// record subscribes. What was retained has arrived when it returns.
func (m mqtt) record(filters ...string) *recorder {
	m.t.Helper()
	m.publish(mark, "mark", "-r", "-q", "1")
	args := []string{"-F", "%r %t %p", "-q", "0"}
	for _, filter := range append(filters, mark) {
		args = append(args, "-t", filter)
	}
	cmd := m.client(context.Background(), "mosquitto_sub", args...)
	r := &recorder{t: m.t, printed: &lines{}}
	cmd.Stdout = r.printed
	r.run = testserver.Program(m.t, cmd)
	testserver.Eventually(m.t, patience, func() error {
		if !strings.Contains(r.printed.String(), mark+" mark\n") {
			return fmt.Errorf("mosquitto_sub has no subscription yet: %s", r.run.Output())
		}
		return nil
	})
	return r
}

// messages are those so far, in their order.
func (r *recorder) messages() []message {
	var all []message
	for _, line := range r.printed.whole() {
		parts := strings.SplitN(line, " ", 3)
		if len(parts) == 3 && parts[1] != mark {
			all = append(all, message{topic: parts[1], payload: parts[2], retained: parts[0] == "1"})
		}
	}
	return all
}

// newest is the last payload of each topic.
func (r *recorder) newest() map[string]string {
	newest := map[string]string{}
	for _, m := range r.messages() {
		newest[m.topic] = m.payload
	}
	return newest
}

// readings are those on the data topics.
func (r *recorder) readings() []wattline.Reading {
	r.t.Helper()
	var readings []wattline.Reading
	for _, m := range r.messages() {
		if !strings.Contains(m.topic, "/data/") || m.payload == "" {
			continue
		}
		var reading wattline.Reading
		if err := json.Unmarshal([]byte(m.payload), &reading); err != nil {
			r.t.Fatalf("a reading on %s: %v: %s", m.topic, err, m.payload)
		}
		readings = append(readings, reading)
	}
	return readings
}

// envelope wraps a body for a foreign asker, whose replies go to its own topic.
// Values in change replace fields; a nil one leaves the field out.
func envelope(id string, body any, change map[string]any) string {
	now := time.Now()
	fields := map[string]any{
		"v": 1, "id": id, "reply_to": "wattline/reply/foreign/" + id, "actor": "e2e",
		"issued_at": wattline.At(now), "deadline": wattline.At(now.Add(20 * time.Second)), "body": body,
	}
	for name, value := range change {
		if fields[name] = value; value == nil {
			delete(fields, name)
		}
	}
	text, err := json.Marshal(fields)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// replies are the answers to a foreign asker's id.
func (r *recorder) replies(id string) []wattline.Reply {
	r.t.Helper()
	var all []wattline.Reply
	for _, m := range r.messages() {
		if m.topic != "wattline/reply/foreign/"+id {
			continue
		}
		var reply wattline.Reply
		if err := json.Unmarshal([]byte(m.payload), &reply); err != nil {
			r.t.Fatalf("a reply: %v: %s", err, m.payload)
		}
		all = append(all, reply)
	}
	return all
}

// reply waits for the first answer to an id.
func (r *recorder) reply(id string) wattline.Reply {
	r.t.Helper()
	var replies []wattline.Reply
	testserver.Eventually(r.t, patience, func() error {
		if replies = r.replies(id); len(replies) == 0 {
			return fmt.Errorf("no reply to %s", id)
		}
		return nil
	})
	return replies[0]
}
