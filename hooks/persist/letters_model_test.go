package persist_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/hooks/persist"
	"github.com/wattline/wattline/internal/store"
)

// letterBoxModel is what the dead letters should be: a list.
type letterBoxModel struct {
	office
	t      *rapid.T
	want   []wattline.DeadLetter
	junk   int
	buried int
	copies int
}

func TestDeadLettersAgainstModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		folder := memoryFolder(rt)
		defer os.RemoveAll(folder)
		var failure any
		synctest.Test(t, func(*testing.T) {
			s := newStore()
			m := &letterBoxModel{t: rt, office: office{store: s, bus: newBus(s)}}
			m.runner = runner{t: rt, options: persist.Options{
				Name: "archive", Bus: m.bus, Store: s, Dir: filepath.Join(folder, "0"), BatchReadings: 4,
			}}
			m.start()
			defer func() { // rapid wants its panic in its own goroutine
				failure = recover()
				m.stop()
			}()
			rt.Repeat(map[string]func(*rapid.T){
				"":        m.check,
				"bury":    m.buryMore,
				"some":    m.resendSome,
				"all":     m.resendAll,
				"junk":    m.addJunk,
				"restart": func(*rapid.T) { m.stop(); m.start() },
				"kill":    m.kill,
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

func (m *letterBoxModel) buryMore(t *rapid.T) {
	n := rapid.IntRange(1, 6).Draw(t, "letters")
	m.bury(m.buried+1, m.buried+n)
	for range n {
		m.buried++
		m.want = append(m.want, wattline.DeadLetter{Tries: 1, Reason: "poison", Reading: wattline.Reading{PowerW: wattline.Milli(m.buried)}})
	}
}

// refuseSome makes the store take some readings, refuse others and fail at one.
func (m *letterBoxModel) refuseSome(t *rapid.T) (refuses func(wattline.Milli) bool, failsAt wattline.Milli) {
	share := wattline.Milli(rapid.IntRange(1, 4).Draw(t, "share"))
	failsAt = wattline.Milli(rapid.IntRange(0, m.buried*2).Draw(t, "fails at"))
	refuses = func(power wattline.Milli) bool { return power%share == 0 }
	m.store.set(func(batch []wattline.Reading) error {
		if slices.ContainsFunc(batch, func(r wattline.Reading) bool { return r.PowerW == failsAt }) {
			return &store.UnavailableError{Err: errors.New("away")}
		}
		return refusing(func(r wattline.Reading) string {
			if refuses(r.PowerW) {
				return "again"
			}
			return ""
		})(batch)
	})
	return refuses, failsAt
}

func (m *letterBoxModel) resendSome(t *rapid.T) {
	letters := m.all()
	var query wattline.ResendQuery
	var asked []wattline.Milli
	for _, letter := range letters {
		if rapid.Bool().Draw(t, "this one") {
			query.IDs = append(query.IDs, letter.ID)
			asked = append(asked, letter.Reading.PowerW)
		}
	}
	if len(asked) == 0 {
		return
	}
	m.send(t, query, asked)
}

func (m *letterBoxModel) resendAll(t *rapid.T) {
	var asked []wattline.Milli
	for _, letter := range m.want {
		asked = append(asked, letter.Reading.PowerW)
	}
	m.send(t, wattline.ResendQuery{All: true}, asked)
}

// send expects the batches before the first that fails to be dealt with.
func (m *letterBoxModel) send(t *rapid.T, query wattline.ResendQuery, asked []wattline.Milli) {
	refuses, failsAt := m.refuseSome(t)
	answer, err := m.hook.Resend(context.Background(), query)
	m.store.set(nil)
	stopped := false
	dealt := map[wattline.Milli]bool{}
	for batch := range slices.Chunk(asked, m.options.BatchReadings) {
		if stopped = slices.Contains(batch, failsAt); stopped {
			break
		}
		for _, power := range batch {
			dealt[power] = true
		}
	}
	if len(dealt) == 0 && stopped {
		if codeOf(err) != wattline.CodeStoreDown {
			t.Fatalf("nothing could be sent: %v", err)
		}
		return
	}
	if err != nil || (answer.Stopped != "") != stopped || query.All && (answer.Next != "") != stopped {
		t.Fatalf("answer %+v, %v; stopped %t", answer, err, stopped)
	}
	var left []wattline.DeadLetter
	for _, letter := range m.want {
		power := letter.Reading.PowerW
		if dealt[power] && !refuses(power) {
			continue
		}
		if dealt[power] {
			letter.Tries++
			letter.Reason = "again"
		}
		left = append(left, letter)
	}
	if answer.Taken != len(m.want)-len(left) || answer.Taken+answer.Refused != len(dealt) || answer.Left != len(left) {
		t.Fatalf("answer %+v of %d, %d left", answer, len(m.want), len(left))
	}
	m.want = left
}

func (m *letterBoxModel) addJunk(t *rapid.T) {
	line := rapid.SampledFrom([]string{"{}", "nonsense", `{"time":`, ""}).Draw(t, "line") + "\n"
	file, err := os.OpenFile(m.lettersPath(), os.O_APPEND|os.O_WRONLY|os.O_CREATE, 0o600)
	if err == nil {
		_, err = file.WriteString(line)
	}
	if err := errors.Join(err, file.Close()); err != nil {
		t.Fatal(err)
	}
	m.junk++
	m.stop()
	m.start() // it counts when it starts
}

// kill goes on with what is on the disk.
func (m *letterBoxModel) kill(t *rapid.T) {
	m.copies++
	next := filepath.Join(filepath.Dir(m.options.Dir), fmt.Sprint(m.copies))
	if err := os.CopyFS(next, os.DirFS(m.options.Dir)); err != nil {
		t.Fatal(err)
	}
	m.stop()
	m.options.Dir = next
	m.start()
}

// all is the letters, page by page.
func (m *letterBoxModel) all() (all []wattline.DeadLetter) {
	query := wattline.DeadLettersQuery{Limit: 3}
	for {
		page := m.letters(m.t, query)
		if page.Total != len(m.want) || page.Unreadable != m.junk {
			m.t.Fatalf("%d letters and %d lines of junk are said to be there, want %d and %d", page.Total, page.Unreadable, len(m.want), m.junk)
		}
		all = append(all, page.Letters...)
		if query.After = page.Next; query.After == "" {
			return all
		}
	}
}

func (m *letterBoxModel) check(t *rapid.T) {
	got := m.all()
	if len(got) != len(m.want) {
		t.Fatalf("%d letters, want %d", len(got), len(m.want))
	}
	for i, letter := range got {
		want := m.want[i]
		if letter.Reading.PowerW != want.Reading.PowerW || letter.Tries != want.Tries || letter.Reason != want.Reason {
			t.Fatalf("letter %d is %+v, want %+v", i, letter, want)
		}
	}
	if m.store.count()+len(m.want) != m.buried {
		t.Fatalf("%d are stored and %d are kept, of %d", m.store.count(), len(m.want), m.buried)
	}
}

// TestDeadLettersAreAddedWhileOthersAreSentAgain: each is in the store or with
// the letters in the end.
func TestDeadLettersAreAddedWhileOthersAreSentAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const readings = 2000
		o := begin(t, func(o *persist.Options) { o.BatchReadings = 50; o.BatchInterval = time.Millisecond })
		var mu sync.Mutex
		seen := map[identity]int{}
		o.store.set(refusing(func(r wattline.Reading) string {
			mu.Lock()
			defer mu.Unlock()
			if seen[identityOf(r)]++; seen[identityOf(r)] < 3 {
				return "not yet"
			}
			return ""
		}))
		var adding sync.WaitGroup
		adding.Go(func() {
			for n := range readings {
				r := wattline.Reading{Device: fmt.Sprint("desk-", n), Time: wattline.At(time.Now()), PowerW: 1, Relay: wattline.RelayOn}
				o.bus.deliver(r.Device, r)
				time.Sleep(100 * time.Microsecond)
			}
		})
		for o.store.count() < readings {
			time.Sleep(10 * time.Millisecond)
			o.resend(t, wattline.ResendQuery{All: true})
			if page := o.letters(t, wattline.DeadLettersQuery{Limit: 1}); page.Unreadable > 0 {
				t.Fatalf("page %+v", page)
			}
			if time.Now().Year() > 2000 {
				t.Fatalf("%d of %d are stored, %d letters", o.store.count(), readings, o.hook.Status().DeadLetters)
			}
		}
		adding.Wait()
		if left := o.hook.Status().DeadLetters; left != 0 {
			t.Errorf("%d letters are left", left)
		}
	})
}
