package influx_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/store"
	"github.com/wattline/wattline/internal/store/influx"
	"github.com/wattline/wattline/internal/store/storetest"
	"github.com/wattline/wattline/internal/testserver"
)

// site is a server with two processes on it, one of them behind a proxy, and the
// model that both are held against.
type site struct {
	server       *testserver.InfluxServer
	bucket       string
	proxy        *testserver.HTTPProxy
	near, behind *influx.Store
	inTime       *influx.Store // puts no marks where the others look for them
	model        *storetest.Memory
	first        time.Time // of the readings, a UTC midnight
}

func newSite(t *testing.T) *site {
	t.Helper()
	server := shared.For(t)
	s := &site{server: server, bucket: server.NewBucket(), proxy: testserver.NewHTTPProxy(t, server.URL()), model: storetest.NewMemory()}
	options := influx.Options{URL: server.URL(), Org: server.Org(), Bucket: s.bucket, Token: server.Token()}
	s.near = open(t, options)
	options.URL = s.proxy.URL()
	s.behind = open(t, options)
	options.URL, options.Quarters = server.URL(), server.NewBucket()
	s.inTime = open(t, options)
	t.Cleanup(func() {
		for _, one := range []*influx.Store{s.near, s.behind, s.inTime} {
			_ = one.Close()
		}
	})
	s.first = time.Now().UTC().Truncate(24*time.Hour).AddDate(0, 0, -4)
	return s
}

// reading is of some minutes after the first.
func (s *site) reading(device string, minutes int) wattline.Reading {
	r := wattline.Reading{
		Device: device, Time: wattline.At(s.first.Add(time.Duration(minutes) * time.Minute)), PowerW: wattline.Milli(40_000 + minutes%97),
		VoltageV: wattline.Milli(230_000 + minutes%13), CurrentA: wattline.Milli(170 + minutes%7),
		EnergyWh: wattline.Milli(1000 * minutes), Relay: wattline.RelayOf(minutes%440 != 0), CoversS: 60_000,
	}
	if minutes%331 == 0 {
		r.CoversS = 0 // a gap
	}
	return r
}

// write writes a reading a minute of some days, as if they came in time.
func (s *site) write(t *testing.T, devices []string, days ...int) {
	t.Helper()
	for _, device := range devices {
		for _, day := range days {
			var batch []wattline.Reading
			for minute := range 24 * 60 {
				if minute != lateMinute {
					batch = append(batch, s.reading(device, day*24*60+minute))
				}
			}
			s.take(t, s.inTime, batch...)
		}
	}
}

// lateMinute of each day is left out by write.
const lateMinute = 10*60 + 7

// take has a store and the model write readings.
func (s *site) take(t *testing.T, to *influx.Store, batch ...wattline.Reading) {
	t.Helper()
	for _, one := range []store.Store{to, s.model} {
		if err := one.Write(t.Context(), batch); err != nil {
			t.Error(err)
		}
	}
}

func (s *site) rebuild(t *testing.T, by *influx.Store, devices []string) store.Rebuilt {
	t.Helper()
	rebuilt, err := by.Rebuild(t.Context(), store.RebuildQuery{Devices: devices, From: s.first, To: s.first.AddDate(0, 0, 3)})
	if err != nil {
		t.Fatal(err)
	}
	return rebuilt
}

// questions are asked of three days.
func (s *site) questions(devices []string) []store.SummaryQuery {
	var all []store.SummaryQuery
	for _, every := range []time.Duration{store.QuarterHour, time.Hour, 24 * time.Hour} {
		for _, values := range []bool{false, true} {
			all = append(all, store.SummaryQuery{Devices: devices, From: s.first, To: s.first.AddDate(0, 0, 3), Every: every, Values: values})
		}
	}
	return append(all, store.SummaryQuery{
		Devices: devices, From: s.first.Add(5*time.Hour + 7*time.Minute), To: s.first.Add(50*time.Hour + 52*time.Second), Every: time.Hour, Values: true,
	})
}

// want compares what a store says with what the model says.
func (s *site) want(t *testing.T, asked store.Store, questions []store.SummaryQuery) {
	t.Helper()
	for _, question := range questions {
		want, err := s.model.Summaries(t.Context(), question)
		if err != nil {
			t.Fatal(err)
		}
		got, err := asked.Summaries(t.Context(), question)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("summaries every %v, values %t (-want +got):\n%s", question.Every, question.Values, diff)
		}
	}
}

func TestQuarterHoursOutliveTheReadings(t *testing.T) {
	s := newSite(t)
	devices := []string{"desk-1", "desk-2", "desk-3"}
	s.write(t, devices, 0, 1, 2)
	s.want(t, s.near, s.questions(devices))
	if got := s.rebuild(t, s.near, devices); got != (store.Rebuilt{Days: 9, Made: 9}) {
		t.Errorf("rebuilt %+v", got)
	}
	s.want(t, s.near, s.questions(devices))
	if got := s.rebuild(t, s.behind, devices); got != (store.Rebuilt{Days: 9}) {
		t.Errorf("what was right is changed: %+v", got)
	}

	s.server.Delete(s.bucket, "reading", s.first, s.first.AddDate(0, 0, 2)) // what a retention does
	aligned := s.questions(devices)[:6]
	s.want(t, s.near, aligned)
	if got := s.rebuild(t, s.near, devices); got != (store.Rebuilt{Days: 3}) {
		t.Errorf("what is past its retention is changed: %+v", got)
	}
	s.want(t, s.behind, aligned)

	// A reading that comes then takes nothing away: it may have been counted, unless it
	// comes after all that were.
	within, after := s.reading("desk-1", 24*60+lateMinute), s.reading("desk-2", 24*60+14)
	after.Time = wattline.At(after.Time.Add(time.Second))
	if err := s.near.Write(t.Context(), []wattline.Reading{within}); err != nil {
		t.Fatal(err)
	}
	s.take(t, s.near, after)
	s.want(t, s.near, aligned)
	s.rebuild(t, s.near, devices)
	s.want(t, s.behind, aligned)
}

// A late reading is written at each moment of the sealing of its day, by another
// process. When its Write has returned, every answer of every process has it.
func TestALateReadingIsInTheAnswersWheneverItComes(t *testing.T) {
	isQuery := func(r *http.Request, body string) bool { return strings.HasSuffix(r.URL.Path, "/query") }
	for name, moment := range map[string]struct {
		before func(r *http.Request, body string) bool
		nth    int64
	}{
		"before the mark is read": {func(r *http.Request, body string) bool { return isQuery(r, body) && strings.Contains(body, "mark") }, 1},
		"after the mark, before the readings": {func(r *http.Request, body string) bool {
			return isQuery(r, body) && strings.Contains(body, "aggregateWindow")
		}, 1},
		"while the readings are read": {func(r *http.Request, body string) bool {
			return isQuery(r, body) && strings.Contains(body, `relay`) && !strings.Contains(body, "aggregateWindow")
		}, 1},
		"after the readings, before the seal":         {func(_ *http.Request, body string) bool { return strings.Contains(body, "day,device=desk-1 sealed=") }, 1},
		"between the seals of one day and of another": {func(_ *http.Request, body string) bool { return strings.Contains(body, "day,device=desk-1 sealed=") }, 2},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			devices := []string{"desk-1"}
			s.write(t, devices, 0, 1, 2)
			var seen atomic.Int64
			s.proxy.Misbehave(func(w http.ResponseWriter, r *http.Request, forward http.Handler) {
				if body := bodyOf(r); moment.before(r, body) && seen.Add(1) == moment.nth {
					for day := range 3 {
						s.take(t, s.near, s.reading("desk-1", day*24*60+lateMinute))
					}
				}
				forward.ServeHTTP(w, r)
			})
			s.rebuild(t, s.behind, devices)
			s.proxy.Misbehave(nil)
			if seen.Load() < moment.nth {
				t.Fatal("the moment never came")
			}
			fine := s.questions(devices)[1:2]
			s.want(t, s.near, fine)
			s.want(t, s.behind, fine)
			s.rebuild(t, s.behind, devices)
			s.server.Delete(s.bucket, "reading", s.first, s.first.AddDate(0, 0, 3))
			s.want(t, s.near, fine)
		})
	}
}

// bodyOf looks at a request's body on its way.
func bodyOf(r *http.Request) string {
	var seen string
	testserver.Rewrite(r, func(body string) string { seen = body; return body })
	return seen
}

func TestASealThatComesTooLateDoesNotCount(t *testing.T) {
	s := newSite(t)
	devices := []string{"desk-1"}
	s.write(t, devices, 0, 1, 2)
	first := true
	s.proxy.Misbehave(func(w http.ResponseWriter, r *http.Request, forward http.Handler) {
		if first && strings.Contains(bodyOf(r), "day,device=desk-1 sealed=") {
			// Meanwhile another process takes a late reading and seals the day anew.
			first = false
			s.take(t, s.near, s.reading("desk-1", lateMinute))
			s.rebuild(t, s.near, devices)
		}
		forward.ServeHTTP(w, r)
	})
	s.rebuild(t, s.behind, devices)
	s.want(t, s.near, s.questions(devices))
}

func TestALateReadingWhoseMarkFailsIsNotConfirmed(t *testing.T) {
	s := newSite(t)
	devices := []string{"desk-1"}
	s.write(t, devices, 0, 1, 2)
	s.rebuild(t, s.near, devices)
	s.proxy.Misbehave(func(w http.ResponseWriter, r *http.Request, forward http.Handler) {
		if strings.Contains(r.URL.RawQuery, "-quarters") {
			testserver.Answer(http.StatusServiceUnavailable, "")(w, r, forward)
			return
		}
		forward.ServeHTTP(w, r)
	})
	late := s.reading("desk-1", lateMinute)
	if err := s.behind.Write(t.Context(), []wattline.Reading{late}); passes(err) != "" {
		t.Errorf("it is confirmed: %v", err)
	}
	s.proxy.Misbehave(nil)
	s.take(t, s.behind, late)
	s.want(t, s.near, s.questions(devices))
}

func TestReadingsInTimeCostNoFurtherRequest(t *testing.T) {
	s := newSite(t)
	s.proxy.Misbehave(nil)
	r := s.reading("desk-1", 0)
	r.Time = wattline.At(time.Now())
	if err := s.behind.Write(t.Context(), []wattline.Reading{r}); err != nil || s.proxy.Requests() != 1 {
		t.Errorf("%d requests, %v", s.proxy.Requests(), err)
	}
}

func TestUpkeepSealsWhatIsThereAndEndsWithItsContext(t *testing.T) {
	s := newSite(t)
	devices := []string{"desk-1", "desk-2"}
	s.write(t, devices, 0, 1, 2)
	s.server.MakeBucket(s.bucket+"-quarters", 0)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.near.Upkeep(ctx) }()
	testserver.Eventually(t, time.Minute, noted(s.server, s.bucket, len(devices)))
	if got := s.rebuild(t, s.behind, devices); got != (store.Rebuilt{Days: 6}) {
		t.Errorf("what was right is changed: %+v", got)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	s.server.Delete(s.bucket, "reading", s.first, s.first.AddDate(0, 0, 3))
	s.want(t, s.near, s.questions(devices)[:6])
	got, err := s.near.Devices(t.Context())
	if err != nil || !slices.Equal(got, devices) {
		t.Errorf("devices are %v, %v", got, err)
	}
}

// noted tells whether Upkeep has gone through all days of so many devices: then it
// notes where they begin.
func noted(server *testserver.InfluxServer, bucket string, devices int) func() error {
	flux := `from(bucket: "` + bucket + `-quarters") |> range(start: 2000-01-01T00:00:00Z) |> filter(fn: (r) => r._measurement == "since")`
	return func() error {
		if noted := server.Query(flux); len(noted) < devices {
			return fmt.Errorf("%d devices of %d are gone through", len(noted), devices)
		}
		return nil
	}
}
