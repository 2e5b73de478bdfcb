package collector_test

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/agents/agenttest"
	"github.com/wattline/wattline/agents/collector"
	"github.com/wattline/wattline/agents/kasa"
)

// plugs is a house of plugs that answer, fail or hang as they are told.
type plugs struct {
	mu      sync.Mutex
	answers map[string]func(context.Context) (kasa.Measurement, error)
	reads   map[string][]time.Time
	days    map[string]func(context.Context) kasa.Days
	asked   map[string][]time.Time
	now     int
	most    int
}

func newPlugs() *plugs {
	return &plugs{
		answers: map[string]func(context.Context) (kasa.Measurement, error){}, reads: map[string][]time.Time{},
		days: map[string]func(context.Context) kasa.Days{}, asked: map[string][]time.Time{},
	}
}

func (p *plugs) set(host string, answer func(context.Context) (kasa.Measurement, error)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answers[host] = answer
}

func (p *plugs) Read(ctx context.Context, target kasa.Target) (kasa.Measurement, error) {
	p.mu.Lock()
	answer := p.answers[target.Host]
	p.reads[target.Host] = append(p.reads[target.Host], time.Now())
	p.now++
	p.most = max(p.most, p.now)
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.now--
	}()
	return answer(ctx)
}

// Days are not to be had of these plugs, unless a test says otherwise.
func (p *plugs) Days(ctx context.Context, target kasa.Target, since time.Time) (kasa.Days, error) {
	p.mu.Lock()
	p.asked[target.Host] = append(p.asked[target.Host], since)
	days := p.days[target.Host]
	p.mu.Unlock()
	if days != nil {
		return days(ctx), nil
	}
	return kasa.Days{}, &kasa.Error{Class: kasa.ClassDevice, Message: "it knows no days"}
}

// tell has a plug know its days from now on.
func (p *plugs) tell(host string, days func(context.Context) kasa.Days) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.days[host] = days
}

// askedOf is how often a plug was asked for its days.
func (p *plugs) askedOf(host string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.asked[host])
}

func (p *plugs) readsOf(host string) []time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.reads[host])
}

func metered(context.Context) (kasa.Measurement, error) {
	return kasa.Measurement{
		At: time.Now(), Info: &kasa.Info{Model: "HS110(EU)", HasMeter: true, HasLED: true}, Relay: wattline.RelayOn, LED: wattline.RelayOn,
		Meter: &kasa.Meter{PowerW: 60_000, VoltageV: 230_000, CurrentA: 260, TotalWh: 5_000},
	}, nil
}

func unmetered(context.Context) (kasa.Measurement, error) {
	return kasa.Measurement{At: time.Now(), Info: &kasa.Info{Model: "HS100(EU)"}, Relay: wattline.RelayOff}, nil
}

func refused(context.Context) (kasa.Measurement, error) {
	return kasa.Measurement{}, &kasa.Error{Class: kasa.ClassRefused, Message: "connection refused"}
}

func hanging(ctx context.Context) (kasa.Measurement, error) {
	<-ctx.Done()
	return kasa.Measurement{}, &kasa.Error{Class: kasa.ClassTimeout, Message: "no answer in time", Err: ctx.Err()}
}

// journal numbers in memory; fail makes the disk full.
type journal struct {
	mu    sync.Mutex
	all   []wattline.Reading
	memos map[string][]byte
	fail  error
	stall chan struct{}
	hear  func([]wattline.Reading)
}

func newJournal() *journal { return &journal{memos: map[string][]byte{}} }

// stalls has the disk take what it is given from now on when it is released, no
// matter who still waits for that.
func (j *journal) stalls() (release func()) {
	j.mu.Lock()
	defer j.mu.Unlock()
	stall := make(chan struct{})
	j.stall = stall
	return func() { close(stall) }
}

func (j *journal) AppendAll(ctx context.Context, readings []wattline.Reading, memo []byte) ([]wattline.Reading, error) {
	j.mu.Lock()
	stall := j.stall
	j.mu.Unlock()
	if stall == nil {
		return j.commit(readings, memo)
	}
	type result struct {
		kept []wattline.Reading
		err  error
	}
	done := make(chan result, 1)
	go func() {
		<-stall
		kept, err := j.commit(readings, memo)
		done <- result{kept, err}
	}()
	select {
	case r := <-done:
		return r.kept, r.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (j *journal) commit(readings []wattline.Reading, memo []byte) ([]wattline.Reading, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.fail != nil {
		return nil, j.fail
	}
	for _, r := range readings {
		r.Stream, r.Seq = "stream-1", uint64(len(j.all)+1)
		j.all = append(j.all, r)
		j.memos[r.Device] = memo
	}
	kept := slices.Clone(j.all[len(j.all)-len(readings):])
	if j.hear != nil {
		j.hear(kept)
	}
	return kept, nil
}

// kept are all readings, in their order.
func (j *journal) kept() []wattline.Reading {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.all)
}

func (j *journal) Recall(device string) (wattline.Reading, []byte, bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, r := range slices.Backward(j.all) {
		if r.Device == device {
			return r, j.memos[device], true
		}
	}
	return wattline.Reading{}, nil, false
}

func (j *journal) Page(_ context.Context, q wattline.ReplayQuery) (wattline.ReplayPage, error) {
	return wattline.ReplayPage{Stream: q.Stream, First: 1, Last: 9}, nil
}

func (j *journal) Stored(context.Context, string, uint64) error { return nil }
func (j *journal) Status() wattline.JournalStatus               { return wattline.JournalStatus{Stream: j.Stream()} }

func (j *journal) Forget(_ context.Context, hook string) error {
	if hook != "influx" {
		return wattline.Errorf(wattline.CodeNotFound, "the journal waits for no hook %.80q", hook)
	}
	return nil
}
func (j *journal) Stream() string { return "stream-1" }

func (j *journal) OnCommit(hear func([]wattline.Reading)) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.hear = hear
}

func (j *journal) LastSeq() uint64 { return uint64(len(j.kept())) }

// office is a collector under test with all that is around it.
type office struct {
	bus     *agenttest.Bus
	plugs   *plugs
	journal *journal
}

// run runs a collector of 5 s polls in a bubble of fake time.
func run(t *testing.T, do func(*testing.T, office)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		o := office{bus: agenttest.New(t), plugs: newPlugs(), journal: newJournal()}
		c := collector.New(collector.Options{
			Bus: o.bus, Plugs: o.plugs, Journal: o.journal, Site: "hq", Log: slog.New(slog.DiscardHandler),
		})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- c.Run(ctx) }()
		synctest.Wait()
		do(t, o)
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func device(id string) wattline.Device {
	return wattline.Device{ID: id, Kind: "workstation", Location: "hq/f1", Site: "hq", Address: id + ".lan"}
}

func (o office) add(id string, answer func(context.Context) (kasa.Measurement, error)) {
	o.plugs.set(id+".lan", answer)
	o.bus.DeliverDevice(device(id))
}

func (o office) states(id string) []wattline.State {
	return agenttest.Published[wattline.State](o.bus, stateTopic(id))
}

func (o office) readings(id string) []wattline.Reading {
	return agenttest.Published[wattline.Reading](o.bus, dataTopic(id))
}

func stateTopic(id string) wattline.Topic {
	return wattline.Topic{Kind: wattline.TopicState, Site: "hq", Device: id}
}

func dataTopic(id string) wattline.Topic {
	return wattline.Topic{Kind: wattline.TopicData, Site: "hq", Device: id}
}

func after(length time.Duration) {
	time.Sleep(length)
	synctest.Wait()
}
