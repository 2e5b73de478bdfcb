package hooks_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/hooks"
	"github.com/wattline/wattline/internal/bus"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// line is a bus with one subscriber.
type line struct {
	handle func(context.Context, bus.Message)
	ended  bool
	refuse error
}

func (l *line) Subscribe(o bus.SubscribeOptions, handle func(context.Context, bus.Message)) (func(), error) {
	if o.Filter != (wattline.Topic{Kind: wattline.TopicData}) {
		return nil, errors.New("another filter")
	}
	l.handle = handle
	return func() { l.ended = true }, l.refuse
}

func (l *line) deliver(device string, payload string) {
	l.handle(context.Background(), bus.Message{
		Topic: wattline.Topic{Kind: wattline.TopicData, Site: "hq", Device: device}, Payload: []byte(payload),
	})
}

// handler is a hook made of a function.
type handler func(context.Context, wattline.Reading) error

func (h handler) Handle(ctx context.Context, r wattline.Reading) error { return h(ctx, r) }

func reading() wattline.Reading {
	return wattline.Reading{Device: "desk-1", Time: wattline.AtMilli(1_700_000_000_000), PowerW: 61_753, Relay: wattline.RelayOn}
}

func text(t *testing.T, r wattline.Reading) string {
	t.Helper()
	data, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestListen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		var l line
		var got []wattline.Reading
		var failure error
		hook := handler(func(ctx context.Context, r wattline.Reading) error {
			got = append(got, r)
			switch r.PowerW {
			case 1:
				panic("a mistake")
			case 2:
				<-ctx.Done()
				return ctx.Err()
			}
			return failure
		})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() {
			ended <- hooks.Listen(ctx, hooks.Options{Name: "alert", Bus: &l, Log: slog.New(slog.NewTextHandler(&log, nil))}, hook)
		}()
		synctest.Wait()

		good := reading()
		l.deliver("desk-1", text(t, good))
		if len(got) != 1 || got[0] != good {
			t.Errorf("a valid reading: got %v", got)
		}
		l.deliver("desk-1", "")
		l.deliver("desk-2", text(t, good))
		if len(got) != 1 {
			t.Errorf("what is no reading was handled: %v", got)
		}
		for _, power := range []wattline.Milli{1, 2, 3} {
			failure = errors.New("no")
			r := good
			r.PowerW = power
			began := time.Now()
			l.deliver("desk-1", text(t, r))
			if took := time.Since(began); took > 11*time.Second {
				t.Errorf("a call took %v", took)
			}
		}
		if len(got) != 4 || strings.Count(log.String(), "hook fails") != 1 {
			t.Errorf("%d readings were handled; log: %s", len(got), &log)
		}
		cancel()
		if err := <-ended; err != nil || !l.ended {
			t.Errorf("at the end: %v, unsubscribed %v", err, l.ended)
		}
	})
	t.Run("fails when the subscription is refused", func(t *testing.T) {
		l := line{refuse: errors.New("forbidden")}
		err := hooks.Listen(t.Context(), hooks.Options{Name: "alert", Bus: &l}, handler(nil))
		if !errors.Is(err, l.refuse) {
			t.Errorf("got %v", err)
		}
	})
}

func TestDecode(t *testing.T) {
	good := text(t, reading())
	for name, c := range map[string]struct{ payload, field string }{
		"a reading":                    {good, ""},
		"with a field of later times":  {strings.Replace(good, "{", `{"colour":"red",`, 1), ""},
		"not JSON":                     {"nonsense", "body"},
		"cut short":                    {good[:1], "body"},
		"followed by more":             {good + "{}", "body"},
		"without a relay":              {strings.Replace(good, `"relay":"on",`, "", 1), "relay"},
		"with a relay that may be":     {strings.Replace(good, `"on"`, `"maybe"`, 1), "relay"},
		"with a null":                  {strings.Replace(good, "61.753", "null", 1), "power_w"},
		"with a number as a string":    {strings.Replace(good, "61.753", `"61.753"`, 1), "power_w"},
		"of another device":            {strings.Replace(good, "desk-1", "desk-2", 1), "device"},
		"with a field twice":           {strings.Replace(good, "{", `{"device":"desk-1",`, 1), "device"},
		"with a number, but no stream": {strings.Replace(good, "{", `{"seq":7,`, 1), "seq"},
		"of the year 9999":             {strings.Replace(good, "2023", "9999", 1), "time"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := hooks.Decode(bus.Message{
				Topic:   wattline.Topic{Kind: wattline.TopicData, Site: "hq", Device: "desk-1"},
				Payload: []byte(c.payload),
			})
			if c.field == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			known, ok := errors.AsType[*wattline.Error](err)
			if !ok || known.Code != wattline.CodeInvalid || known.Fields[0].Field != c.field {
				t.Errorf("got %v, want a fault of %s", err, c.field)
			}
		})
	}
}

func FuzzDecode(f *testing.F) {
	data, err := json.Marshal(reading())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Fuzz(func(t *testing.T, payload []byte) {
		got, err := hooks.Decode(bus.Message{Topic: wattline.Topic{Kind: wattline.TopicData, Device: "desk-1"}, Payload: payload})
		if err == nil && (got.Validate() != nil || got.Device != "desk-1") {
			t.Errorf("%q was taken as %+v", payload, got)
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	data, err := json.Marshal(reading())
	if err != nil {
		b.Fatal(err)
	}
	message := bus.Message{Topic: wattline.Topic{Kind: wattline.TopicData, Device: "desk-1"}, Payload: data}
	for b.Loop() {
		if _, err := hooks.Decode(message); err != nil {
			b.Fatal(err)
		}
	}
}
