package bus

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"
)

func TestRetainedTopicsGoToTheNewestConnectionOnly(t *testing.T) {
	r := newRetainedStore(10)
	r.set(outgoing{topic: "a", payload: []byte("1")})
	first, second := make(chan struct{}, 1), make(chan struct{}, 1)
	if _, ok := r.next(first); ok {
		t.Error("one goes out without a connection")
	}
	r.attach(first)
	<-first
	if message, ok := r.next(first); !ok || string(message.payload) != "1" {
		t.Errorf("the first connection gets %+v, %v", message, ok)
	}
	r.attach(second)
	if _, ok := r.next(first); ok {
		t.Error("the connection before still gets one")
	}
	<-second
	if _, ok := r.next(second); !ok {
		t.Error("the new connection gets nothing")
	}
}

func TestADeletionIsKeptUntilItIsConfirmed(t *testing.T) {
	r := newRetainedStore(10)
	wake := make(chan struct{}, 1)
	r.attach(wake)
	r.set(outgoing{topic: "a"})
	sent, _ := r.next(wake)
	r.attach(wake) // the connection was lost before the broker had it
	sent.confirmed()
	if r.len() != 1 {
		t.Error("a deletion that goes out again is forgotten")
	}
	sent, _ = r.next(wake)
	r.set(outgoing{topic: "a", payload: []byte("back")})
	sent.confirmed()
	if r.len() != 1 {
		t.Error("a topic that came back is forgotten")
	}
	r.set(outgoing{topic: "a"})
	sent, _ = r.next(wake)
	sent.confirmed()
	if r.len() != 0 {
		t.Error("a confirmed deletion is kept")
	}
}

func TestThereIsRoomForSoManyRetainedTopics(t *testing.T) {
	r := newRetainedStore(1)
	for i, step := range []struct {
		topic string
		room  bool
	}{{"a", true}, {"a", true}, {"b", false}} {
		if r.set(outgoing{topic: step.topic}) != step.room {
			t.Errorf("step %d: the bound does not hold", i)
		}
	}
}

// Whatever happens, a connection on which everything was sent has left the
// broker with the latest value of every topic.
func TestTheBrokerEndsWithTheLatestValues(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := newRetainedStore(100)
		broker, want := map[string]string{}, map[string]string{}
		wake := make(chan struct{}, 1)
		send := func() bool {
			message, ok := r.next(wake)
			if !ok {
				return false
			}
			if broker[message.topic] = string(message.payload); len(message.payload) == 0 {
				delete(broker, message.topic)
			}
			if message.confirmed != nil && rapid.Bool().Draw(t, "confirmed") {
				message.confirmed()
			}
			return true
		}
		for i := range rapid.IntRange(0, 50).Draw(t, "steps") {
			switch rapid.IntRange(0, 9).Draw(t, "step") {
			case 0: // another connection, to a broker that has lost everything
				broker = map[string]string{}
				wake = make(chan struct{}, 1)
				r.attach(wake)
			case 1, 2, 3:
				send()
			case 4, 5:
				topic := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "topic")
				delete(want, topic)
				r.set(outgoing{topic: topic})
			default:
				topic := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "topic")
				want[topic] = fmt.Sprint(i)
				r.set(outgoing{topic: topic, payload: []byte(want[topic])})
			}
		}
		r.attach(wake)
		for send() {
		}
		if fmt.Sprint(broker) != fmt.Sprint(want) {
			t.Fatalf("the broker has %v, want %v", broker, want)
		}
	})
}
