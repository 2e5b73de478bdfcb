// Package chaos_test kills, cuts, fills and confuses everything that Wattline is
// made of, and afterwards holds what it says against what the plugs say. The form
// that go test runs is short; make chaos runs the long one.
package chaos_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/wattline/wattline/e2e/chaos/plan"
	"github.com/wattline/wattline/e2e/chaos/truth"
)

var (
	seed     = flag.Uint64("seed", 0, "makes the plan; 0 is 1 in the short form, and a random one in the long")
	duration = flag.Duration("duration", 0, "for how long things are done to the site; 0 is the short form")
	plugs    = flag.Int("plugs", 0, "how many plugs there are; 0 is 100, or 12 in the short form")
	tableTo  = flag.String("table", "", "write the table to this file")
	keepLogs = flag.Bool("keep", false, "keep the folder with the logs, even if nothing was wrong")
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestChaos(t *testing.T) {
	folder, err := os.MkdirTemp("", "wattline-chaos-") //nolint:usetesting // it is kept if something was wrong
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() || *keepLogs {
			t.Logf("the logs are in %s; the same plan again: make chaos SEED=%d DURATION=%v PLUGS=%d", folder, *seed, *duration, *plugs)
			return
		}
		_ = os.RemoveAll(folder)
	})
	chooseSeed()
	p := newProgress()
	defer p.end()
	p.say("building")
	s := newSite(t, folder, plugCount())
	since := time.Now()
	s.start()
	steps := plan.Make(s.options())
	l := s.run(steps, p)
	verdict := truth.Judge(l)
	dump(t, filepath.Join(folder, "ledger.json"), l)
	table := s.heading(since) + verdict.Table()
	t.Logf("\n%s", table)
	if len(verdict.Violations) > 0 {
		t.Errorf("%d promises were broken:\n%s", len(verdict.Violations), verdict.Broken(l))
	}
	write(t, table)
}

func chooseSeed() {
	switch {
	case *seed > 0:
	case *duration > 0:
		*seed = 1 + rand.Uint64N(1_000_000)
	default:
		*seed = 1
	}
}

func plugCount() int {
	switch {
	case *plugs > 0:
		return *plugs
	case *duration > 0:
		return 100
	}
	return 12
}

// options are the plan's: the short form has one of each, the long one twenty in
// twenty minutes.
func (s *site) options() plan.Options {
	o := plan.Options{
		Seed: *seed, Length: 35 * time.Second, Kills: 1, Cuts: 5, Faults: 5, Renames: 1, Fills: 1,
		Down: 2 * time.Second, StoreDown: 5 * time.Second,
	}
	if *duration > 0 {
		minutes := max(1, int(*duration/time.Minute))
		o.Length, o.Kills, o.Cuts, o.Faults = *duration, minutes, 3*minutes, 2*minutes
		o.Renames, o.Fills = max(1, minutes/2), max(1, minutes/6)
		o.Down, o.StoreDown = 8*time.Second, 2*time.Minute
	}
	for _, d := range s.plugs.devices {
		o.Plugs = append(o.Plugs, d.ID)
	}
	return o
}

// run carries out a plan under load and collects everything there is to know.
func (s *site) run(steps []plan.Step, p *progress) truth.Ledger {
	s.t.Helper()
	since := time.Now().Add(-time.Hour)
	r := newRecord()
	watching, stopWatching := context.WithCancel(context.Background())
	m := listen(s.t, watching, s.broker, r)
	var watchers sync.WaitGroup
	watchers.Go(func() { m.audit(watching) })
	watchers.Go(func() { m.pretend(watching) })
	for _, at := range s.doors {
		watchers.Go(func() { s.sample(watching, at, r) })
	}
	stopLoad := s.load(m, r)
	runner := s.newRunner(steps, r, p)
	runner.play()
	s.t.Logf("everything was done after %v", p.elapsed())
	stopLoad()
	p.say("settling")
	s.waitReady()
	s.relaysShown()
	s.t.Logf("everything was ready after %v", p.elapsed())
	faults := append(runner.faults, s.freeze())
	s.drained(m, r)
	s.accounted()
	s.t.Logf("everything was stored after %v", p.elapsed())
	stopWatching()
	watchers.Wait()
	p.say("collecting")
	l := truth.Ledger{
		Plugs: s.names(), Answers: map[string][]truth.Answer{}, Stored: s.collect(m, since), Faults: faults,
		Admitted: s.roles[plan.Agents].admissions(), Energy: s.plugs.energy,
	}
	for _, d := range s.plugs.devices {
		l.Answers[d.ID] = s.plugs.answers(d.ID)
	}
	l.Faults[len(l.Faults)-1].To = time.Now()
	r.fill(&l)
	s.askLater(l.Commands)
	s.stop(r)
	return l
}

// load has clients ask and switch until it is stopped, which waits for the last
// answers.
func (s *site) load(m *mqtt, r *record) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var clients sync.WaitGroup
	for i := range uint64(3) {
		c := s.newClient(r, *seed+i)
		clients.Go(func() { every(ctx, switchPause, c.rng, func(context.Context) { c.switchOne(context.Background()) }) })
	}
	group, questions := s.newClient(r, *seed+10), s.newClient(r, *seed+11)
	clients.Go(func() {
		every(ctx, groupPause, group.rng, func(context.Context) { group.switchMany(context.Background()) })
	})
	clients.Go(func() {
		every(ctx, queryPause, questions.rng, func(context.Context) { questions.query(context.Background()) })
	})
	for i := range uint64(2) {
		c := s.newClient(r, *seed+20+i)
		clients.Go(func() { every(ctx, askPause, c.rng, func(context.Context) { c.switchByMQTT(context.Background(), m) }) })
	}
	return func() {
		cancel()
		clients.Wait()
	}
}

// stop ends every process in good order and reads what they logged.
func (s *site) stop(r *record) {
	s.t.Helper()
	for _, name := range slices.Sorted(maps.Keys(s.roles)) {
		role := s.roles[name]
		role.stop()
		log, err := os.ReadFile(role.logFile())
		if err != nil {
			s.t.Fatal(err)
		}
		for _, bad := range []string{"panic:", "goroutine 1 [", "DATA RACE", s.influx.Token()} {
			if strings.Contains(string(log), bad) {
				s.t.Errorf("%s logged %q: see %s", name, bad, role.logFile())
			}
		}
	}
	for _, trouble := range r.troubles {
		s.t.Error(trouble)
	}
}

// heading says what was run, and what could not be.
func (s *site) heading(since time.Time) string {
	text := fmt.Sprintf("Seed %d, %d plugs at one second, %v.\n", *seed, len(s.plugs.devices), time.Since(since).Round(time.Second))
	if !s.disks[plan.JournalDisk].mounted {
		text += "No disk was full: " + needMount + ".\n"
	}
	return text + "\n"
}

// dump keeps everything that was collected, for whoever looks into a violation.
func dump(t *testing.T, path string, l truth.Ledger) {
	t.Helper()
	text, err := json.Marshal(l)
	if err == nil {
		err = os.WriteFile(path, text, 0o600)
	}
	if err != nil {
		t.Error(err)
	}
}

func write(t *testing.T, table string) {
	t.Helper()
	if *tableTo == "" {
		return
	}
	if err := os.WriteFile(*tableTo, []byte(table), 0o644); err != nil {
		t.Error(err)
	}
}

// sorted is the members of a set.
func sorted(set map[string]bool) []string { return slices.Sorted(maps.Keys(set)) }
