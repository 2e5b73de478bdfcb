package influx_test

import (
	"strings"
	"testing"
	"time"

	"github.com/wattline/wattline/internal/store"
	"github.com/wattline/wattline/internal/store/influx"
)

const month = 30 * 24 * time.Hour

func TestBucketsThatAreMissingAreMade(t *testing.T) {
	server := shared.For(t)
	s := open(t, influx.Options{
		URL: server.URL(), Org: server.Org(), Bucket: "made-by-us", Token: server.Token(), Retention: month,
	})
	defer s.Close()
	if err := s.Ping(t.Context()); wants("influx bucket create --org office --name made-by-us --retention 2592000s")(err) != "" {
		t.Errorf("ping says %v", err)
	}
	if _, found := server.Retention("made-by-us"); found {
		t.Error("a ping makes the bucket")
	}
	batch := readings(10)
	if err := s.Write(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	wantStored(t, s, batch)
	if retention, found := server.Retention("made-by-us"); !found || retention != month {
		t.Errorf("the bucket is made: %t, and keeps points for %v", found, retention)
	}
	rebuild(t, s)
	if retention, found := server.Retention("made-by-us-quarters"); !found || retention != 0 {
		t.Errorf("the quarter-hours' bucket is made: %t, and keeps points for %v", found, retention)
	}
	if notes, err := s.Survey(t.Context()); len(notes) > 0 || err != nil {
		t.Errorf("there is something to say: %v, %v", notes, err)
	}
}

func rebuild(t *testing.T, s store.Store) {
	t.Helper()
	now := time.Now()
	if _, err := s.Rebuild(t.Context(), store.RebuildQuery{Devices: []string{"desk-1"}, From: now.Add(-48 * time.Hour), To: now}); err != nil {
		t.Fatal(err)
	}
}

func TestATokenThatMayNotMakeBucketsIsToldWhatToMake(t *testing.T) {
	server := shared.For(t)
	bucket := server.NewBucket()
	o := influx.Options{URL: server.URL(), Org: server.Org(), Bucket: bucket, Token: server.NewToken(bucket)}

	t.Run("of readings: nothing is lost, and it goes on when the bucket is there", func(t *testing.T) {
		o := o
		o.Bucket, o.Retention = bucket+"-2", month
		s := open(t, o)
		defer s.Close()
		err := s.Write(t.Context(), readings(10))
		if wants("influx bucket create --org office --name "+o.Bucket+" --retention 2592000s")(err) != "" {
			t.Errorf("write says %v", err)
		}
		server.MakeBucket(o.Bucket, 0)
		o.Token = server.NewToken(o.Bucket)
		mended := open(t, o)
		defer mended.Close()
		if err := mended.Write(t.Context(), readings(10)); err != nil {
			t.Error(err)
		}
	})

	t.Run("of quarter-hours: readings are written and answered all the same, late ones too", func(t *testing.T) {
		s := open(t, o)
		defer s.Close()
		batch := readings(10)
		old := readings(1)[0]
		old.Time.Time = old.Time.Add(-24 * time.Hour)
		if err := s.Write(t.Context(), append(batch, old)); err != nil {
			t.Fatal(err)
		}
		question := store.SummaryQuery{Devices: []string{"desk-1"}, From: old.Time.Truncate(time.Hour), To: time.Now(), Every: time.Hour}
		series, err := s.Summaries(t.Context(), question)
		if err != nil || len(series[0].Spans) < 2 || series[0].Spans[0].Summary.Count != 1 {
			t.Errorf("summaries are %+v, %v", series, err)
		}
		_, err = s.Rebuild(t.Context(), store.RebuildQuery{Devices: []string{"desk-1"}, From: question.From, To: question.To})
		if wants("influx bucket create --org office --name "+bucket+"-quarters --retention 0s")(err) != "" {
			t.Errorf("rebuild says %v", err)
		}
		if notes, err := s.Survey(t.Context()); err != nil || len(notes) != 1 || !strings.Contains(notes[0], bucket+"-quarters") {
			t.Errorf("the survey says %v, %v", notes, err)
		}
	})
}

func TestARetentionThatDiffersIsNotChangedButTold(t *testing.T) {
	server := shared.For(t)
	bucket := server.NewBucketKeeping(month)
	server.MakeBucket(bucket+"-quarters", month)
	s := open(t, influx.Options{URL: server.URL(), Org: server.Org(), Bucket: bucket, Token: server.Token(), Retention: 2 * month})
	defer s.Close()
	if err := s.Write(t.Context(), readings(10)); err != nil {
		t.Fatal(err)
	}
	notes, err := s.Survey(t.Context())
	if err != nil || len(notes) != 2 {
		t.Fatalf("the survey says %q, %v", notes, err)
	}
	for i, says := range []string{"keeps points 720h0m0s, not 1440h0m0s as influx.retention should be", "keeps points 720h0m0s, not for ever"} {
		if !strings.Contains(notes[i], says) {
			t.Errorf("the survey says %q", notes[i])
		}
	}
	if retention, _ := server.Retention(bucket); retention != month {
		t.Errorf("the retention is %v", retention)
	}
}

func TestTwoBucketsAreNeeded(t *testing.T) {
	for name, o := range map[string]influx.Options{
		"no token":             {URL: "http://h", Org: "o", Bucket: "b"},
		"quarters in the same": {URL: "http://h", Org: "o", Bucket: "b", Token: "t", Quarters: "b"},
		"a user in the URL":    {URL: "http://u:p@h", Org: "o", Bucket: "b", Token: "t"},
	} {
		if _, err := influx.New(o); err == nil {
			t.Errorf("%s: a store was made", name)
		}
	}
}
