package influx_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/store"
	"github.com/wattline/wattline/internal/store/influx"
	"github.com/wattline/wattline/internal/testserver"
)

const asJSON = "application/json; charset=utf-8"

// faultCase is a fault and what the store is to say of it.
type faultCase struct {
	name  string
	fault testserver.HTTPFault
	want  func(error) string
	// after is how long the server asked to be left alone, at least.
	after time.Duration
}

func passes(err error) string {
	if _, ok := errors.AsType[*store.UnavailableError](err); !ok {
		return "is not said to pass"
	}
	return ""
}

func wants(words string) func(error) string {
	return func(err error) string {
		if !errors.Is(err, store.ErrMisconfigured) || !strings.Contains(err.Error(), words) {
			return "is not said to need mending with " + words
		}
		return ""
	}
}

func faultCases(proxy *testserver.HTTPProxy) []faultCase {
	inAnHour := time.Now().Add(time.Hour).UTC().Format(http.TimeFormat)
	answer := testserver.Answer
	return []faultCase{
		{"400 of a proxy", answer(400, "<html>unable to parse partial write"), wants("HTTP 400"), 0},
		{"400 with half a JSON body", answer(400, `{"code":"invalid","message":"unable to par`, "Content-Type", asJSON), wants("HTTP 400"), 0},
		{"400 for another reason", answer(400, `{"code":"invalid","message":"invalid precision"}`, "Content-Type", asJSON), wants("invalid precision"), 0},
		{"401", answer(401, `{"code":"unauthorized","message":"unauthorized access"}`, "Content-Type", asJSON), wants("influx.token_file"), 0},
		{"403", answer(403, `{"code":"forbidden","message":"insufficient permissions for write"}`, "Content-Type", asJSON), wants("must be allowed to read and write"), 0},
		{"404 of a proxy", answer(404, "default backend - 404"), wants("influx.url"), 0},
		{"404 of an organisation", answer(404, `{"code":"not found","message":"organization name \"x\" not found"}`, "Content-Type", asJSON), wants("influx.org"), 0},
		{"408", answer(408, ""), passes, 0},
		{"413 whatever the size", testserver.LimitBody(1), wants("raise the limit"), 0},
		{"422 of another kind", answer(422, `{"code":"unprocessable entity","message":"strange"}`, "Content-Type", asJSON), wants("strange"), 0},
		{"422 while a shard is deleted", answer(422, `{"code":"unprocessable entity","message":"failure writing points to database: partial write: shard 7 is pending deletion dropped=9"}`, "Content-Type", asJSON), passes, 0},
		{"429 with Retry-After in seconds", answer(429, `{}`, "Retry-After", "7"), passes, 7 * time.Second},
		{"429 with Retry-After as a date", answer(429, `{}`, "Retry-After", inAnHour), passes, 59 * time.Minute},
		{"429 with a Retry-After that is no time", answer(429, `{}`, "Retry-After", "soon"), passes, 0},
		{"500", answer(500, `{"code":"internal error","message":"unexpected error writing points to database: timeout"}`, "Content-Type", asJSON), passes, 0},
		{"502 of a proxy", answer(502, "<html>Bad Gateway"), passes, 0},
		{"503 with Retry-After", answer(503, "", "Retry-After", "3"), passes, 3 * time.Second},
		{"an endless complaint", endless, passes, 0},
		{"a log-in page with 200", answer(200, "<html>Please log in", "Content-Type", "text/html"), wants("not InfluxDB"), 0},
		{"garbage with 200", answer(200, "\x00\xff\x17garbage"), wants("not InfluxDB"), 0},
		{"a redirect", answer(302, "", "Location", "https://login.example/"), wants("login.example"), 0},
		{"a hang", proxy.Hang(), passes, 0},
		{"a connection cut in the request", testserver.CutRequest, passes, 0},
		{"an answer that is lost after the server took it", testserver.LoseAnswer, passes, 0},
	}
}

// endless complains until the client has heard enough.
func endless(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
	w.WriteHeader(http.StatusInternalServerError)
	chunk := []byte(strings.Repeat("no ", 10_000))
	for {
		if _, err := w.Write(chunk); err != nil {
			return
		}
	}
}

func TestAFaultKeepsEverythingAndAfterwardsAllIsStoredOnce(t *testing.T) {
	server := shared.For(t)
	proxy := testserver.NewHTTPProxy(t, server.URL())
	for _, c := range faultCases(proxy) {
		t.Run(c.name, func(t *testing.T) {
			proxy.Misbehave(nil)
			options := influx.Options{URL: proxy.URL(), Org: server.Org(), Bucket: server.NewBucket(), Token: server.Token()}
			patient := open(t, options)
			defer patient.Close()
			if c.name == "a hang" {
				options.Timeout = 100 * time.Millisecond
			}
			s := open(t, options)
			defer s.Close()
			batch := readings(100)
			proxy.Misbehave(c.fault)
			for what, err := range map[string]error{"write": s.Write(t.Context(), batch), "ping": s.Ping(t.Context())} {
				if what == "ping" && strings.HasPrefix(c.name, "413") {
					continue // there is nothing too large in it
				}
				if wrong := c.want(err); wrong != "" {
					t.Errorf("%s %s: %v", what, wrong, err)
				}
				if unavailable, ok := errors.AsType[*store.UnavailableError](err); ok && (unavailable.RetryAfter < c.after || c.after == 0 && unavailable.RetryAfter > 0) {
					t.Errorf("%s is to be tried again after %v", what, unavailable.RetryAfter)
				}
				if err != nil && len(err.Error()) > maxWords {
					t.Errorf("%s: %d bytes of words", what, len(err.Error()))
				}
			}
			proxy.Misbehave(nil)
			if err := patient.Write(t.Context(), batch); err != nil {
				t.Fatalf("after the fault: %v", err)
			}
			wantStored(t, patient, batch)
		})
	}
}

// maxWords is more than an error needs and less than a log minds.
const maxWords = 80_000

func TestAQueryThatFailsIsNeverAShortAnswer(t *testing.T) {
	server := shared.For(t)
	proxy := testserver.NewHTTPProxy(t, server.URL())
	options := influx.Options{URL: proxy.URL(), Org: server.Org(), Bucket: server.NewBucket(), Token: server.Token()}
	s := open(t, options)
	defer s.Close()
	options.Timeout = 100 * time.Millisecond
	hasty := open(t, options)
	defer hasty.Close()
	if err := s.Write(t.Context(), readings(100)); err != nil {
		t.Fatal(err)
	}
	cases := append(faultCases(proxy),
		faultCase{name: "half an answer", fault: testserver.CutAnswer},
		faultCase{name: "an empty 200", fault: testserver.Answer(200, "")},
		faultCase{name: "garbage as CSV", fault: testserver.Answer(200, "\x00,\"\xff\ngarbage", "Content-Type", "text/csv")},
	)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			proxy.Misbehave(c.fault)
			asked := s
			if c.name == "a hang" {
				asked = hasty
			}
			page, err := stored(t.Context(), asked)
			_, isUnavailable := errors.AsType[*store.UnavailableError](err)
			if !isUnavailable && !errors.Is(err, store.ErrMisconfigured) {
				t.Errorf("%d readings, %v", len(page), err)
			}
			proxy.Misbehave(nil)
			if page, err = stored(t.Context(), s); err != nil || len(page) != 100 {
				t.Errorf("after the fault: %d readings, %v", len(page), err)
			}
		})
	}
}

func TestTheServersRefusals(t *testing.T) {
	server := shared.For(t)
	store2 := func(t *testing.T, o influx.Options) *influx.Store {
		t.Helper()
		s := open(t, o)
		t.Cleanup(func() { _ = s.Close() })
		return s
	}
	base := influx.Options{URL: server.URL(), Org: server.Org(), Token: server.Token()}
	old := func(r wattline.Reading) wattline.Reading {
		r.Time = wattline.At(r.Time.Add(-48 * time.Hour))
		return r
	}

	t.Run("422 for what lies before the bucket's retention takes no other reading with it", func(t *testing.T) {
		o := base
		o.Bucket = server.NewBucketKeeping(24 * time.Hour)
		s := store2(t, o)
		batch := readings(100)
		for _, i := range []int{0, 13, 14, 15, 50, 99} {
			batch[i] = old(batch[i])
		}
		refused, ok := errors.AsType[*store.RefusedError](s.Write(t.Context(), batch))
		if !ok || len(refused.Readings) != 6 {
			t.Fatalf("refused %+v", refused)
		}
		for n, i := range []int{0, 13, 14, 15, 50, 99} {
			if r := refused.Readings[n]; r.Index != i || r.Reason != "time lies before the bucket's retention of 24h0m0s" {
				t.Errorf("refused %+v", r)
			}
		}
		var good []wattline.Reading
		for i, r := range batch {
			if i != 0 && (i < 13 || i > 15) && i != 50 && i != 99 {
				good = append(good, r)
			}
		}
		wantStored(t, s, good)
	})

	t.Run("422 for every line is settled by one request", func(t *testing.T) {
		proxy := testserver.NewHTTPProxy(t, server.URL())
		o := base
		o.URL, o.Bucket = proxy.URL(), server.NewBucketKeeping(24*time.Hour)
		s := store2(t, o)
		batch := readings(100)
		for i := range batch {
			batch[i] = old(batch[i])
		}
		refused, ok := errors.AsType[*store.RefusedError](s.Write(t.Context(), batch))
		if !ok || len(refused.Readings) != 100 || proxy.Requests() != 1 {
			t.Errorf("%d requests, refused %+v", proxy.Requests(), refused)
		}
	})

	t.Run("422 for a field that somebody else gave another type names that, and other shards go on", func(t *testing.T) {
		o := base
		o.Bucket = server.NewBucket()
		const day = 24 * time.Hour
		long := time.Now().Add(-22 * day)
		server.Write(o.Bucket, fmt.Sprintf("reading,device=desk-9 energy_wh=1i %d\n", long.UnixNano()))
		s := store2(t, o)
		batch := readings(100)
		for i := range 10 {
			batch[i].Time = wattline.At(long.Add(time.Duration(i) * time.Second))
		}
		batch[10].Time, batch[11].Time = wattline.At(long.Add(-8*day)), wattline.At(long.Add(9*day))
		refused, ok := errors.AsType[*store.RefusedError](s.Write(t.Context(), batch))
		if !ok || len(refused.Readings) != 10 || refused.Readings[9].Index != 9 {
			t.Fatalf("refused %+v", refused)
		}
		if reason := refused.Readings[0].Reason; !strings.HasPrefix(reason, "partial write: field type conflict") || !strings.Contains(reason, "delete those points") {
			t.Errorf("the reason is %q", reason)
		}
		if _, err := stored(t.Context(), s); wants("field energy_wh of measurement reading has two types")(err) != "" {
			t.Errorf("what InfluxDB itself hides is answered with %v", err)
		}
		server.Delete(o.Bucket, "reading", long.Add(-time.Hour), long.Add(time.Hour))
		wantStored(t, s, batch[10:])
		if err := s.Write(t.Context(), batch); err != nil {
			t.Errorf("after the points are deleted: %v", err)
		}
		slices.SortFunc(batch, func(a, b wattline.Reading) int { return a.Time.Compare(b.Time.Time) })
		wantStored(t, s, batch)
	})

	t.Run("413 halves the batch until it fits", func(t *testing.T) {
		proxy := testserver.NewHTTPProxy(t, server.URL())
		proxy.Misbehave(testserver.LimitBody(2000))
		o := base
		o.URL, o.Bucket = proxy.URL(), server.NewBucket()
		s := store2(t, o)
		batch := readings(100)
		if err := s.Write(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
		wantStored(t, s, batch)
	})

	t.Run("400 for one line takes no other with it", func(t *testing.T) {
		proxy := testserver.NewHTTPProxy(t, server.URL())
		proxy.Misbehave(spoilLine("desk-1 power_w=37,", "desk-1 power_w==37,"))
		o := base
		o.URL, o.Bucket = proxy.URL(), server.NewBucket()
		s := store2(t, o)
		batch := readings(100)
		refused, ok := errors.AsType[*store.RefusedError](s.Write(t.Context(), batch))
		if !ok || len(refused.Readings) != 1 || refused.Readings[0].Index != 37 || !strings.HasPrefix(refused.Readings[0].Reason, "unable to parse 'reading,device=desk-1 power_w==37") {
			t.Fatalf("refused %+v", refused)
		}
		wantStored(t, s, append(batch[:37:37], batch[38:]...))
	})

	t.Run("a fault while a batch is taken apart refuses nothing", func(t *testing.T) {
		proxy := testserver.NewHTTPProxy(t, server.URL())
		o := base
		o.URL, o.Bucket = proxy.URL(), server.NewBucketKeeping(24*time.Hour)
		s := store2(t, o)
		batch := readings(100)
		batch[50] = old(batch[50])
		down, first := testserver.Answer(503, ""), true
		proxy.Misbehave(func(w http.ResponseWriter, r *http.Request, forward http.Handler) {
			if first {
				first = false
				forward.ServeHTTP(w, r)
				return
			}
			down(w, r, forward)
		})
		if err := s.Write(t.Context(), batch); passes(err) != "" {
			t.Errorf("got %v", err)
		}
		proxy.Misbehave(nil)
		if refused, ok := errors.AsType[*store.RefusedError](s.Write(t.Context(), batch)); !ok || len(refused.Readings) != 1 {
			t.Errorf("refused %+v", refused)
		}
	})

	t.Run("401 for a wrong token does not show it", func(t *testing.T) {
		o := base
		o.Bucket, o.Token = server.NewBucket(), "hunter2"
		s := store2(t, o)
		for what, err := range map[string]error{"ping": s.Ping(t.Context()), "write": s.Write(t.Context(), readings(1))} {
			if wrong := wants("influx.token_file")(err); wrong != "" || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%s: %v", what, err)
			}
		}
	})

	t.Run("404 for an organisation that is none", func(t *testing.T) {
		o := base
		o.Bucket, o.Org = server.NewBucket(), "none"
		s := store2(t, o)
		if wrong := wants("influx.org")(s.Write(t.Context(), readings(1))); wrong != "" {
			t.Error(wrong)
		}
	})
}

// spoilLine changes what a client sends on its way.
func spoilLine(before, after string) testserver.HTTPFault {
	return func(w http.ResponseWriter, r *http.Request, forward http.Handler) {
		testserver.Rewrite(r, func(body string) string { return strings.Replace(body, before, after, 1) })
		forward.ServeHTTP(w, r)
	}
}

func TestAServerThatIsAwayIsUnavailable(t *testing.T) {
	s := open(t, influx.Options{URL: fmt.Sprintf("http://127.0.0.1:%d", testserver.FreePort(t)), Org: "o", Bucket: "b", Token: "t"})
	defer s.Close()
	_, readErr := stored(t.Context(), s)
	for what, err := range map[string]error{"ping": s.Ping(t.Context()), "write": s.Write(t.Context(), readings(1)), "read": readErr} {
		if wrong := passes(err); wrong != "" {
			t.Errorf("%s %s: %v", what, wrong, err)
		}
	}
}

// readings are one a second of desk-1, an hour ago.
func readings(n int) []wattline.Reading {
	batch := make([]wattline.Reading, n)
	begin := time.Now().Add(-time.Hour).Truncate(time.Second)
	for i := range batch {
		batch[i] = wattline.Reading{
			Device: "desk-1", Time: wattline.At(begin.Add(time.Duration(i) * time.Second)), PowerW: wattline.Milli(1000 * i),
			Relay: wattline.RelayOn, EnergyWh: wattline.Milli(i), CoversS: 1000,
		}
	}
	return batch
}

// stored is the readings of desk-1.
func stored(ctx context.Context, s store.Store) ([]wattline.Reading, error) {
	return s.Readings(ctx, store.Query{Devices: []string{"desk-1"}, From: time.Now().AddDate(-1, 0, 0), To: time.Now().AddDate(0, 0, 1), Limit: 1000})
}

func wantStored(t *testing.T, s store.Store, want []wattline.Reading) {
	t.Helper()
	got, err := stored(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("stored (-want +got):\n%s", diff)
	}
}
