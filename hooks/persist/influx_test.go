package persist_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/hooks/persist"
	"github.com/wattline/wattline/internal/store"
	"github.com/wattline/wattline/internal/store/influx"
	"github.com/wattline/wattline/internal/testserver"
)

// shakyInflux is a hook whose InfluxDB is reached through a proxy.
type shakyInflux struct {
	bus   *fakeBus
	col   *collector
	proxy *testserver.HTTPProxy
	store *influx.Store // past the proxy, with time for its answers
	dir   string
}

func beginInflux(t *testing.T, retention time.Duration) *shakyInflux {
	t.Helper()
	server := testserver.Influx(t)
	proxy := testserver.NewHTTPProxy(t, server.URL())
	options := influx.Options{URL: server.URL(), Org: server.Org(), Bucket: server.NewBucketKeeping(retention), Token: server.Token()}
	open := func() *influx.Store {
		s, err := influx.New(options)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		return s
	}
	shaky := &shakyInflux{
		bus: newBus(newStore()), col: &collector{instance: "c1", stream: "s1"}, proxy: proxy, store: open(), dir: t.TempDir(),
	}
	options.URL, options.Timeout = proxy.URL(), 500*time.Millisecond
	h, err := persist.New(t.Context(), persist.Options{
		Name: "influx", Bus: shaky.bus, Store: open(), Dir: shaky.dir, BatchInterval: 20 * time.Millisecond, Grace: 100 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	run(t, h.Run)
	shaky.bus.add(shaky.col)
	return shaky
}

// publish takes readings; some do not arrive live and are asked for.
func (s *shakyInflux) publish(n int) {
	for i := range n {
		s.bus.publish(s.col, i%7 != 0)
		time.Sleep(time.Millisecond)
	}
	s.bus.tell(s.col)
}

// settled waits until the collector was told that all is stored.
func (s *shakyInflux) settled(t *testing.T) {
	t.Helper()
	testserver.Eventually(t, patience, func() error {
		if got := s.bus.stored("influx", "s1"); got != uint64(len(s.col.all)) {
			return fmt.Errorf("%d of %d are said to be stored", got, len(s.col.all))
		}
		return nil
	})
}

// powers counts what is stored, by the power that stands for a reading's number.
func (s *shakyInflux) powers(t *testing.T) map[wattline.Milli]int {
	t.Helper()
	count := map[wattline.Milli]int{}
	for n := range 5 {
		page, err := s.store.Readings(t.Context(), store.Query{
			Devices: []string{fmt.Sprintf("s1-desk-%d", n)}, From: time.Now().AddDate(0, 0, -30), To: time.Now().Add(time.Hour), Limit: store.MaxLimit,
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range page {
			count[r.PowerW]++
		}
	}
	return count
}

func (s *shakyInflux) want(t *testing.T, but ...wattline.Milli) {
	t.Helper()
	want := map[wattline.Milli]int{}
	for _, r := range s.col.all {
		want[r.PowerW] = 1
	}
	for _, power := range but {
		delete(want, power)
	}
	if diff := cmp.Diff(want, s.powers(t)); diff != "" {
		t.Errorf("stored (-want +got):\n%s", diff)
	}
}

func TestWhateverInfluxDBAnswersEveryReadingIsStoredOnce(t *testing.T) {
	s := beginInflux(t, 0)
	for name, fault := range map[string]testserver.HTTPFault{
		"500":                  testserver.Answer(500, "oh"),
		"502 of a proxy":       testserver.Answer(502, "<html>"),
		"503":                  testserver.Answer(503, ""),
		"429 with Retry-After": testserver.Answer(429, "{}", "Retry-After", "1"),
		"a lost answer":        testserver.LoseAnswer,
		"a cut request":        testserver.CutRequest,
		"a hang":               s.proxy.Hang(),
	} {
		t.Run(name, func(t *testing.T) {
			s.proxy.Misbehave(testserver.Once(2, fault))
			s.publish(50)
			s.settled(t)
		})
	}
	s.want(t)
	if _, err := os.Stat(filepath.Join(s.dir, "influx.dead-letters.ndjson")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("there are dead letters: %v", err)
	}
}

func TestWhatABucketIsTooShortForGoesToTheDeadLettersAlone(t *testing.T) {
	s := beginInflux(t, 24*time.Hour)
	s.publish(100)
	s.settled(t)
	s.bus.change(func() {
		for n := range 3 { // from a backlog
			old := s.col.all[n]
			old.Time, old.Seq, old.PowerW = wattline.At(old.Time.Add(-48*time.Hour)), uint64(101+n), wattline.Milli(101+n)
			s.col.all = append(s.col.all, old)
		}
	})
	s.publish(100)
	s.settled(t)
	s.want(t, 101, 102, 103)
	content, err := os.ReadFile(filepath.Join(s.dir, "influx.dead-letters.ndjson"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for line := range strings.Lines(string(content)) {
		var letter struct {
			Reason  string
			Reading wattline.Reading
		}
		if err := json.Unmarshal([]byte(line), &letter); err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprint(letter.Reading.Seq, " ", letter.Reason))
	}
	slices.Sort(got)
	var want []string
	for n := range 3 {
		want = append(want, fmt.Sprint(101+n, " time lies before the bucket's retention of 24h0m0s"))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("dead letters (-want +got):\n%s", diff)
	}
}
