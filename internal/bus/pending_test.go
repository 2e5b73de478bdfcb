package bus

import (
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/wake"
)

func newCall(id string) *call {
	return &call{id: id, replies: make(chan []byte, 1), again: make(chan struct{}, 1)}
}

func TestRepliesThatNobodyWaitsForAreToldApart(t *testing.T) {
	p := newPendingAsks(10)
	answered, silent := newCall("answered"), newCall("silent")
	for _, c := range []*call{answered, silent} {
		if err := p.add(c); err != nil {
			t.Fatal(err)
		}
	}
	want := func(id, kind string) {
		t.Helper()
		if got := p.deliver(id, nil); got != kind {
			t.Errorf("a reply to %s is %q, want %q", id, got, kind)
		}
	}
	want("answered", "")
	want("answered", "duplicate") // not yet taken
	p.remove(answered, true)
	p.remove(silent, false)
	want("answered", "duplicate")
	want("silent", "late")
	want("never-asked", "stray")
	for i := range recentAsks {
		p.remove(newCall(strconv.Itoa(i)), true)
	}
	want("silent", "stray") // too long ago to know
	if p.len() != 0 {
		t.Errorf("%d are pending", p.len())
	}
}

func TestPendingAsksAreBoundedAndTheirIDsAreTheirOwn(t *testing.T) {
	p := newPendingAsks(2)
	first := newCall("a")
	for _, step := range []struct {
		call *call
		want wattline.Code
	}{{first, ""}, {newCall("a"), wattline.CodeConflict}, {newCall("b"), ""}, {newCall("c"), wattline.CodeBusy}} {
		err := p.add(step.call)
		if (err == nil) != (step.want == "") || err != nil && wattline.AsError(err).Code != step.want {
			t.Errorf("%s: %v, want %q", step.call.id, err, step.want)
		}
	}
	p.remove(first, true)
	if err := p.add(newCall("c")); err != nil {
		t.Errorf("with room again: %v", err)
	}
}

func TestAnAskIsSentAgainAtAThirdAndTwoThirdsAndWhenItIsWorthIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBus(t)
		q := &question{
			topic: wattline.Topic{Kind: wattline.TopicQuery, Component: "c", Instance: "i", Verb: "v"},
			began: time.Now(), timeout: 6 * time.Second, call: newCall("a"),
		}
		s := fakeSession(b)
		var sent []time.Duration
		done := make(chan error)
		go func() {
			_, err := b.awaitReply(t.Context(), q)
			done <- err
		}()
		time.AfterFunc(time.Second, func() { wake.Up(q.again) })
		for {
			select {
			case <-s.urgent.items:
				sent = append(sent, time.Since(q.began))
				continue
			case err := <-done:
				if wattline.AsError(err).Code != wattline.CodeTimeout || time.Since(q.began) != q.timeout {
					t.Errorf("it ends after %v with %v", time.Since(q.began), err)
				}
			}
			break
		}
		if want := []time.Duration{time.Second, 2 * time.Second, 4 * time.Second}; !slices.Equal(sent, want) {
			t.Errorf("it is sent again at %v, want %v", sent, want)
		}
	})
}

func TestAQueryGoesToAnotherInstanceWhenTheOneAskedIsGone(t *testing.T) {
	b := newBus(t)
	s := fakeSession(b)
	online := func(instance string) {
		b.presence.hear(wattline.Presence{Instance: instance, Status: wattline.PresenceOnline, Roles: []string{"c"}}, false, time.Now())
	}
	online("first")
	q := &question{topic: wattline.Topic{Kind: wattline.TopicQuery, Component: "c", Verb: "v"}, call: newCall("a")}
	if err := b.address(q); err != nil || q.topic.Instance != "first" {
		t.Fatalf("it goes to %q: %v", q.topic.Instance, err)
	}
	b.presence.hear(wattline.Presence{Instance: "first", Status: wattline.PresenceOffline}, false, time.Now())
	online("second")
	b.repeat(q)
	if sent := <-s.urgent.items; sent.topic != "wattline/query/c/second/v" {
		t.Errorf("it is repeated on %s", sent.topic)
	}
	if !q.concerns(wattline.Presence{Instance: "second"}) || q.concerns(wattline.Presence{Instance: "first"}) {
		t.Error("an announcement of the new one does not concern it")
	}
}

func newBus(t testing.TB) *Bus {
	t.Helper()
	b, err := New(Options{Brokers: []string{"mqtt://127.0.0.1:1"}, Instance: "me", Topics: testTopics(t)})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// fakeSession is a connection of which only the queues are there.
func fakeSession(b *Bus) *session {
	s := &session{lost: make(chan struct{}), urgent: newQueue[outgoing](100), steady: newQueue[outgoing](100)}
	s.ready.Store(true)
	b.session = s
	return s
}
