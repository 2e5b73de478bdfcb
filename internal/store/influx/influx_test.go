package influx_test

import (
	"flag"
	"fmt"
	"net/http"
	"strings"
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

func TestMain(m *testing.M) {
	// Each round of the contract is a hundred requests; -rapid.checks=100 does more.
	if err := flag.Set("rapid.checks", "12"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(shared.Around(m))
}

func open(t testing.TB, options influx.Options) *influx.Store {
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

func reading(i int) wattline.Reading {
	return wattline.Reading{
		Device: "desk-1", Time: wattline.At(time.Now().Add(-time.Hour).Add(time.Duration(i) * time.Second)), Relay: wattline.RelayOn, EnergyWh: wattline.Milli(i),
	}
}
