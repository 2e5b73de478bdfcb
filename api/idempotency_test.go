package api_test

import (
	"context"
	"net/http"
	"path/filepath"
	"runtime/pprof"
	"strconv"
	"strings"
	"testing"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/api"
	"github.com/wattline/wattline/internal/access"
	"github.com/wattline/wattline/internal/bus"
	"github.com/wattline/wattline/internal/commandlog"
)

func TestAKeyMakesARequestHappenOnce(t *testing.T) {
	o := open(t)
	const off = `{"selector":{"ids":["desk-1","desk-2"]},"action":"off"}`
	first := o.post(t, off, "Idempotency-Key", `"k1"`)
	again := o.post(t, ` { "action":"off", "selector":{"ids":["desk-1","desk-2"]}} `, "Idempotency-Key", "k1")
	if string(first.body) != string(again.body) || again.header.Get("Idempotent-Replayed") != "true" || first.header.Get("Idempotent-Replayed") != "" {
		t.Errorf("%s\nthen %s", first.body, again.body)
	}
	if n := len(o.bus.asks()); n != 2 {
		t.Errorf("%d commands were sent", n)
	}
	wantProblem(t, o.post(t, strings.Replace(off, "off", "on", 1), "Idempotency-Key", "k1"), wattline.CodeKeyReused, "")
	t.Run("of one principal", func(t *testing.T) {
		o.guests.let("other", inScope(t, access.Operator, "*"))
		o.postAs(t, "other", strings.Replace(off, "off", "on", 1), "Idempotency-Key", "k1")
		if n := len(o.bus.asks()); n != 4 {
			t.Errorf("%d commands were sent", n)
		}
	})
	t.Run("and a bad request takes no key", func(t *testing.T) {
		o.post(t, `{"selector":{},"action":"off"}`, "Idempotency-Key", "k2")
		if a := o.post(t, off, "Idempotency-Key", "k2"); a.status != http.StatusOK {
			t.Errorf("%d %s", a.status, a.body)
		}
	})
	for _, bad := range [][]string{
		{""}, {`""`}, {`"a`}, {`a"b`}, {"a\\b"}, {"schlüssel"}, {strings.Repeat("x", 256)}, {"a", "b"},
	} {
		var headers []string
		for _, value := range bad {
			headers = append(headers, "Idempotency-Key", value)
		}
		wantProblem(t, o.post(t, off, headers...), wattline.CodeInvalid, "Idempotency-Key")
	}
}

func TestARequestThatIsUnderWayIsNotRepeated(t *testing.T) {
	o := open(t)
	asked, finish := make(chan bool), make(chan bool)
	o.bus.set(func(b *fakeBus) {
		b.answer = func(ctx context.Context, ask bus.Ask) (any, error) {
			asked <- true
			<-finish
			return answerAll(ctx, ask)
		}
	})
	const off = `{"selector":{"ids":["desk-1"]},"action":"off"}`
	ctx, leave := context.WithCancel(context.Background())
	done := make(chan bool)
	go func() {
		defer close(done)
		r := request("POST", "/api/v1/commands", off).WithContext(ctx)
		r.Header.Set("Idempotency-Key", "k1")
		o.Handler().ServeHTTP(discard{}, r)
	}()
	<-asked
	leave() // the client goes; what it asked for is carried out all the same
	a := o.post(t, off, "Idempotency-Key", "k1")
	wantProblem(t, a, wattline.CodeConflict, "")
	if a.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	close(finish)
	<-done
	got := decoded[api.CommandsResponse](t, o.post(t, off, "Idempotency-Key", "k1"))
	if len(got.Results) != 1 || got.Results[0].Outcome != wattline.OutcomeDone || len(o.bus.asks()) != 1 {
		t.Errorf("%+v after %d commands", got, len(o.bus.asks()))
	}
}

func TestAKeyIsFreeIfItsClientLeftBeforeAnythingBegan(t *testing.T) {
	for _, prefer := range []string{"wait=5", "respond-async"} {
		t.Run(prefer, func(t *testing.T) {
			waiting, keep := laterKept(t, commandlog.Options{})
			o := open(t, func(options *api.Options) { options.Commands = waiting })
			const off = `{"selector":{"ids":["desk-1"]},"action":"off"}`
			r := request("POST", "/api/v1/commands", off)
			r.Header.Set("Idempotency-Key", "k1")
			r.Header.Set("Prefer", prefer)
			ctx, leave := context.WithCancel(r.Context())
			left := make(chan bool)
			go func() {
				defer close(left)
				o.Handler().ServeHTTP(discard{}, r.WithContext(ctx))
			}()
			eventually(t, "the key in the queue", func() bool {
				var stacks strings.Builder
				return pprof.Lookup("goroutine").WriteTo(&stacks, 1) == nil && strings.Contains(stacks.String(), "commandlog.(*Log).now")
			})
			leave()
			keep()
			<-left
			if n := len(o.bus.asks()); n != 0 {
				t.Errorf("%d commands were sent for nobody", n)
			}
			if a := o.post(t, off, "Idempotency-Key", "k1"); a.status != http.StatusOK || a.header.Get("Idempotent-Replayed") != "" {
				t.Errorf("%d %s", a.status, a.body)
			}
		})
	}
}

func TestNoKeyIsTakenBeyondTheRoomOfItsPrincipal(t *testing.T) {
	kept, keep := laterKept(t, commandlog.Options{MaxKeys: 1})
	keep()
	o := open(t, func(options *api.Options) { options.Commands = kept })
	const off = `{"selector":{"ids":["desk-1"]},"action":"off"}`
	first := o.post(t, off, "Idempotency-Key", "k1")
	full := o.post(t, off, "Idempotency-Key", "k2")
	wantProblem(t, full, wattline.CodeBusy, "")
	if s, err := strconv.Atoi(full.header.Get("Retry-After")); err != nil || s < 23*60*60 || s > 24*60*60+1 {
		t.Errorf("Retry-After %q", full.header.Get("Retry-After"))
	}
	if again := o.post(t, off, "Idempotency-Key", "k1"); string(again.body) != string(first.body) || len(o.bus.asks()) != 1 {
		t.Errorf("%s\nthen %s, after %d commands", first.body, again.body, len(o.bus.asks()))
	}
}

func TestAKeyHoldsAfterARestartOfTheGateway(t *testing.T) {
	path := filepath.Join(t.TempDir(), "commands.sqlite")
	keeping := func(forget *func()) func(*api.Options) {
		return func(options *api.Options) { options.Commands, *forget = keepCommands(t, path) }
	}
	const off = `{"selector":{"ids":["desk-1"]},"action":"off"}`
	var forget func()
	before := open(t, keeping(&forget))
	first := before.post(t, off, "Idempotency-Key", "k1")
	forget()
	after := open(t, keeping(&forget))
	if again := after.post(t, off, "Idempotency-Key", "k1"); string(again.body) != string(first.body) {
		t.Errorf("%s\nthen %s", first.body, again.body)
	}
	if n := len(after.bus.asks()); n != 0 {
		t.Errorf("%d commands were sent", n)
	}
}
