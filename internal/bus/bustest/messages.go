package bustest

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/wattline/wattline"
)

func runMessages(t *testing.T, h Harness) {
	t.Run("arrive in the order in which they were published on a topic", func(t *testing.T) {
		inOrder(t, Start(t, h.URLs, "order", "order-sender"), Start(t, h.URLs, "order", "order-reader"))
	})
	t.Run("five thousand at QoS 1 all arrive", func(t *testing.T) {
		sender, reader := Start(t, h.URLs, "many", "many-sender"), Start(t, h.URLs, "many", "many-reader")
		const count = 5000
		messages := subscribe(t, reader.Bus, wattline.Topic{Kind: wattline.TopicEvent})
		for i := range count {
			publish(t, sender.Bus, event("burst"), i)
		}
		for i := range count {
			if message := messages.next(t); string(message.Payload) != strconv.Itoa(i) {
				t.Fatalf("message %d is %s", i, message.Payload)
			}
		}
	})
	t.Run("that are retained reach a late subscriber, thousands of them", func(t *testing.T) {
		owner, late := Start(t, h.URLs, "late", "late-owner"), Start(t, h.URLs, "late", "late-reader")
		want := make(map[wattline.Topic]string)
		for i := range 3000 {
			topic := data("hq", "d"+strconv.Itoa(i))
			want[topic] = strconv.Itoa(i)
			retain(t, owner.Bus, topic, i)
		}
		waitKeptOr(t, late.Bus, data("", ""), want, func(missing wattline.Topic) {
			if h.Forgetful { // its owner says it again, as it does on each connection
				retain(t, owner.Bus, missing, json.RawMessage(want[missing]))
			}
		})
	})
	t.Run("overlapping subscriptions each get what is retained, and each live message once", func(t *testing.T) {
		overlapping(t, Start(t, h.URLs, "overlap", "overlap-owner"), Start(t, h.URLs, "overlap", "overlap-reader"))
	})
	t.Run("a deletion is seen, and a late subscriber gets nothing", func(t *testing.T) {
		owner, reader := Start(t, h.URLs, "gone", "gone-owner"), Start(t, h.URLs, "gone", "gone-reader")
		device := wattline.Topic{Kind: wattline.TopicDevice, Device: "desk-1"}
		other := wattline.Topic{Kind: wattline.TopicDevice, Device: "desk-2"}
		all := wattline.Topic{Kind: wattline.TopicDevice}
		live := subscribe(t, reader.Bus, device)
		retain(t, owner.Bus, device, "here")
		retain(t, owner.Bus, other, "here")
		live.until(t, `"here"`)
		waitKept(t, owner.Bus, all, map[wattline.Topic]string{device: `"here"`, other: `"here"`})
		retain(t, owner.Bus, device, nil)
		live.until(t, "")
		waitKept(t, owner.Bus, all, map[wattline.Topic]string{other: `"here"`})
		waitRetained(t, owner, 1) // the deletion was confirmed and is forgotten
	})
	t.Run("what the bus does not let out is refused", func(t *testing.T) {
		refusals(t, Start(t, h.URLs, "refused", "refused-sender"))
	})
}

func inOrder(t *testing.T, sender, reader Node) {
	const count = 1000
	names := []string{"one", "two", "three"}
	messages := subscribe(t, reader.Bus, wattline.Topic{Kind: wattline.TopicEvent})
	for i := range count {
		for _, name := range names {
			publish(t, sender.Bus, event(name), i)
		}
	}
	next := make(map[string]int)
	for range count * len(names) {
		message := messages.next(t)
		if want := strconv.Itoa(next[message.Topic.Event]); string(message.Payload) != want {
			t.Fatalf("on %s came %s instead of %s", message.Topic.Event, message.Payload, want)
		}
		next[message.Topic.Event]++
	}
}

func overlapping(t *testing.T, owner, reader Node) {
	retain(t, owner.Bus, data("hq", "a"), "retained")
	waitKept(t, owner.Bus, data("", ""), map[wattline.Topic]string{data("hq", "a"): `"retained"`})
	filters := []wattline.Topic{data("hq", "a"), data("", ""), data("hq", ""), data("", "a")}
	var readers []received
	for _, filter := range filters {
		messages := subscribe(t, reader.Bus, filter)
		if message := messages.next(t); string(message.Payload) != `"retained"` || !message.Retained {
			t.Errorf("%+v first gets %+v", filter, message)
		}
		readers = append(readers, messages)
	}
	publish(t, owner.Bus, data("hq", "a"), "live")
	publish(t, owner.Bus, data("hq", "a"), "end")
	for i, messages := range readers {
		var live []string
		for message := messages.next(t); string(message.Payload) != `"end"`; message = messages.next(t) {
			if !message.Retained {
				live = append(live, string(message.Payload))
			}
		}
		if len(live) != 1 || live[0] != `"live"` {
			t.Errorf("%+v gets live %v", filters[i], live)
		}
	}
}

func waitRetained(t *testing.T, node Node, want int) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for node.Stats().Retained != want {
		if time.Now().After(deadline) {
			t.Fatalf("%d topics are kept, want %d", node.Stats().Retained, want)
		}
		time.Sleep(time.Millisecond)
	}
}

func refusals(t *testing.T, sender Node) {
	for name, topic := range map[string]wattline.Topic{
		"a command":     {Kind: wattline.TopicCommand, Site: "hq", Device: "a"},
		"a reply":       {Kind: wattline.TopicReply, Instance: "x", ID: "1"},
		"presence":      {Kind: wattline.TopicPresence, Instance: "x"},
		"no kind":       {},
		"a slash":       data("hq", "a/b"),
		"a wildcard":    data("hq", "+"),
		"missing level": data("hq", ""),
	} {
		wantCode(t, sender.Publish(t.Context(), topic, 1), wattline.CodeInvalid)
		if err := sender.Retain(t.Context(), topic, 1); err == nil {
			t.Errorf("%s is retained", name)
		}
	}
	wantCode(t, sender.Retain(t.Context(), event("x"), 1), wattline.CodeInvalid)
	large := strings.Repeat("x", 5<<20)
	wantCode(t, sender.Publish(t.Context(), event("x"), large), wattline.CodeTooLarge)
}
