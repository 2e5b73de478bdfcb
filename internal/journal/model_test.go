package journal_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/journal"
)

// model is what a journal should be: a list that is never trimmed, and how far
// each hook has stored.
type model struct {
	t       *rapid.T
	folder  string
	path    string
	crashes int
	journal *journal.Journal

	stream string
	all    []wattline.Reading
	newest map[string]wattline.Reading
	memos  map[string]string
	stored map[string]uint64
	gone   map[string]bool // forgotten
	// trimmed is the most that all hooks that were waited for at the time had
	// stored: one that is heard of later cannot bring it back.
	trimmed uint64
	// lag is by how much readings age behind the clock since the journal was opened.
	lag time.Duration
	// aged is what had become too old before that.
	aged uint64
}

// waited names the hook that the configuration of every journal here names.
const waited = "influx"

// modelAge bounds the age of what the journals here hold.
const modelAge = 2 * time.Minute

func TestJournalAgainstModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		folder := memoryFolder(rt)
		defer os.RemoveAll(folder)
		var failure any
		synctest.Test(t, func(*testing.T) {
			time.Sleep(24 * time.Hour) // so that there is a past
			m := &model{t: rt, folder: folder, path: filepath.Join(folder, "0.db")}
			m.begin()
			defer func() { // rapid wants its panic in its own goroutine
				failure = recover()
				closed(rt, m.journal)
			}()
			rt.Repeat(map[string]func(*rapid.T){
				"":        m.check,
				"append":  m.append,
				"several": m.appendTogether,
				"store":   m.store,
				"forget":  m.forget,
				"page":    m.page,
				"wait":    func(*rapid.T) { time.Sleep(2 * time.Second) },
				"age":     func(*rapid.T) { time.Sleep(modelAge / 2) },
				"full":    m.diskFull,
				"reopen":  m.reopen,
				"crash":   m.crash,
				"damage":  m.damage,
				"destroy": m.destroy,
			})
		})
		if fmt.Sprintf("%T", failure) == "rapid.invalidData" {
			panic(failure) // from a line of its own: rapid tells failures apart by it
		}
		if failure != nil {
			panic(failure)
		}
	})
}

func (m *model) options() journal.Options {
	return journal.Options{Path: m.path, WaitFor: []string{waited}, CommitReadings: 50, MaxAge: modelAge}
}

// begin opens a journal that should be empty.
func (m *model) begin() {
	m.journal = open(m.t, m.options())
	if m.journal.Stream() == m.stream {
		m.t.Fatal("the stream is not new")
	}
	m.stream, m.all = m.journal.Stream(), nil
	m.stored, m.gone, m.trimmed = map[string]uint64{}, map[string]bool{}, 0
	m.lag, m.aged = 0, 0
}

func (m *model) append(t *rapid.T) {
	if m.newest == nil {
		m.newest, m.memos = map[string]wattline.Reading{}, map[string]string{}
	}
	for range rapid.IntRange(1, 30).Draw(t, "readings") {
		reading := readingOf(rapid.IntRange(0, 1<<40).Draw(t, "n"), time.Now())
		kept := mustAppend(t, m.journal, reading)
		reading.Stream, reading.Seq = m.stream, uint64(len(m.all)+1)
		if diff := cmp.Diff(reading, kept); diff != "" {
			t.Fatal(diff)
		}
		m.all = append(m.all, reading)
		m.newest[reading.Device], m.memos[reading.Device] = reading, ""
	}
}

func (m *model) appendTogether(t *rapid.T) {
	if m.newest == nil {
		m.newest, m.memos = map[string]wattline.Reading{}, map[string]string{}
	}
	first := readingOf(rapid.IntRange(0, 1<<40).Draw(t, "n"), time.Now())
	var together []wattline.Reading
	for i := range rapid.IntRange(1, 5).Draw(t, "readings") {
		next := first
		next.Time = wattline.At(first.Time.Add(time.Duration(i) * time.Millisecond))
		together = append(together, next)
	}
	if rapid.Bool().Draw(t, "days gone by") {
		for i := range together[:len(together)-1] {
			together[i].Time = wattline.At(first.Time.Add(time.Duration(i-10) * modelAge))
			together[i].Quality = wattline.QualityEstimated
		}
	}
	memo := rapid.StringN(0, 20, -1).Draw(t, "memo")
	kept, err := m.journal.AppendAll(bg(), together, []byte(memo))
	if err != nil {
		t.Fatal(err)
	}
	for i := range together {
		together[i].Stream, together[i].Seq = m.stream, uint64(len(m.all)+i+1)
	}
	if diff := cmp.Diff(together, kept); diff != "" {
		t.Fatal(diff)
	}
	m.all = append(m.all, together...)
	m.newest[first.Device], m.memos[first.Device] = together[len(together)-1], memo
}

func (m *model) hook(t *rapid.T) string {
	return rapid.SampledFrom([]string{waited, "archive", "other"}).Draw(t, "hook")
}

func (m *model) store(t *rapid.T) {
	hook := m.hook(t)
	seq := uint64(rapid.IntRange(0, len(m.all)+2).Draw(t, "seq"))
	err := m.journal.Stored(bg(), hook, seq)
	had, known := m.stored[hook]
	switch {
	case seq > uint64(len(m.all)):
		if codeOf(err) != wattline.CodeInvalid {
			t.Fatalf("a number that was never given: %v", err)
		}
	case err != nil:
		t.Fatal(err)
	case !known || seq > had:
		m.stored[hook] = seq
		delete(m.gone, hook)
	}
}

func (m *model) forget(t *rapid.T) {
	hook := m.hook(t)
	_, known := m.stored[hook]
	err := m.journal.Forget(bg(), hook)
	switch {
	case hook == waited:
		if codeOf(err) != wattline.CodeConflict {
			t.Fatalf("forgetting a configured hook: %v", err)
		}
	case !known || m.gone[hook]:
		if codeOf(err) != wattline.CodeNotFound {
			t.Fatalf("forgetting a hook that is not waited for: %v", err)
		}
	case err != nil:
		t.Fatal(err)
	default:
		m.gone[hook] = true
	}
}

// least is what every hook that is waited for has stored.
func (m *model) least() uint64 {
	least := m.stored[waited]
	for hook, seq := range m.stored {
		if !m.gone[hook] {
			least = min(least, seq)
		}
	}
	return least
}

func (m *model) page(t *rapid.T) {
	from := uint64(rapid.IntRange(1, len(m.all)+2).Draw(t, "from"))
	limit := rapid.IntRange(1, 300).Draw(t, "limit")
	page := mustPage(t, m.journal, from, limit)
	last := uint64(len(m.all))
	if page.Last != last || page.First > last+1 || page.First < 1 {
		t.Fatalf("holds %d to %d, last is %d", page.First, page.Last, last)
	}
	from = max(from, page.First)
	to := min(last, from+uint64(limit)-1)
	want := []wattline.Reading{}
	if from <= to {
		want = m.all[from-1 : to]
	}
	if diff := cmp.Diff(want, page.Readings); diff != "" {
		t.Fatalf("from %d limit %d: %s", from, limit, diff)
	}
}

func (m *model) check(t *rapid.T) {
	status := m.journal.Status()
	if status.Last != uint64(len(m.all)) || m.journal.Stream() != m.stream {
		t.Fatalf("status %+v with %d readings", status, len(m.all))
	}
	m.trimmed = max(m.trimmed, m.least())
	tooOld := max(m.aged, m.expired(0))
	if most := max(m.trimmed, tooOld); status.First > most+1 || status.Dropped > tooOld {
		t.Fatalf("begins at %d, but not all have stored more than %d, and %d are too old; %+v", status.First, m.trimmed, tooOld, status)
	}
	for device, want := range m.newest {
		got, memo, ok := m.journal.Recall(device)
		if !ok || !cmp.Equal(got, want) || string(memo) != m.memos[device] {
			t.Fatalf("last of %s: %s, memo %q, want %q", device, cmp.Diff(want, got), memo, m.memos[device])
		}
	}
	if all := everything(t, m.journal); !cmp.Equal(all, m.all[status.First-1:]) && len(all) > 0 {
		t.Fatalf("holds %d readings from %d to %d", len(all), all[0].Seq, all[len(all)-1].Seq)
	}
	const untilKept = 2 * time.Second
	time.Sleep(untilKept)
	least, most := max(m.trimmed, m.expired(untilKept))+1, max(m.trimmed, m.aged, m.expired(0))+1
	if first := m.journal.Status().First; first < least || first > most {
		t.Fatalf("begins at %d when trimming has had its time, want %d to %d", first, least, most)
	}
}

// expired is how many readings were too old so long ago.
func (m *model) expired(ago time.Duration) (n uint64) {
	for i, r := range m.all {
		if r.Quality.Has(wattline.QualityEstimated) {
			continue // with the one that follows
		}
		if !r.Time.Before(time.Now().Add(-modelAge - m.lag - ago)) {
			break
		}
		n = uint64(i + 1)
	}
	return n
}

// diskFull refuses every change for a while: nothing is kept and no number given.
func (m *model) diskFull(t *rapid.T) {
	set := func(refuse int) {
		if _, err := m.journal.Writer().ExecContext(bg(), fmt.Sprint("PRAGMA query_only = ", refuse)); err != nil {
			t.Fatal(err)
		}
	}
	set(1)
	if kept, err := m.journal.Append(bg(), readingOf(1, time.Now())); err == nil {
		t.Fatalf("kept on a full disk: %+v", kept)
	}
	if err := m.journal.Stored(bg(), waited, uint64(len(m.all))); err == nil && m.stored[waited] < uint64(len(m.all)) {
		t.Fatal("noted on a full disk")
	}
	time.Sleep(time.Second)
	set(0)
}

func (m *model) reopen(t *rapid.T) {
	closed(t, m.journal)
	m.open(t)
}

// open goes on with a journal; those that were there age from their newest on.
func (m *model) open(t *rapid.T) {
	m.journal = open(t, m.options())
	var newest time.Time
	for _, r := range m.newest {
		if r.Time.After(newest) {
			newest = r.Time.Time
		}
	}
	m.aged, m.lag = max(m.aged, m.expired(0)), 0
	if !newest.IsZero() {
		m.lag = max(0, time.Since(newest))
	}
}

// crash goes on with what was on disk while the journal was open.
func (m *model) crash(t *rapid.T) {
	m.crashes++ // the time is a fake one, and may not have gone on since the last
	path := filepath.Join(m.folder, fmt.Sprintf("copy-%d.db", m.crashes))
	for _, suffix := range []string{"", "-wal"} {
		content, err := os.ReadFile(m.path + suffix)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path+suffix, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	closed(t, m.journal)
	m.path = path
	m.open(t)
}

// memoryFolder is a folder in memory where the system has one: syncing is not
// what this test is about, and takes most of its time.
func memoryFolder(t *rapid.T) string {
	parent := "/dev/shm"
	if _, err := os.Stat(parent); err != nil {
		parent = ""
	}
	folder, err := os.MkdirTemp(parent, "wattline-journal-")
	if err != nil {
		t.Fatal(err)
	}
	return folder
}

// damage makes the head of the closed file unreadable: nothing can be saved.
func (m *model) damage(t *rapid.T) {
	closed(t, m.journal)
	content, err := os.ReadFile(m.path)
	if err != nil {
		t.Fatal(err)
	}
	copy(content, "this is not a database file any more")
	if err := os.WriteFile(m.path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	m.newest = nil
	m.begin()
	aside, err := os.ReadFile(m.journal.Status().SetAside)
	if err != nil || !bytes.Equal(aside, content) {
		t.Fatalf("the damaged file was not kept: %v", err)
	}
}

// destroy removes the file.
func (m *model) destroy(t *rapid.T) {
	closed(t, m.journal)
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(m.path + suffix); err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
	}
	m.newest = nil
	m.begin()
}
