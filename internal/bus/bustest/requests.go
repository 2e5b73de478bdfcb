package bustest

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/bus"
	"github.com/wattline/wattline/internal/testserver"
)

func runRequests(t *testing.T, h Harness) {
	t.Run("a query is answered, with a body or with an error", func(t *testing.T) {
		asker, component := pair(t, h, "query")
		respond(t, component, func(_ context.Context, request bus.Request) (any, error) {
			if request.Topic.Verb == "fail" {
				return nil, wattline.Errorf(wattline.CodeNotFound, "there is none")
			}
			return map[string]any{"you_sent": request.Envelope.Body, "actor": request.Envelope.Actor}, nil
		})
		body, err := asker.Ask(t.Context(), bus.Ask{Topic: query("echo"), Body: map[string]int{"n": 1}, Actor: "me"})
		if err != nil || string(body) != `{"actor":"me","you_sent":{"n":1}}` {
			t.Errorf("the reply is %s, %v", body, err)
		}
		_, err = asker.Ask(t.Context(), bus.Ask{Topic: query("fail")})
		wantCode(t, err, wattline.CodeNotFound)
	})
	t.Run("a command is answered by the controller of its site", func(t *testing.T) {
		asker, controller := pair(t, h, "command")
		controller.Announce(wattline.RoleController, "hq")
		waitLive(t, asker.Bus, wattline.RoleController)
		filter := wattline.Topic{Kind: wattline.TopicCommand, Site: "hq"}
		_, err := controller.Respond(bus.RespondOptions{Filter: filter}, func(_ context.Context, request bus.Request) (any, error) {
			return request.Topic.Device, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		body, err := asker.Ask(t.Context(), bus.Ask{Topic: command("hq", "desk-1")})
		if err != nil || string(body) != `"desk-1"` {
			t.Errorf("the reply is %s, %v", body, err)
		}
		_, err = asker.Ask(t.Context(), bus.Ask{Topic: command("elsewhere", "desk-1")})
		wantCode(t, err, wattline.CodeNoResponder)
	})
	t.Run("nobody alive is no_responder at once, alive but silent is timeout", func(t *testing.T) {
		silence(t, h)
	})
	t.Run("a repeat is answered from memory: the request is acted upon once", func(t *testing.T) {
		actOnce(t, h)
	})
	t.Run("ten thousand asks of which a third time out leave nothing behind", func(t *testing.T) {
		leaveNothing(t, h)
	})
}

const component = "worker"

func query(verb string) wattline.Topic {
	return wattline.Topic{Kind: wattline.TopicQuery, Component: component, Verb: verb}
}

func command(site, device string) wattline.Topic {
	return wattline.Topic{Kind: wattline.TopicCommand, Site: site, Device: device}
}

// pair is an asker that knows a component to be alive, and that component.
func pair(t *testing.T, h Harness, root string) (asker, responder Node) {
	t.Helper()
	asker, responder = Start(t, h.URLs, root, root+"-asker"), Start(t, h.URLs, root, root+"-component")
	responder.Announce(component)
	waitLive(t, asker.Bus, component)
	return asker, responder
}

func respond(t *testing.T, node Node, handle bus.Handler) {
	t.Helper()
	filter := wattline.Topic{Kind: wattline.TopicQuery, Component: component, Instance: node.Instance()}
	cancel, err := node.Respond(bus.RespondOptions{Filter: filter, Workers: 32, Queue: 5000}, handle)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cancel)
}

func silence(t *testing.T, h Harness) {
	asker, _ := pair(t, h, "silence") // it has the role and answers nothing
	nobody := query("any")
	nobody.Component = "nobody"
	for _, topic := range []wattline.Topic{
		nobody,
		{Kind: wattline.TopicQuery, Component: component, Instance: "nobody", Verb: "any"},
		command("hq", "desk-1"),
	} {
		_, err := asker.Ask(t.Context(), bus.Ask{Topic: topic, Timeout: time.Hour})
		wantCode(t, err, wattline.CodeNoResponder)
	}
	_, err := asker.Ask(t.Context(), bus.Ask{Topic: query("any"), Timeout: 100 * time.Millisecond})
	wantCode(t, err, wattline.CodeTimeout)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = asker.Ask(ctx, bus.Ask{Topic: query("any"), Timeout: time.Hour})
	wantCode(t, err, wattline.CodeTimeout)
}

func actOnce(t *testing.T, h Harness) {
	asker, responder := pair(t, h, "once")
	var acted atomic.Int64
	slow := make(chan struct{})
	respond(t, responder, func(ctx context.Context, request bus.Request) (any, error) {
		if request.Topic.Verb == "slow" {
			select {
			case <-slow:
			case <-ctx.Done():
			}
		}
		return acted.Add(1), nil
	})
	id := bus.NewID()
	for range 3 { // its deadline has not passed, so the id is remembered
		body, err := asker.Ask(t.Context(), bus.Ask{Topic: query("quick"), ID: id, Timeout: time.Minute})
		if err != nil || string(body) != "1" {
			t.Fatalf("the reply is %s, %v", body, err)
		}
	}
	// Sent again at a third and two thirds while the first is under way.
	const timeout = 4 * time.Second
	time.AfterFunc(timeout*7/10, func() { close(slow) })
	body, err := asker.Ask(t.Context(), bus.Ask{Topic: query("slow"), Timeout: timeout})
	if err != nil || string(body) != "2" {
		t.Fatalf("the slow reply is %s, %v", body, err)
	}
}

func leaveNothing(t *testing.T, h Harness) {
	asker, responder := pair(t, h, "leak")
	respond(t, responder, func(_ context.Context, request bus.Request) (any, error) {
		if request.Topic.Verb == "silent" {
			return nil, bus.ErrNotMine
		}
		return "here", nil
	})
	if _, err := asker.Ask(t.Context(), bus.Ask{Topic: query("warm-up")}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*patience)
	defer cancel()
	before := runtime.NumGoroutine()
	const asks, atOnce = 10_000, 600
	var failures atomic.Pointer[error]
	numbers := make(chan int)
	var askers sync.WaitGroup
	for range atOnce {
		askers.Go(func() {
			for i := range numbers {
				if err := askOne(ctx, asker, i%3 == 0); err != nil {
					failures.CompareAndSwap(nil, &err)
				}
			}
		})
	}
	for i := range asks {
		numbers <- i
	}
	close(numbers)
	askers.Wait()
	if err := failures.Load(); err != nil {
		t.Error(*err)
	}
	if pending := asker.Stats().Pending; pending != 0 {
		t.Errorf("%d asks are still pending", pending)
	}
	testserver.Eventually(t, patience, func() error {
		if remembered := responder.Stats().Remembered; remembered > 1 { // the warm-up's deadline is not over
			return fmt.Errorf("%d request ids are still remembered", remembered)
		}
		if now := runtime.NumGoroutine(); now > before {
			return fmt.Errorf("%d goroutines, there were %d", now, before)
		}
		return nil
	})
}

var errUnexpected = errors.New("an ask came to something else than it should")

func askOne(ctx context.Context, asker Node, silent bool) error {
	if silent {
		_, err := asker.Ask(ctx, bus.Ask{Topic: query("silent"), Timeout: 500 * time.Millisecond})
		if hasCode(err, wattline.CodeTimeout) {
			return nil
		}
		return errors.Join(errUnexpected, err)
	}
	for {
		body, err := asker.Ask(ctx, bus.Ask{Topic: query("quick"), Timeout: 4 * time.Second})
		if err == nil && string(body) != `"here"` {
			return errUnexpected
		}
		if hasCode(err, wattline.CodeTimeout) && ctx.Err() == nil {
			continue // a machine so busy: ask again
		}
		return err
	}
}
