package bus_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/bus"
	"github.com/wattline/wattline/internal/bus/bustest"
	"github.com/wattline/wattline/internal/telemetry"
	"github.com/wattline/wattline/internal/testserver"
)

const (
	patience  = 20 * time.Second
	root      = "wattline"
	component = "worker"
)

func query(instance, verb string) wattline.Topic {
	return wattline.Topic{Kind: wattline.TopicQuery, Component: component, Instance: instance, Verb: verb}
}

func event(name string) wattline.Topic {
	return wattline.Topic{Kind: wattline.TopicEvent, Event: name}
}

func wantCode(t testing.TB, err error, code wattline.Code) {
	t.Helper()
	var known *wattline.Error
	if !errors.As(err, &known) || known.Code != code {
		t.Errorf("the error is %v, want one of the code %s", err, code)
	}
}

func waitLive(t testing.TB, node bustest.Node, role string) {
	t.Helper()
	testserver.Eventually(t, patience, func() error {
		if _, ok := node.Pick(role, ""); !ok {
			return fmt.Errorf("%s knows no %s", node.Instance(), role)
		}
		return nil
	})
}

// raw publishes as anybody could, with mosquitto's own client.
func raw(t testing.TB, server *testserver.MosquittoServer, topic, payload string, flags ...string) {
	t.Helper()
	cmd := server.Client("mosquitto_pub", append([]string{"-t", topic, "-s"}, flags...)...)
	cmd.Stdin = strings.NewReader(payload)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("mosquitto_pub: %v: %s", err, out)
	}
}

func envelope(t testing.TB, id, replyTo string, timeout time.Duration) string {
	t.Helper()
	now := time.Now()
	text, err := json.Marshal(wattline.Envelope{
		V: 1, ID: id, ReplyTo: replyTo, Body: json.RawMessage("{}"),
		IssuedAt: wattline.At(now.Add(-time.Hour)), Deadline: wattline.At(now.Add(timeout)),
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// replies are what comes to a reply topic of somebody who is no bus.
func replies(t testing.TB, node bustest.Node, instance string) <-chan wattline.Reply {
	t.Helper()
	got := make(chan wattline.Reply, 100)
	filter := wattline.Topic{Kind: wattline.TopicReply, Instance: instance}
	cancel, err := node.Subscribe(bus.SubscribeOptions{Filter: filter}, func(_ context.Context, message bus.Message) {
		var reply wattline.Reply
		if err := json.Unmarshal(message.Payload, &reply); err != nil {
			t.Errorf("the reply %s: %v", message.Payload, err)
		}
		got <- reply
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cancel)
	return got
}

func nextReply(t testing.TB, from <-chan wattline.Reply, id string, code wattline.Code) wattline.Reply {
	t.Helper()
	select {
	case reply := <-from:
		var got wattline.Code
		if reply.Error != nil {
			got = reply.Error.Code
		}
		if reply.ID != id || got != code {
			t.Errorf("the reply is %+v with the error %v, want %s with %q", reply, reply.Error, id, code)
		}
		return reply
	case <-time.After(patience):
		t.Fatalf("no reply to %s", id)
		return wattline.Reply{}
	}
}

// counted waits until a metric has a value.
func counted(t testing.TB, metrics *telemetry.Registry, line string) {
	t.Helper()
	testserver.Eventually(t, patience, func() error {
		if shown := scrape(t, metrics); !strings.Contains(shown, "\n"+line+"\n") {
			return fmt.Errorf("%s is not shown", line)
		}
		return nil
	})
}

// logBook is a log that a test reads.
type logBook struct{ testserver.Text }

func (l *logBook) wait(t testing.TB, text string) {
	t.Helper()
	testserver.Eventually(t, patience, func() error {
		if !strings.Contains(l.String(), text) {
			return fmt.Errorf("the log does not say %q:\n%s", text, l)
		}
		return nil
	})
}
