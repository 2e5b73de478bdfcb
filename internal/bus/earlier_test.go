package bus_test

import (
	"context"
	"encoding/json"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/bus"
	"github.com/wattline/wattline/internal/bus/bustest"
	"github.com/wattline/wattline/internal/testserver"
)

// TestACommandOfAnEarlierLife has an asker repeat a command to a responder that was
// started anew meanwhile.
func TestACommandOfAnEarlierLife(t *testing.T) {
	server := testserver.Mosquitto(t, testserver.MosquittoOptions{})
	watcher := bustest.Start(t, []string{server.URL()}, root, "watcher")
	answers := replies(t, watcher, "foreign")
	before := time.Now()
	node := bustest.Start(t, []string{server.URL()}, root, "responder")
	var acted atomic.Int64
	for _, kind := range []wattline.Topic{{Kind: wattline.TopicCommand}, query("responder", "")} {
		if _, err := node.Respond(bus.RespondOptions{Filter: kind}, func(context.Context, bus.Request) (any, error) {
			acted.Add(1)
			return "done", nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	ask := func(topic, id string, issued time.Time) {
		text, err := json.Marshal(wattline.Envelope{
			V: 1, ID: id, ReplyTo: "wattline/reply/foreign/" + id, Body: json.RawMessage("{}"),
			IssuedAt: wattline.At(issued), Deadline: wattline.At(time.Now().Add(patience)),
		})
		if err != nil {
			t.Fatal(err)
		}
		raw(t, server, topic, string(text))
	}
	const command, question = "wattline/command/hq/desk-1", "wattline/query/" + component + "/responder/any"

	t.Run("is not carried out, and its outcome is unknown, however often it comes", func(t *testing.T) {
		for range 2 {
			ask(command, "old", before)
			nextReply(t, answers, "old", wattline.CodeTimeout)
		}
		if got := acted.Load(); got != 0 {
			t.Errorf("it was carried out %d times", got)
		}
	})
	t.Run("a later one is carried out, and so is a question of any age", func(t *testing.T) {
		ask(command, "new", time.Now())
		nextReply(t, answers, "new", "")
		ask(question, "question", before)
		nextReply(t, answers, "question", "")
	})
}
