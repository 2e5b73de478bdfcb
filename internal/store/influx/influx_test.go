package influx_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/store"
	"github.com/wattline/wattline/internal/store/influx"
	"github.com/wattline/wattline/internal/store/storetest"
	"github.com/wattline/wattline/internal/testserver"
)

var shared testserver.SharedInflux

func TestMain(m *testing.M) { goleak.VerifyTestMain(shared.Around(m)) }

func open(t *testing.T, options influx.Options) *influx.Store {
	t.Helper()
	opened, err := influx.New(options)
	if err != nil {
		t.Fatal(err)
	}
	return opened
}

func TestARealInfluxDBKeepsTheContract(t *testing.T) {
	server := shared.For(t)
	storetest.Run(t, func(t *testing.T) store.Store {
		return open(t, influx.Options{URL: server.URL(), Org: server.Org(), Bucket: server.NewBucket(), Token: server.Token()})
	})
}

func TestSomebodyElsesPointsDoNotHideReadings(t *testing.T) {
	server := shared.For(t)
	bucket := server.NewBucket()
	s := open(t, influx.Options{URL: server.URL(), Org: server.Org(), Bucket: bucket, Token: server.Token()})
	defer s.Close()
	want := []wattline.Reading{reading(0), reading(10), reading(20), reading(30)}
	if err := s.Write(t.Context(), want); err != nil {
		t.Fatal(err)
	}
	// Two points between them that have a power and nothing else.
	lines := fmt.Sprintf("reading,device=desk-1 power_w=1 %d\nreading,device=desk-1 power_w=1 %d\n",
		reading(5).Time.UnixMilli(), reading(15).Time.UnixMilli())
	address := fmt.Sprintf("%s/api/v2/write?precision=ms&org=%s&bucket=%s", server.URL(), server.Org(), bucket)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, strings.NewReader(lines))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Token "+server.Token())
	answer, err := (&http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}).Do(request)
	if err != nil || answer.StatusCode != http.StatusNoContent {
		t.Fatal(answer, err)
	}
	_ = answer.Body.Close()

	query := store.Query{Devices: []string{"desk-1"}, From: time.Now().Add(-2 * time.Hour), To: time.Now(), Limit: 2}
	var got []wattline.Reading
	for {
		page, err := s.Readings(t.Context(), query)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, page...)
		if len(page) < query.Limit {
			break
		}
		query.After = store.Position{Device: "desk-1", Time: page[1].Time.Time}
	}
	if len(got) != len(want) {
		t.Fatalf("%d readings of %d are found", len(got), len(want))
	}
	for i, r := range got {
		if r.EnergyWh != want[i].EnergyWh {
			t.Errorf("reading %d: %+v", i, r)
		}
	}
}

func TestWhatAPersonMustMendIsSaid(t *testing.T) {
	server := shared.For(t)
	good := influx.Options{URL: server.URL(), Org: server.Org(), Bucket: server.Bucket(), Token: server.Token()}
	for name, spoil := range map[string]func(*influx.Options){
		"a wrong token":           func(o *influx.Options) { o.Token = "hunter2" },
		"a bucket that is none":   func(o *influx.Options) { o.Bucket = "none" },
		"an organisation of none": func(o *influx.Options) { o.Org = "none" },
	} {
		t.Run(name, func(t *testing.T) {
			options := good
			spoil(&options)
			s := open(t, options)
			defer s.Close()
			for what, err := range map[string]error{
				"ping":  s.Ping(t.Context()),
				"write": s.Write(t.Context(), []wattline.Reading{reading(0)}),
			} {
				if !errors.Is(err, store.ErrMisconfigured) || strings.Contains(err.Error(), "hunter2") {
					t.Errorf("%s: %v", what, err)
				}
			}
		})
	}
	if _, err := influx.New(influx.Options{URL: "http://h"}); err == nil {
		t.Error("a store without a token was made")
	}
}

func reading(i int) wattline.Reading {
	return wattline.Reading{
		Device: "desk-1", Time: wattline.At(time.Now().Add(-time.Hour).Add(time.Duration(i) * time.Second)), Relay: wattline.RelayOn, EnergyWh: wattline.Milli(i),
	}
}

// server answers writes as it is told, and keeps what it took.
type server struct {
	*httptest.Server

	mu     sync.Mutex
	answer func(lines int) (status int, header http.Header, body string)
	bodies int
}

func newServer(t *testing.T, answer func(lines int) (int, http.Header, string)) *server {
	t.Helper()
	s := &server{answer: answer}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.bodies++
		if got := r.URL.Query().Get("precision"); got != "ms" {
			t.Errorf("precision is %q", got)
		}
		status, header, body := s.answer(s.bodies)
		maps.Copy(w.Header(), header)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}))
	t.Cleanup(s.Close)
	return s
}

func TestEveryFailureIsOneOfTheContract(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		header http.Header
		body   string
		check  func(error) bool
	}{
		"overload": {429, http.Header{"Retry-After": {"7"}}, `{}`, func(err error) bool {
			unavailable, ok := errors.AsType[*store.UnavailableError](err)
			return ok && unavailable.RetryAfter == 7*time.Second
		}},
		"maintenance":      {503, nil, `{"code":"unavailable","message":"m"}`, isUnavailable},
		"a fault of its":   {500, nil, `half an ans`, isUnavailable},
		"a proxy's page":   {502, nil, `<html>`, isUnavailable},
		"forbidden":        {403, nil, `{}`, func(err error) bool { return errors.Is(err, store.ErrMisconfigured) }},
		"poison":           {400, nil, `{"code":"invalid","message":"unable to parse"}`, refusedAll},
		"a partial write":  {422, nil, `{"code":"unprocessable entity","message":"partial write"}`, refusedAll},
		"a proxy's 400":    {400, nil, `<html>`, func(err error) bool { return errors.Is(err, store.ErrMisconfigured) }},
		"too large a line": {413, nil, `{"code":"request too large","message":"too large"}`, refusedAll},
	} {
		t.Run(name, func(t *testing.T) {
			fake := newServer(t, func(int) (int, http.Header, string) { return c.status, c.header, c.body })
			s := open(t, influx.Options{URL: fake.URL, Org: "o", Bucket: "b", Token: "t"})
			defer s.Close()
			if err := s.Write(t.Context(), []wattline.Reading{reading(0), reading(1), reading(2)}); !c.check(err) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func isUnavailable(err error) bool {
	_, ok := errors.AsType[*store.UnavailableError](err)
	return ok
}

func refusedAll(err error) bool {
	refused, ok := errors.AsType[*store.RefusedError](err)
	return ok && len(refused.Readings) == 3 && refused.Readings[0].Index == 0 && refused.Readings[2].Reason != ""
}

func TestAServerThatIsAwayOrHangsIsUnavailable(t *testing.T) {
	away := open(t, influx.Options{URL: fmt.Sprintf("http://127.0.0.1:%d", testserver.FreePort(t)), Org: "o", Bucket: "b", Token: "t"})
	defer away.Close()
	release := make(chan struct{})
	hanging := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	t.Cleanup(hanging.Close)
	t.Cleanup(func() { close(release) })
	hung := open(t, influx.Options{URL: hanging.URL, Org: "o", Bucket: "b", Token: "t", Timeout: 100 * time.Millisecond})
	defer hung.Close()
	for name, s := range map[string]*influx.Store{"away": away, "hangs": hung} {
		for what, err := range map[string]error{
			"ping": s.Ping(t.Context()), "write": s.Write(t.Context(), []wattline.Reading{reading(0)}), "read": readAll(t.Context(), s),
		} {
			if !isUnavailable(err) {
				t.Errorf("%s, %s: %v", name, what, err)
			}
		}
	}
}

func readAll(ctx context.Context, s *influx.Store) error {
	_, err := s.Readings(ctx, store.Query{Devices: []string{"desk-1"}, From: time.Now().Add(-time.Hour), To: time.Now(), Limit: 10})
	return err
}

func TestOnlyThePoisonOfABatchIsRefused(t *testing.T) {
	server := shared.For(t)
	bucket := server.NewBucket()
	server.Write(bucket, "reading,device=desk-9 energy_wh=1i 1000000000000000000\n") // an integer where ours is a float
	s := open(t, influx.Options{URL: server.URL(), Org: server.Org(), Bucket: bucket, Token: server.Token()})
	defer s.Close()
	var batch []wattline.Reading
	for i := range 40 {
		batch = append(batch, reading(i))
	}
	if err := s.Write(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	got, err := s.Readings(t.Context(), store.Query{Devices: []string{"desk-1"}, From: time.Now().Add(-2 * time.Hour), To: time.Now(), Limit: 100})
	if err != nil || len(got) != 40 {
		t.Errorf("%d readings, %v", len(got), err)
	}
}
