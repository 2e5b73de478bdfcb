// Package year_test runs a collector against an emulated plug for a year, which
// takes seconds, and holds what the history answers against what the plug's socket
// gave in truth.
package year_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/agents/collector"
	"github.com/wattline/wattline/agents/emulator"
	"github.com/wattline/wattline/agents/kasa"
	"github.com/wattline/wattline/internal/bus"
)

// With the race detector the year would take minutes. What could race is raced in
// the tests of the packages; here only the numbers count.
func TestMain(m *testing.M) {
	if !raced {
		goleak.VerifyTestMain(m)
		return
	}
	again := exec.CommandContext(context.Background(), "go", "test", "-count=1", "-timeout=0", ".")
	again.Stdout, again.Stderr = os.Stdout, os.Stderr
	if err := again.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "the same without the race detector:", err)
		os.Exit(1)
	}
}

const (
	deviceID = "desk-1"
	siteID   = "hq"
)

// site is one plug with the collector that reads it, in fake time.
type site struct {
	t    *testing.T
	poll time.Duration
	plug *emulator.Plug
	// answered is when the plug was read.
	answered []time.Time
	// journals are those of all collectors there have been, the last one in use.
	journals []*journal
	retained map[wattline.TopicKind]any // on the broker

	stop func()
}

func newSite(t *testing.T, spec emulator.Spec, poll time.Duration) *site {
	spec.ID = deviceID
	// The plug has been there for a month.
	plug, err := emulator.NewPlug(spec, emulator.Options{Now: time.Now, Zone: zone(t, "Europe/Madrid"), History: 30 * 24 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	return &site{t: t, poll: poll, plug: plug, journals: []*journal{{}}, retained: map[wattline.TopicKind]any{
		wattline.TopicDevice: wattline.Device{ID: deviceID, Kind: "workstation", Location: "hq/f1", Site: siteID, Address: "192.0.2.1"},
	}}
}

// start runs a collector until stop.
func (s *site) start() {
	client := kasa.NewClient(kasa.Options{Dial: s.plug.DialContext})
	broker := &broker{site: s}
	agent := collector.New(collector.Options{
		Bus: broker, Plugs: &reader{client, s}, Journal: s.journals[len(s.journals)-1], Site: siteID, Poll: s.poll,
		Log: slog.New(slog.DiscardHandler),
	})
	ctx, cancel := context.WithCancel(s.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- agent.Run(ctx) }()
	s.stop = func() {
		cancel()
		if err := <-ended; err != nil {
			s.t.Error(err)
		}
		if err := client.Close(); err != nil {
			s.t.Error(err)
		}
	}
}

// moveOn has the next collector begin with an empty journal.
func (s *site) moveOn() { s.journals = append(s.journals, &journal{}) }

// readings are those of all journals, in the order of time.
func (s *site) readings() []wattline.Reading {
	var all []wattline.Reading
	for _, j := range s.journals {
		all = append(all, j.all...)
	}
	slices.SortFunc(all, func(a, b wattline.Reading) int { return a.Time.Compare(b.Time.Time) })
	return all
}

// ask puts a request to the plug itself.
func (s *site) ask(request string) {
	if _, ok := s.plug.Answer([]byte(request)); !ok {
		s.t.Errorf("the plug does not answer %s", request)
	}
}

func (s *site) strike(fault emulator.Fault) {
	if err := s.plug.SetFault(fault); err != nil {
		s.t.Error(err)
	}
}

// isRead tells whether somebody reads the plug at the time.
func (s *site) isRead() bool {
	return len(s.answered) > 0 && time.Since(s.answered[len(s.answered)-1]) <= 3*s.poll
}

// reader notes when the plug has answered.
type reader struct {
	*kasa.Client
	site *site
}

func (r *reader) Read(ctx context.Context, target kasa.Target) (kasa.Measurement, error) {
	m, err := r.Client.Read(ctx, target)
	if err == nil {
		r.site.answered = append(r.site.answered, m.At.Truncate(time.Millisecond))
	}
	return m, err
}

// broker has one device, and retains what was published of it.
type broker struct {
	collector.Bus
	site *site
}

func (*broker) Instance() string                       { return "collector-1" }
func (*broker) Announce(string, ...string)             {}
func (*broker) AnnounceStream(func() (string, uint64)) {}

func (b *broker) Subscribe(o bus.SubscribeOptions, handle func(context.Context, bus.Message)) (func(), error) {
	payload, ok := b.site.retained[o.Filter.Kind]
	if !ok {
		return func() {}, nil
	}
	encoded, err := json.Marshal(payload)
	if err != nil {
		return nil, err
	}
	topic := o.Filter
	topic.Device = deviceID
	handle(context.Background(), bus.Message{Topic: topic, Payload: encoded, Retained: true})
	return func() {}, nil
}

func (*broker) Respond(bus.RespondOptions, bus.Handler) (func(), error) { return func() {}, nil }

func (*broker) Ask(context.Context, bus.Ask) (json.RawMessage, error) {
	return nil, wattline.Errorf(wattline.CodeNoResponder, "there is no history")
}

func (*broker) Publish(context.Context, wattline.Topic, any) error { return nil }

func (b *broker) Retain(_ context.Context, topic wattline.Topic, payload any) error {
	b.site.retained[topic.Kind] = payload
	return nil
}

// journal keeps everything, in memory. Nobody asks it for anything else.
type journal struct {
	collector.Journal
	all  []wattline.Reading
	memo []byte
}

func (*journal) OnCommit(func([]wattline.Reading)) {}

func (j *journal) AppendAll(_ context.Context, readings []wattline.Reading, memo []byte) ([]wattline.Reading, error) {
	for _, r := range readings {
		r.Stream, r.Seq = "stream", uint64(len(j.all)+1)
		j.all = append(j.all, r)
	}
	j.memo = memo
	return j.all[len(j.all)-len(readings):], nil
}

func (j *journal) Recall(string) (wattline.Reading, []byte, bool) {
	if len(j.all) == 0 {
		return wattline.Reading{}, nil, false
	}
	return j.all[len(j.all)-1], j.memo, true
}

func (j *journal) Stream() string  { return "stream" }
func (j *journal) LastSeq() uint64 { return uint64(len(j.all)) }

func zone(t *testing.T, name string) *time.Location {
	t.Helper()
	location, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return location
}
