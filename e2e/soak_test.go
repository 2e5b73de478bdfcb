package e2e_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/testserver"
)

// away is how long the store is away in TestSoak; make soak says an hour.
var away = flag.Duration("away", 10*time.Second, "how long TestSoak keeps the store away")

// longestDrain is how much longer than the store was away its backlog may take.
const longestDrain = 2 * time.Minute

// soakPlugs is how many plugs are polled, each every second.
const soakPlugs = 50

// TestSoak takes the store away while plugs are read every second. Live values
// must go on; afterwards the backlog must drain, and every reading be stored once.
// Its figures are logged as a table.
func TestSoak(t *testing.T) {
	t.Parallel()
	s := startSoak(t)
	s.during("before", min(*away, time.Minute))
	s.server.Kill()
	s.during("store away", *away)
	s.server.Start()
	s.drain()
	s.during("after", min(*away, time.Minute))
	s.freeze()
	s.waitStored(s.lastSeq())
	t.Logf("\n%s", s.table())
	s.settle()
}

// soak is a scene with an InfluxDB, and the figures of each phase.
type soak struct {
	*scene

	addr      string    // of the broker
	positions *recorder // what the hook says is stored
	metered   []string
	phases    []phase
}

// phase is what was seen during a stretch of time.
type phase struct {
	name   string
	length time.Duration
	// shown is how long it took, at each check, until the API showed a later
	// reading of every plug.
	shown       []time.Duration
	seq, stored uint64
	// journal is what the API says of the collector's.
	journal             wattline.JournalStatus
	agentsMB, storingMB int
}

func startSoak(t *testing.T) *soak {
	t.Helper()
	broker := testserver.Mosquitto(t, testserver.MosquittoOptions{})
	s := &soak{scene: &scene{since: time.Now(), plugs: startEmulator(t, "--plugs", fmt.Sprint(soakPlugs))}}
	s.office = newOffice(t, outsideBroker(broker))
	s.server = testserver.Influx(t)
	s.bucket = s.server.Bucket()
	s.influxStore(s.server, s.bucket)
	s.declare(s.plugs.devices...)
	s.addr = broker.Addr()
	m := mqtt{t, s.addr}
	s.heard, s.positions = m.record("wattline/data/#"), m.record("wattline/stored/#")
	s.parts = s.apart()
	for _, d := range s.plugs.devices {
		s.waitUp(d.ID)
		if s.state(d.ID).State.Can(wattline.CapabilityMeter) {
			s.metered = append(s.metered, d.ID)
		}
	}
	return s
}

// during checks the live values every ten seconds, and at the end of a stretch.
func (s *soak) during(name string, length time.Duration) {
	s.t.Helper()
	p := phase{name: name, length: length}
	begun := time.Now()
	for logged := begun; ; {
		p.shown = append(p.shown, s.showsLater(time.Now()))
		left := length - time.Since(begun)
		if left <= 0 {
			break
		}
		if time.Since(logged) > time.Minute {
			logged = time.Now()
			s.t.Logf("%s: %v to go, %d readings taken, %d stored", name, left.Round(time.Second), s.lastSeq(), s.storedSeq())
		}
		time.Sleep(min(left, 10*time.Second))
	}
	s.end(p)
}

func (s *soak) end(p phase) {
	p.seq, p.stored = s.lastSeq(), s.storedSeq()
	p.journal = s.journalStatus()
	p.agentsMB, p.storingMB = residentMB(s.t, s.agents), residentMB(s.t, s.components)
	s.phases = append(s.phases, p)
}

// journalStatus is that of the only collector. It must have dropped nothing.
func (s *soak) journalStatus() wattline.JournalStatus {
	s.t.Helper()
	var list struct {
		Journals []struct {
			Journal wattline.JournalStatus `json:"journal"`
		} `json:"journals"`
	}
	s.get("/api/v1/system/journal", &list)
	if len(list.Journals) != 1 || len(list.Journals[0].Journal.Hooks) != 1 || list.Journals[0].Journal.Dropped != 0 {
		s.t.Fatalf("the journals are %+v", list)
	}
	return list.Journals[0].Journal
}

// showsLater waits until the API, and the retained topic behind it, have of every
// plug a reading that was taken after an instant.
func (s *soak) showsLater(than time.Time) time.Duration {
	s.t.Helper()
	testserver.Eventually(s.t, patience, func() error {
		for _, id := range s.metered {
			var state wattline.FreshState
			if err := s.tryGet("/api/v1/devices/"+id+"/state", &state); err != nil {
				return err
			}
			if state.Reading == nil || !state.Reading.Time.After(than) {
				return fmt.Errorf("at %v %s still has %+v", than, id, state)
			}
		}
		return nil
	})
	took := time.Since(than)
	for _, r := range s.retained() {
		if !r.Time.After(than) {
			s.t.Errorf("at %v the retained reading of %s is that of %v", than, r.Device, r.Time)
		}
	}
	return took
}

// retained is what a client gets that subscribes now.
func (s *soak) retained() []wattline.Reading {
	s.t.Helper()
	m := mqtt{s.t, s.addr}
	printed, err := m.client(soon(s.t), "mosquitto_sub", "--retained-only", "-C", fmt.Sprint(len(s.metered)), "-W", "30",
		"-t", "wattline/data/#", "-F", "%p").Output()
	if err != nil {
		s.t.Fatalf("%d retained readings are not to be had: %v", len(s.metered), err)
	}
	var readings []wattline.Reading
	for line := range strings.Lines(string(printed)) {
		var r wattline.Reading
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			s.t.Fatal(err, line)
		}
		readings = append(readings, r)
	}
	return readings
}

// lastSeq is the newest number of the only journal.
func (s *soak) lastSeq() (last uint64) {
	s.t.Helper()
	for _, r := range s.retained() {
		last = max(last, r.Seq)
	}
	return last
}

// storedSeq is the number up to which the hook has stored everything.
func (s *soak) storedSeq() uint64 {
	s.t.Helper()
	var at wattline.Stored
	for _, payload := range s.positions.newest() {
		if err := json.Unmarshal([]byte(payload), &at); err != nil {
			s.t.Fatal(err, payload)
		}
	}
	return at.Seq
}

// drain measures how long the hook takes to notice that the store is back, and
// then to store what was taken meanwhile.
func (s *soak) drain() {
	s.t.Helper()
	target, from := s.lastSeq(), s.storedSeq()
	s.until("back, not noticed", from+1)
	s.until(fmt.Sprintf("drain of %d", target-from), target)
}

// until checks the live values until everything up to a number is stored.
func (s *soak) until(name string, stored uint64) {
	s.t.Helper()
	p := phase{name: name}
	for begun := time.Now(); s.storedSeq() < stored; p.length = time.Since(begun) {
		if p.length > longestDrain+*away {
			s.t.Fatalf("%s: %d is stored of %d after %v", name, s.storedSeq(), stored, p.length)
		}
		p.shown = append(p.shown, s.showsLater(time.Now()))
	}
	s.end(p)
}

func (s *soak) waitStored(seq uint64) {
	s.t.Helper()
	testserver.Eventually(s.t, patience, func() error {
		if stored := s.storedSeq(); stored < seq {
			return fmt.Errorf("%d is stored of %d", stored, seq)
		}
		return nil
	})
}

func (s *soak) table() string {
	var text strings.Builder
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "phase\tlength\tchecks\tshown within: half\tall\ttaken\tstored\tbehind\tby\tjournal MB\tagents MB\thook MB\t")
	for _, p := range s.phases {
		var half, all time.Duration
		if n := len(p.shown); n > 0 {
			slices.Sort(p.shown)
			half, all = p.shown[n/2], p.shown[n-1]
		}
		fmt.Fprintf(table, "%s\t%v\t%d\t%v\t%v\t%d\t%d\t%d\t%v\t%.1f\t%d\t%d\t\n", p.name, p.length.Round(time.Second/10), len(p.shown),
			half.Round(time.Millisecond), all.Round(time.Millisecond), p.seq, p.stored, p.seq-p.stored,
			time.Duration(p.journal.Hooks[0].BehindS)*time.Millisecond, float64(p.journal.Bytes)/(1<<20), p.agentsMB, p.storingMB)
	}
	_ = table.Flush()
	return text.String()
}

// residentMB is the memory of a process; 0 where the system does not tell.
func residentMB(t *testing.T, w *wattlineProcess) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", w.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	var kB int
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			if _, err := fmt.Sscan(rest, &kB); err != nil {
				t.Fatal(err)
			}
		}
	}
	return kB >> 10
}
