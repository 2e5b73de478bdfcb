package bus

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestARequestIsActedUponOnceUntilItsDeadline(t *testing.T) {
	m := newRequestMemory(10, false)
	now := time.Now()
	deadline := now.Add(time.Second)
	expect := func(at time.Time, want verdict, reply string) {
		t.Helper()
		if got, stored := m.begin("a", deadline, at); got != want || string(stored) != reply {
			t.Errorf("it is %v with the reply %q, want %v with %q", got, stored, want, reply)
		}
	}
	expect(now, actOnIt, "")
	expect(now, underWay, "")
	m.finish("a", []byte("done"))
	expect(now, answered, "done")
	expect(deadline, answered, "done")
	m.sweep(deadline.Add(time.Millisecond))
	if m.len() != 0 || m.bytes != 0 {
		t.Errorf("past its deadline %d requests and %d bytes are kept", m.len(), m.bytes)
	}
	m.finish("a", []byte("too late to matter"))
	if m.len() != 0 {
		t.Error("a request that ends after its deadline comes back")
	}
}

func TestAForgottenRequestIsNew(t *testing.T) {
	m := newRequestMemory(10, false)
	now := time.Now()
	m.begin("a", now.Add(time.Second), now)
	m.forget("a")
	m.forget("a")
	if what, _ := m.begin("a", now.Add(time.Second), now); what != actOnIt {
		t.Errorf("it is %v", what)
	}
}

func TestAFullMemoryRefusesCommandsAndForgetsTheOldestQueries(t *testing.T) {
	now := time.Now()
	deadline := now.Add(time.Second)
	for _, forgetful := range []bool{false, true} {
		m := newRequestMemory(2, forgetful)
		m.begin("a", deadline, now)
		m.begin("b", deadline, now)
		if what, _ := m.begin("c", deadline, now); what != noRoom {
			t.Errorf("with two under way, a third is %v", what)
		}
		m.finish("b", nil)
		want := noRoom
		if forgetful {
			want = actOnIt
		}
		if what, _ := m.begin("c", deadline, now); what != want {
			t.Errorf("with one answered, a third is %v, want %v", what, want)
		}
		if what, _ := m.known("a"); what != underWay {
			t.Errorf("the one under way is now %v", what)
		}
	}
}

func TestRepliesToQueriesAreKeptWithinABound(t *testing.T) {
	m := newRequestMemory(1000, true)
	now := time.Now()
	for i := range 100 {
		key := fmt.Sprint(i)
		m.begin(key, now.Add(time.Second), now)
		m.finish(key, make([]byte, 1<<20))
	}
	if m.bytes > maxRememberedBytes {
		t.Errorf("%d bytes are kept", m.bytes)
	}
	if what, _ := m.known("99"); what != answered {
		t.Errorf("the newest is %v", what)
	}
}

// The model: what a map that never runs out of room would say.
func TestTheMemoryAgreesWithItsModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newRequestMemory(1000, rapid.Bool().Draw(t, "forgetful"))
		type request struct {
			deadline time.Time
			done     bool
		}
		model := make(map[string]*request)
		now := time.Unix(1_800_000_000, 0)
		for range rapid.IntRange(0, 60).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 3).Draw(t, "pause")) * time.Second)
			for key, request := range model {
				if now.After(request.deadline) {
					delete(model, key)
				}
			}
			key := rapid.SampledFrom([]string{"a", "b", "c", "d"}).Draw(t, "key")
			if rapid.Bool().Draw(t, "finish") {
				if known := model[key]; known != nil && !known.done {
					m.finish(key, nil)
					known.done = true
				}
				continue
			}
			deadline := now.Add(time.Duration(rapid.IntRange(0, 5).Draw(t, "ahead")) * time.Second)
			want := actOnIt
			if known := model[key]; known == nil {
				model[key] = &request{deadline: deadline}
			} else if want = underWay; known.done {
				want = answered
			}
			if got, _ := m.begin(key, deadline, now); got != want {
				t.Fatalf("%s is %v, want %v", key, got, want)
			}
		}
		m.sweep(now)
		for key, request := range model {
			if now.After(request.deadline) {
				delete(model, key)
			}
		}
		if m.len() != len(model) || len(m.byEnd) != len(model) {
			t.Fatalf("%d are kept, %d by end, want %d", m.len(), len(m.byEnd), len(model))
		}
	})
}
