package bus_test

import (
	"context"
	"io"
	"log/slog"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/bus"
	"github.com/wattline/wattline/internal/bus/bustest"
	"github.com/wattline/wattline/internal/telemetry"
	"github.com/wattline/wattline/internal/testserver"
)

func scrape(t testing.TB, metrics *telemetry.Registry) string {
	t.Helper()
	recorder := httptest.NewRecorder()
	metrics.Handler().ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), "GET", "/metrics", nil))
	body, err := io.ReadAll(recorder.Result().Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func TestRequestsThatAreWrong(t *testing.T) {
	server := testserver.Mosquitto(t, testserver.MosquittoOptions{})
	metrics, log := telemetry.New(), &logBook{}
	node := bustest.StartWith(t, root, bus.Options{
		Brokers: []string{server.URL()}, Instance: "responder", Metrics: metrics, Log: log.Logger(slog.LevelDebug),
	})
	watcher := bustest.Start(t, []string{server.URL()}, root, "watcher")
	elsewhere := make(chan bus.Message, 100)
	for _, kind := range []wattline.TopicKind{wattline.TopicCommand, wattline.TopicEvent, wattline.TopicData} {
		if _, err := watcher.Subscribe(bus.SubscribeOptions{Filter: wattline.Topic{Kind: kind}},
			func(_ context.Context, message bus.Message) { elsewhere <- message }); err != nil {
			t.Fatal(err)
		}
	}
	answers := replies(t, watcher, "foreign")
	var acted atomic.Int64
	if _, err := node.Respond(bus.RespondOptions{Filter: query("responder", "")}, func(_ context.Context, request bus.Request) (any, error) {
		acted.Add(1)
		switch request.Topic.Verb {
		case "panic":
			panic("a mistake")
		case "fail":
			return nil, io.ErrUnexpectedEOF
		case "unencodable":
			return make(chan int), nil
		case "huge":
			return strings.Repeat("x", 5<<20), nil
		}
		return "done", nil
	}); err != nil {
		t.Fatal(err)
	}
	to := func(verb string) string { return "wattline/query/" + component + "/responder/" + verb }

	t.Run("are answered with invalid where a reply topic of ours can be made out", func(t *testing.T) {
		raw(t, server, to("any"), `{"v":1,"id":"bad","reply_to":"wattline/reply/foreign/bad","surprise":1}`)
		reply := nextReply(t, answers, "bad", wattline.CodeInvalid)
		if len(reply.Error.Fields) == 0 || reply.Error.Fields[0].Field != "surprise" {
			t.Errorf("the fields are %+v", reply.Error.Fields)
		}
	})
	t.Run("are counted and logged once where it cannot", func(t *testing.T) {
		for _, payload := range []string{
			"\x00", "{}", strings.Repeat("x", 5<<20),
			envelope(t, "a", "wattline/command/hq/a", time.Minute),
			envelope(t, "a", "wattline/event/a", time.Minute),
			envelope(t, "a", "elsewhere/reply/foreign/a", time.Minute),
			envelope(t, "a", "wattline/reply/foreign/#", time.Minute),
		} {
			raw(t, server, to("any"), payload)
		}
		counted(t, metrics, `wattline_bus_dropped_total{reason="request undecodable"} 7`)
		counted(t, metrics, `wattline_bus_oversized_total 1`)
		if lines := strings.Count(log.String(), "request undecodable"); lines != 1 {
			t.Errorf("the log says so %d times", lines)
		}
	})
	t.Run("are dropped past their deadline", func(t *testing.T) {
		raw(t, server, to("any"), envelope(t, "late", "wattline/reply/foreign/late", -time.Second))
		counted(t, metrics, `wattline_bus_requests_total{outcome="expired"} 1`)
	})
	t.Run("are dropped if they are retained, on this connection and the next", func(t *testing.T) {
		raw(t, server, to("retained"), envelope(t, "retained", "wattline/reply/foreign/retained", time.Minute), "-r")
		nextReply(t, answers, "retained", "") // live, when it was published
		if _, err := node.Respond(bus.RespondOptions{Filter: query("responder", "retained")},
			func(context.Context, bus.Request) (any, error) { acted.Add(100); return nil, nil }); err != nil {
			t.Fatal(err)
		}
		counted(t, metrics, `wattline_bus_dropped_total{reason="request retained"} 2`)
	})
	if got := acted.Load(); got != 1 {
		t.Errorf("%d requests were acted upon, want the one that was live", got)
	}
	t.Run("that a handler cannot answer are answered with internal and nothing else", func(t *testing.T) {
		for _, verb := range []string{"panic", "fail", "unencodable", "huge"} {
			raw(t, server, to(verb), envelope(t, verb, "wattline/reply/foreign/"+verb, time.Minute))
			if reply := nextReply(t, answers, verb, wattline.CodeInternal); reply.Error.Message != "internal error" {
				t.Errorf("%s gives away %q", verb, reply.Error.Message)
			}
		}
		counted(t, metrics, "wattline_bus_handler_panics_total 1")
		raw(t, server, to("after"), envelope(t, "after", "wattline/reply/foreign/after", time.Minute))
		nextReply(t, answers, "after", "")
	})
	if len(elsewhere) != 0 {
		t.Errorf("something went where the sender named: %+v", <-elsewhere)
	}
}

func TestRepliesThatAreWrong(t *testing.T) {
	server := testserver.Mosquitto(t, testserver.MosquittoOptions{})
	metrics, log := telemetry.New(), &logBook{}
	asker := bustest.StartWith(t, root, bus.Options{
		Brokers: []string{server.URL()}, Instance: "asker", Metrics: metrics, Log: log.Logger(slog.LevelDebug),
	})
	raw(t, server, "wattline/presence/foreign", `{"instance":"foreign","status":"online","roles":["worker"]}`)
	waitLive(t, asker, component)
	outcome := make(chan error, 1)
	id := bus.NewID()
	go func() {
		body, err := asker.Ask(t.Context(), bus.Ask{Topic: query("", "any"), ID: id, Timeout: patience})
		if string(body) != `"right"` {
			t.Errorf("the reply is %s", body)
		}
		outcome <- err
	}()
	testserver.Eventually(t, patience, func() error {
		if asker.Stats().Pending == 0 {
			return io.ErrNoProgress
		}
		return nil
	})
	topic := "wattline/reply/asker/" + id
	for _, wrong := range []string{
		"nonsense", `{"v":1,"id":"another","instance":"foreign","error":null,"body":"wrong"}`, strings.Repeat("x", 5<<20),
	} {
		raw(t, server, topic, wrong)
	}
	right := strings.ReplaceAll(`{"v":1,"id":"ID","instance":"foreign","error":null,"body":"right"}`, "ID", id)
	counted(t, metrics, `wattline_bus_dropped_total{reason="reply undecodable"} 3`)
	raw(t, server, topic, right)
	if err := <-outcome; err != nil {
		t.Errorf("the ask did not go on waiting: %v", err)
	}
	if lines := strings.Count(log.String(), "reply undecodable"); lines != 1 {
		t.Errorf("the log says so %d times", lines)
	}
	raw(t, server, topic, right)
	raw(t, server, "wattline/reply/asker/never-asked", right)
	counted(t, metrics, `wattline_bus_unexpected_replies_total{kind="duplicate"} 1`)
	counted(t, metrics, `wattline_bus_unexpected_replies_total{kind="stray"} 1`)
	if _, err := asker.Ask(t.Context(), bus.Ask{Topic: query("", "any"), ID: "silent", Timeout: time.Millisecond}); err == nil {
		t.Error("there is an answer")
	}
	raw(t, server, "wattline/reply/asker/silent", right)
	counted(t, metrics, `wattline_bus_unexpected_replies_total{kind="late"} 1`)
}

func TestPresencesThatAreWrong(t *testing.T) {
	server := testserver.Mosquitto(t, testserver.MosquittoOptions{})
	metrics, log := telemetry.New(), &logBook{}
	node := bustest.StartWith(t, root, bus.Options{
		Brokers: []string{server.URL()}, Instance: "node", Metrics: metrics, Log: log.Logger(slog.LevelDebug),
	})
	t.Run("are counted and change nothing", func(t *testing.T) {
		for _, wrong := range []string{`online`, `{"instance":"other","status":"online"}`, `{"instance":"foreign","status":"online","roles":["a/b"]}`} {
			raw(t, server, "wattline/presence/foreign", wrong, "-r")
		}
		counted(t, metrics, `wattline_bus_dropped_total{reason="presence undecodable"} 3`)
		if live := node.Instances(); len(live) != 1 {
			t.Errorf("alive are %+v", live)
		}
	})
	t.Run("of a clock that is off are told in the log, the metrics and an event", func(t *testing.T) {
		skews := make(chan string, 10)
		if _, err := node.Subscribe(bus.SubscribeOptions{Filter: event(bus.EventClockSkew)},
			func(_ context.Context, message bus.Message) { skews <- string(message.Payload) }); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			clock := time.Now().Add(-time.Hour).UTC().Format(time.RFC3339)
			raw(t, server, "wattline/presence/slow", `{"instance":"slow","status":"online","clock":"`+clock+`"}`)
		}
		if told := <-skews; !strings.Contains(told, `"instance":"slow","observer":"node","skew_s":-36`) {
			t.Errorf("the event is %s", told)
		}
		counted(t, metrics, "wattline_bus_clock_skews_total 1")
		log.wait(t, "clock differs")
	})
	t.Run("of our own name but another process are logged as an error", func(t *testing.T) {
		raw(t, server, "wattline/presence/node", `{"instance":"node","status":"online","since":"2026-01-01T00:00:00Z"}`)
		log.wait(t, "another process uses this instance's name")
		counted(t, metrics, "wattline_bus_twins_total 1")
	})
	t.Run("that say this process is offline are contradicted", func(t *testing.T) {
		watcher := bustest.Start(t, []string{server.URL()}, root, "watcher")
		watcher.Announce(component)
		heard := make(chan wattline.PresenceStatus, 10)
		watcher.OnPresence(func(p wattline.Presence) {
			if p.Instance == "node" {
				heard <- p.Status
			}
		})
		<-heard
		raw(t, server, "wattline/presence/node", `{"instance":"node","status":"offline"}`, "-r")
		for _, want := range []wattline.PresenceStatus{wattline.PresenceOffline, wattline.PresenceOnline} {
			if got := <-heard; got != want {
				t.Errorf("it is %s, want %s", got, want)
			}
		}
	})
}
