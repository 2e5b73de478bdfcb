package influx_test

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/store"
	"github.com/wattline/wattline/internal/store/influx"
	"github.com/wattline/wattline/internal/testserver"
)

// dated is an answer of a server with another clock.
type dated struct {
	http.ResponseWriter
	ahead time.Duration
}

func (d dated) WriteHeader(status int) {
	d.Header().Set("Date", time.Now().Add(d.ahead).UTC().Format(http.TimeFormat))
	d.ResponseWriter.WriteHeader(status)
}

func (d dated) Unwrap() http.ResponseWriter { return d.ResponseWriter }

func TestTheServersClockTellsWhatIsOfTheFuture(t *testing.T) {
	const day = 24 * time.Hour
	server := shared.For(t)
	proxy := testserver.NewHTTPProxy(t, server.URL())
	proxy.Misbehave(func(w http.ResponseWriter, r *http.Request, forward http.Handler) {
		forward.ServeHTTP(dated{w, 3 * day}, r)
	})
	s := open(t, influx.Options{URL: proxy.URL(), Org: server.Org(), Bucket: server.NewBucket(), Token: server.Token()})
	defer s.Close()
	batch := readings(10)
	for i := range batch {
		batch[i].Time = wattline.At(batch[i].Time.Add(3 * day))
	}
	if err := s.Write(t.Context(), batch); err != nil { // nothing was asked before
		t.Fatal(err)
	}
	ahead := batch[0]
	ahead.Time = wattline.At(time.Now().Add(5 * day))
	if refused, ok := errors.AsType[*store.RefusedError](s.Write(t.Context(), []wattline.Reading{batch[1], ahead})); !ok || len(refused.Readings) != 1 || refused.Readings[0].Index != 1 {
		t.Errorf("refused %+v", refused)
	}
	got, err := s.Readings(t.Context(), store.Query{Devices: []string{"desk-1"}, From: time.Now(), To: time.Now().Add(9 * day), Limit: 100})
	if diff := cmp.Diff(batch, got); err != nil || diff != "" {
		t.Errorf("%v, stored (-want +got):\n%s", err, diff)
	}
}
