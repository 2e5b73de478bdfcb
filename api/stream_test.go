package api_test

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/api"
	"github.com/wattline/wattline/internal/bus"
)

// paged answers readings in so many pages of so many, all of desk-1.
func paged(pages, size int) func(context.Context, bus.Ask) (any, error) {
	return func(_ context.Context, ask bus.Ask) (any, error) {
		query, ok := ask.Body.(wattline.ReadingsQuery)
		if !ok {
			return nil, errors.New("asked for something else")
		}
		number, _ := strconv.Atoi(query.Cursor)
		page := wattline.ReadingsPage{Readings: []wattline.Reading{}}
		if !slices.Contains(query.Devices, "desk-1") {
			return page, nil
		}
		for i := range size {
			r := readingOf("desk-1", later(time.Duration(number*size+i)*time.Second))
			r.Stream, r.Seq = "", 0
			page.Readings = append(page.Readings, r)
		}
		if number+1 < pages {
			page.Next = strconv.Itoa(number + 1)
		}
		return page, nil
	}
}

func answering(t testing.TB, answer func(context.Context, bus.Ask) (any, error), change ...func(*api.Options)) *office {
	t.Helper()
	o := open(t, change...)
	o.bus.set(func(b *fakeBus) { b.answer = answer })
	return o
}

func TestReadingsComeAsCSVToTheLastOne(t *testing.T) {
	o := answering(t, paged(3, 2), func(options *api.Options) { options.Timezone = madrid(t) })
	a := o.get(t, "/api/v1/readings?device=desk-1&from=2026-03-28&to=2026-03-29T12:00:00Z&format=csv")
	want := "device,time,power_w,voltage_v,current_a,energy_wh,meter_wh,relay,rssi_dbm,covers_s,quality\r\n"
	for i := range 6 {
		want += fmt.Sprintf("desk-1,2026-03-28T12:00:0%d.000Z,61.753,230.1,0.271,16.323,16,on,-51,5,after_gap\r\n", i)
	}
	if diff := cmp.Diff(want, string(a.body)); diff != "" {
		t.Error(diff)
	}
	for name, want := range map[string]string{
		"Content-Type": "text/csv; charset=utf-8", "Cache-Control": "no-store", "Wattline-Period": "2026-03-27T23:00:00.000Z/2026-03-29T12:00:00.000Z",
		"Content-Disposition": `attachment; filename="readings_2026-03-28_2026-03-29T140000.csv"`,
	} {
		if got := a.header.Get(name); got != want {
			t.Errorf("%s is %q", name, got)
		}
	}
	if vary := strings.Join(a.header.Values("Vary"), ", "); vary != "Accept-Encoding, Accept" {
		t.Errorf("it varies by %q", vary)
	}
	asks := o.bus.asks()
	for i, ask := range asks {
		query, _ := ask.Body.(wattline.ReadingsQuery)
		if query.Limit != wattline.MaxHistoryPage || i > 0 && query.Cursor != strconv.Itoa(i) || !query.To.Equal(at(t, "2026-03-29T12:00:00Z").Time) {
			t.Errorf("asked %+v", query)
		}
	}
	if len(asks) != 3 {
		t.Errorf("asked %d times", len(asks))
	}
}

func TestEveryAnswerComesAsLinesOfJSON(t *testing.T) {
	for target, schema := range map[string]string{
		"/api/v1/readings?device=desk-1&": "Reading", "/api/v1/consumption?": "Consumption",
		"/api/v1/aggregate?field=power&op=mean&": "Aggregate",
	} {
		o := open(t)
		a := o.get(t, target+"format=ndjson")
		if kind := a.header.Get("Content-Type"); kind != "application/x-ndjson; charset=utf-8" {
			t.Errorf("%s: %s", target, kind)
		}
		lines := strings.Split(strings.TrimSuffix(string(a.body), "\n"), "\n")
		for _, line := range lines {
			var value any
			if err := json.Unmarshal([]byte(line), &value); err != nil {
				t.Errorf("%s: %v in %s", target, err, line)
			} else if err := o.validator.Schema(schema, value); err != nil {
				t.Errorf("%s: %v", target, err)
			}
		}
		if len(lines) != 2 {
			t.Errorf("%s: %q", target, lines)
		}
	}
}

func TestRowsOfEveryKindHaveTheColumnsOfTheirHead(t *testing.T) {
	reading := later(0)
	rows := map[string]struct {
		row  any
		want string
	}{
		"/api/v1/consumption?group_by=label:floor&": {
			wattline.Consumption{Group: "=1+1", Start: noon(), End: later(time.Hour), EnergyWh: new(wattline.Milli(1500)), Coverage: 500, Estimated: true},
			"group,start,end,energy_wh,mean_w,min_w,max_w,coverage,estimated\n'=1+1,2026-03-28T12:00:00.000Z,2026-03-28T13:00:00.000Z,1.5,,,,0.5,true\n",
		},
		"/api/v1/aggregate?field=power&op=stddev&": {
			wattline.Aggregate{Group: `a "b", c`, Start: noon(), End: later(time.Hour), Count: 2, Value: new(1e-7)},
			"group,start,end,count,value\n\"a \"\"b\"\", c\",2026-03-28T12:00:00.000Z,2026-03-28T13:00:00.000Z,2,1e-7\n",
		},
		"/api/v1/aggregate?field=power&op=Top&n=2&": {
			wattline.Aggregate{Group: "g", Start: noon(), End: later(time.Hour), Count: 2, Values: []wattline.AggregateValue{
				{Value: -1500, Time: &reading, Device: "desk-1"}, {Value: -2000, Time: &reading, Device: "desk-2"},
			}},
			"group,start,end,count,value,time,device\n" +
				"g,2026-03-28T12:00:00.000Z,2026-03-28T13:00:00.000Z,2,-1.5,2026-03-28T12:00:00.000Z,desk-1\n" +
				"g,2026-03-28T12:00:00.000Z,2026-03-28T13:00:00.000Z,2,-2,2026-03-28T12:00:00.000Z,desk-2\n",
		},
		"/api/v1/aggregate?field=relay&op=distinct&": {
			wattline.Aggregate{Group: "g", Start: noon(), End: later(time.Hour), Count: 2, Value: new(1.0), Values: []wattline.AggregateValue{{Value: 1000, Count: 2}}},
			"group,start,end,count,distinct,value,times\ng,2026-03-28T12:00:00.000Z,2026-03-28T13:00:00.000Z,2,1,1,2\n",
		},
		"/api/v1/aggregate?field=power&op=sample&n=3&": {
			wattline.Aggregate{Group: "g", Start: noon(), End: later(time.Hour)},
			"group,start,end,count,value,time,device\ng,2026-03-28T12:00:00.000Z,2026-03-28T13:00:00.000Z,0,,,\n",
		},
	}
	for target, c := range rows {
		t.Run(target, func(t *testing.T) {
			o := answering(t, func(context.Context, bus.Ask) (any, error) { return map[string]any{"rows": []any{c.row}}, nil })
			a := o.get(t, target+"format=csv")
			if got := strings.ReplaceAll(string(a.body), "\r\n", "\n"); got != c.want {
				t.Errorf("%d %s", a.status, got)
			}
			if _, err := csv.NewReader(strings.NewReader(string(a.body))).ReadAll(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestTheFormatIsWhatIsAskedForOrElseWhatIsAccepted(t *testing.T) {
	o := answering(t, paged(1, 1))
	for _, c := range []struct{ accept, parameter, want string }{
		{"", "", "application/json"},
		{"*/*", "", "application/json"},
		{"text/html, */*;q=0.8", "", "application/json"},
		{"text/csv", "", "text/csv"},
		{"application/x-ndjson", "", "application/x-ndjson"},
		{"text/csv;q=0.5, application/x-ndjson;q=0.9", "", "application/x-ndjson"},
		{"text/csv;q=0, */*;q=0.1", "", "application/json"},
		{"application/json;q=0, text/*", "", "text/csv"},
		{"application/vnd.apache.parquet", "", "application/vnd.apache.parquet"},
		{"application/senml+json", "", "application/senml+json"},
		{"", "sensml", "application/sensml+json"},
		{"text/csv;q=0", "csv", "text/csv"},
		{"text/csv;q=NaN, ;;;,,", "", "application/json"},
		{"text/csv", "json", "application/json"},
		{"application/json", "csv", "text/csv"},
		{"text/csv, application/json", "", "text/csv"},
	} {
		r := request(http.MethodGet, "/api/v1/readings", "")
		if c.parameter != "" {
			r.URL.RawQuery = "format=" + c.parameter
		}
		if c.accept != "" {
			r.Header.Set("Accept", c.accept)
		}
		a := o.send(t, r)
		if kind, _, _ := strings.Cut(a.header.Get("Content-Type"), ";"); kind != c.want || a.status != http.StatusOK {
			t.Errorf("%+v: %d %s", c, a.status, kind)
		}
	}
	for _, accept := range []string{"text/csv;q=0", "text/html", "image/*"} {
		r := request(http.MethodGet, "/api/v1/readings", "")
		r.Header.Set("Accept", accept)
		wantProblem(t, o.send(t, r), wattline.CodeNotAcceptable, "")
	}
	wantProblem(t, o.get(t, "/api/v1/readings?format=xml"), wattline.CodeInvalid, "format")
	wantProblem(t, o.get(t, "/api/v1/readings?format=csv&cursor=x"), wattline.CodeInvalid, "cursor")
	old := request(http.MethodGet, "/api/v1/readings?format=csv", "")
	old.ProtoMajor, old.ProtoMinor = 1, 0
	wantProblem(t, o.send(t, old), wattline.CodeInvalid, "format")
}

func TestHeadAsksForOnePageAndHasNoBody(t *testing.T) {
	o := answering(t, paged(1000, 1))
	a := o.fetch(t, http.MethodHead, "/api/v1/readings?format=csv")
	if a.status != http.StatusOK || len(a.body) != 0 || !strings.HasPrefix(a.header.Get("Content-Type"), "text/csv") || len(o.bus.asks()) != 1 {
		t.Errorf("%+v after %d asks", a, len(o.bus.asks()))
	}
}

func TestAClientThatGoesEndsTheWork(t *testing.T) {
	o := answering(t, paged(1_000_000, 100))
	ctx, leave := context.WithCancel(t.Context())
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+o.Addr()+"/api/v1/readings?format=csv", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	response, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if _, err := io.ReadFull(response.Body, make([]byte, 10_000)); err != nil {
		t.Fatal(err)
	}
	leave()
	eventually(t, "the end", func() bool {
		return strings.Contains(string(o.get(t, "/metrics").body), "wattline_api_streams 0\n")
	})
}

func TestSoManyAtOnceAndNoMore(t *testing.T) {
	asked, finish := make(chan bool), make(chan bool)
	o := answering(t, func(ctx context.Context, ask bus.Ask) (any, error) {
		asked <- true
		<-finish
		return paged(1, 1)(ctx, ask)
	}, func(options *api.Options) { options.Limits.Streams = 1 })
	done := make(chan answer)
	go func() { done <- o.get(t, "/api/v1/readings?device=desk-1&format=csv") }()
	<-asked
	refused := o.get(t, "/api/v1/consumption?format=ndjson")
	wantProblem(t, refused, wattline.CodeBusy, "")
	if refused.header.Get("Retry-After") == "" {
		t.Error("no word of when to try again")
	}
	close(finish)
	if a := <-done; a.status != http.StatusOK {
		t.Errorf("%d", a.status)
	}
	go func() { <-asked }()
	if a := o.get(t, "/api/v1/readings?device=desk-1&format=csv"); a.status != http.StatusOK {
		t.Errorf("the next one: %d", a.status)
	}
}

// counting is a client that only counts, and calls see now and then.
type counting struct {
	discard

	lines, seen int
	see         func()
}

func (c *counting) Write(p []byte) (int, error) {
	c.lines += strings.Count(string(p), "\n")
	if c.lines-c.seen >= 50_000 {
		c.seen = c.lines
		c.see()
	}
	return len(p), nil
}

func TestALongAnswerTakesNoMoreMemoryThanAShortOne(t *testing.T) {
	const size, pages = wattline.MaxHistoryPage, 50
	body := payload(t, func() any {
		page, _ := paged(1, size)(t.Context(), bus.Ask{Body: wattline.ReadingsQuery{Devices: []string{"desk-1"}}})
		return page
	}())
	o := answering(t, func(_ context.Context, ask bus.Ask) (any, error) {
		query, _ := ask.Body.(wattline.ReadingsQuery)
		number, _ := strconv.Atoi(query.Cursor)
		if number+1 == pages {
			return json.RawMessage(body), nil
		}
		return json.RawMessage(strings.TrimSuffix(string(body), "}") + `,"next":"` + strconv.Itoa(number+1) + `"}`), nil
	})
	var highest []uint64
	client := &counting{see: func() {
		var stats runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&stats)
		highest = append(highest, stats.HeapAlloc)
	}}
	o.Handler().ServeHTTP(client, request(http.MethodGet, "/api/v1/readings?device=desk-1&format=ndjson", ""))
	if client.lines != size*pages {
		t.Fatalf("%d lines", client.lines)
	}
	const leeway = 8 << 20
	if first, last := highest[0], highest[len(highest)-1]; last > first+leeway {
		t.Errorf("%d bytes at first, %d at last: %v", first, last, highest)
	}
}
