package api_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/access"
	"github.com/wattline/wattline/internal/bus"
	"github.com/wattline/wattline/internal/packed"
)

func TestALongAnswerIsAskedForInPartsAndComesInOrder(t *testing.T) {
	const pages = 3
	o := answering(t, func(_ context.Context, ask bus.Ask) (any, error) { // a reading of each device on each page
		query, _ := ask.Body.(wattline.ReadingsQuery)
		number, _ := strconv.Atoi(query.Cursor)
		page := wattline.ReadingsPage{Readings: []wattline.Reading{}}
		for _, device := range query.Devices {
			page.Readings = append(page.Readings, readingOf(device, later(time.Duration(number)*time.Second)))
		}
		if number+1 < pages {
			page.Next = strconv.Itoa(number + 1)
		}
		return page, nil
	})
	devices := []string{"desk-1", "desk-2", "down-1", "new-1", "printer-1"}
	for _, c := range []struct {
		query string
		want  []string
		asks  int
	}{
		{"from=2026-01-01&to=2026-02-01", devices, pages * len(devices)}, // long enough for a part each
		{"from=2026-01-01T00:00:00Z&to=2026-01-01T01:00:00Z", nil, pages},
		{"from=2026-01-01&to=2026-02-01&after_device=down-1&after_time=2026-01-15T00:00:00Z", devices[2:], pages * 3},
	} {
		before := len(o.bus.asks())
		a := o.get(t, "/api/v1/readings?format=csv&"+c.query)
		var got []string
		for line := range strings.Lines(string(a.body)) {
			if device, _, _ := strings.Cut(line, ","); device != "device" {
				got = append(got, device)
			}
		}
		if asks := len(o.bus.asks()) - before; asks != c.asks {
			t.Errorf("%s: asked %d times, not %d", c.query, asks, c.asks)
		}
		if c.want != nil && !slices.Equal(slices.Compact(slices.Clone(got)), c.want) || c.want == nil && len(got) != pages*len(devices) {
			t.Errorf("%s: %v", c.query, got)
		}
	}
	for _, ask := range o.bus.asks() {
		query, _ := ask.Body.(wattline.ReadingsQuery)
		if query.After != nil && (query.Cursor != "" || query.Devices[0] != "down-1") {
			t.Errorf("%+v", query)
		}
	}
}

func TestAnAnswerThatNobodyTakesEndsWithTheRightToIt(t *testing.T) {
	for name, lose := range map[string]func(*office){
		"a revoked token": func(o *office) { o.guests.let("lost", access.Principal{}) },
		"a device out of scope": func(o *office) {
			o.bus.device(t, wattline.Device{ID: "desk-1", Kind: "workstation", Location: "annex", Site: "hq", Address: "192.0.2.11"})
		},
	} {
		t.Run(name, func(t *testing.T) { endsUntaken(t, lose) })
	}
}

func endsUntaken(t *testing.T, lose func(*office)) {
	t.Helper()
	o := answering(t, paged(1_000_000, 1000))
	o.guests.let("lost", inScope(t, access.Viewer, "hq"))
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+o.Addr()+"/api/v1/readings?device=desk-1&format=csv", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer lost")
	r.Header.Set("Accept-Encoding", "identity")
	response, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	asked := -1
	eventually(t, "a client that takes nothing", func() bool {
		before := asked
		asked = len(o.bus.asks())
		time.Sleep(100 * time.Millisecond)
		return before == asked
	})
	lose(o)
	eventually(t, "the end", func() bool {
		return strings.Contains(string(o.get(t, "/metrics").body), "wattline_api_streams 0\n")
	})
}

func TestAHistoryIsAskedForNoMoreThanIsWanted(t *testing.T) {
	// Pages are of half of what is asked for, and there is always one more.
	endless := func(_ context.Context, ask bus.Ask) (any, error) {
		switch query := ask.Body.(type) {
		case wattline.AggregateQuery:
			number, _ := strconv.Atoi(query.Cursor)
			page := wattline.AggregatePage{Next: strconv.Itoa(number + 1)}
			for range max(1, query.Limit/2) {
				page.Rows = append(page.Rows, wattline.Aggregate{Group: "g", Start: noon(), End: later(time.Hour), Count: 1})
			}
			return page, nil
		case wattline.ReadingsQuery:
			number, _ := strconv.Atoi(query.Cursor)
			var readings []wattline.Reading
			for i := range max(1, query.Limit/2) {
				readings = append(readings, readingOf(query.Devices[0], later(time.Duration(number*10_000+i)*time.Second)))
			}
			return wattline.ReadingsPage{Readings: []wattline.Reading{}, Packed: packed.Append(nil, readings), Next: strconv.Itoa(number + 1)}, nil
		}
		return nil, errors.New("asked for something else")
	}
	for target, want := range map[string][]int{
		"/api/v1/aggregate?field=power&op=top&n=2&limit=1":        {1},
		"/api/v1/aggregate?field=power&op=top&n=2&limit=2":        {2, 1},
		"/api/v1/aggregate?field=power&op=median&limit=8":         {8, 4, 2, 1},
		"/api/v1/readings?from=2026-01-01&to=2026-03-01&limit=1":  {1},
		"/api/v1/readings?from=2026-01-01&to=2026-03-01&limit=16": {16, 8, 4, 2, 1},
		"/api/v1/readings?device=desk-1&limit=6000":               {5000, 3500, 1750, 875, 438, 219, 110, 55, 28, 14, 7, 4, 2, 1},
	} {
		t.Run(target, func(t *testing.T) {
			o := answering(t, endless)
			a := o.get(t, target+"&format=ndjson")
			var limits []int
			for _, ask := range o.bus.asks() {
				switch query := ask.Body.(type) {
				case wattline.AggregateQuery:
					limits = append(limits, query.Limit)
				case wattline.ReadingsQuery:
					limits = append(limits, query.Limit)
				}
			}
			if diff := cmp.Diff(want, limits); diff != "" {
				t.Error(diff)
			}
			if rows := strconv.Itoa(bytes.Count(a.body, []byte("\n"))); !strings.HasSuffix(target, "limit="+rows) {
				t.Errorf("%s rows", rows)
			}
		})
	}
}

func TestARowOfSeveralLinesCountsOnceInAPart(t *testing.T) {
	const windows, values, limit = 5, 3, 2
	o := answering(t, func(_ context.Context, ask bus.Ask) (any, error) {
		query, _ := ask.Body.(wattline.AggregateQuery)
		first, _ := strconv.Atoi(query.Cursor)
		if query.After != nil {
			first = int(query.After.Start.Sub(noon().Time)/time.Hour) + 1
		}
		page := wattline.AggregatePage{Rows: []wattline.Aggregate{}}
		for i := first; i < min(first+query.Limit, windows); i++ {
			row := wattline.Aggregate{Group: "g", Start: later(time.Duration(i) * time.Hour), End: later(time.Duration(i+1) * time.Hour), Count: values}
			for range values {
				row.Values = append(row.Values, wattline.AggregateValue{Value: 1, Time: &row.Start, Device: "desk-1"})
			}
			page.Rows = append(page.Rows, row)
		}
		if first+query.Limit < windows {
			page.Next = strconv.Itoa(first + query.Limit)
		}
		return page, nil
	})
	type line struct {
		Start int64 `parquet:"start,optional,timestamp(millisecond)"`
	}
	var lines []int
	place := ""
	for len(lines) == 0 || lines[len(lines)-1] > 0 {
		a := o.get(t, fmt.Sprintf("/api/v1/aggregate?field=power&op=top&n=%d&window=hour&format=parquet&limit=%d%s", values, limit, place))
		part, err := parquet.Read[line](bytes.NewReader(a.body), int64(len(a.body)))
		if err != nil {
			t.Fatal(err)
		}
		if lines = append(lines, len(part)); len(part) > 0 {
			place = "&after_group=g&after_start=" + wattline.AtMilli(part[len(part)-1].Start).String()
		}
	}
	if diff := cmp.Diff([]int{limit * values, limit * values, values, 0}, lines); diff != "" {
		t.Error(diff)
	}
}
