package emulator_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/wattline/wattline/agents/emulator"
	"github.com/wattline/wattline/agents/kasa"
)

const patience = 10 * time.Second

// monday is a working day in UTC, which is the zone of plugs without one.
func monday(hour int) time.Time { return time.Date(2026, 9, 7, hour, 0, 0, 0, time.UTC) }

// hands is a clock that a test moves by hand.
type hands struct {
	mu sync.Mutex
	at time.Time
}

func clockAt(at time.Time) *hands { return &hands{at: at} }

func (h *hands) Now() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.at
}

func (h *hands) Forward(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.at = h.at.Add(d)
}

// newPlug makes a plug that is asked directly, without a network.
func newPlug(t testing.TB, spec emulator.Spec, opts emulator.Options) *emulator.Plug {
	t.Helper()
	if spec.ID == "" {
		spec.ID = "desk-1"
	}
	plug, err := emulator.NewPlug(spec, opts)
	if err != nil {
		t.Fatal(err)
	}
	return plug
}

// startPlug runs one on a free port until the test ends.
func startPlug(t testing.TB, spec emulator.Spec, opts emulator.Options) *emulator.Plug {
	t.Helper()
	plug := newPlug(t, spec, opts)
	if err := plug.Listen(t.Context()); err != nil {
		t.Fatal(err)
	}
	run(t, plug.Run)
	return plug
}

// run starts something and, when the test ends, stops it and waits for it.
func run(t testing.TB, serve func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("it ended with %v", err)
			}
		case <-time.After(patience):
			t.Error("it does not end")
		}
	})
}

func dial(t testing.TB, plug *emulator.Plug) net.Conn {
	t.Helper()
	conn, err := connect(plug.Addr(), patience)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return conn
}

func connect(address string, within time.Duration) (net.Conn, error) {
	dialer := net.Dialer{Timeout: within}
	return dialer.DialContext(context.Background(), "tcp", address)
}

func write(t testing.TB, conn net.Conn, data []byte) {
	t.Helper()
	if _, err := conn.Write(data); err != nil {
		t.Fatal(err)
	}
}

// exchange sends one frame and reads one.
func exchange(conn net.Conn, request string) (object, error) {
	if _, err := conn.Write(kasa.AppendFrame(nil, []byte(request))); err != nil {
		return nil, err
	}
	reply, err := kasa.ReadFrame(conn, kasa.MaxFrame)
	if err != nil {
		return nil, err
	}
	var parsed object
	if err := json.Unmarshal(reply, &parsed); err != nil {
		return nil, fmt.Errorf("%w in %s", err, reply)
	}
	return parsed, nil
}

// object is a decoded reply.
type object map[string]any

// at follows keys into objects; nil if there is nothing.
func (o object) at(path ...string) any {
	var value any = map[string]any(o)
	for _, key := range path {
		inner, ok := value.(map[string]any)
		if !ok {
			return nil
		}
		value = inner[key]
	}
	return value
}

func (o object) sub(path ...string) object {
	inner, _ := o.at(path...).(map[string]any)
	return inner
}

// list is the objects of an array.
func (o object) list(path ...string) []object {
	values, _ := o.at(path...).([]any)
	list := make([]object, len(values))
	for i, value := range values {
		inner, _ := value.(map[string]any)
		list[i] = inner
	}
	return list
}

// answer asks without a network and demands an answer that is JSON.
func answer(t fataler, plug *emulator.Plug, request string) object {
	t.Helper()
	reply, ok := plug.Answer([]byte(request))
	if !ok {
		t.Fatalf("no answer to %s", request)
	}
	var parsed object
	if err := json.Unmarshal(reply, &parsed); err != nil {
		t.Fatalf("%v in %s", err, reply)
	}
	return parsed
}

// rawAnswer is the reply's text.
func rawAnswer(t fataler, plug *emulator.Plug, request string) string {
	t.Helper()
	reply, ok := plug.Answer([]byte(request))
	if !ok {
		t.Fatalf("no answer to %s", request)
	}
	return string(reply)
}

func wantCode(t testing.TB, reply object, code float64, path ...string) {
	t.Helper()
	if got := reply.at(append(path, "err_code")...); got != code {
		t.Errorf("err_code of %v is %v, want %v, in %v", path, got, code, reply)
	}
}

// wantEnd demands that the peer closes without a further byte.
func wantEnd(t testing.TB, conn net.Conn) {
	t.Helper()
	var one [1]byte
	if n, err := conn.Read(one[:]); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("read %d bytes and %v, want the connection closed", n, err)
	}
}

// silence demands that nothing comes for a moment. It cannot fail wrongly.
func silence(t testing.TB, conn net.Conn) {
	t.Helper()
	if err := conn.SetReadDeadline(time.Now().Add(60 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	var one [1]byte
	n, err := conn.Read(one[:])
	var timeout net.Error
	if n != 0 || !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("read %d bytes and %v, want silence", n, err)
	}
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
}

// fataler is what testing and rapid have in common.
type fataler interface {
	Helper()
	Fatal(...any)
	Fatalf(string, ...any)
}
