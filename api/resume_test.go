package api_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/bus"
	"github.com/wattline/wattline/internal/packed"
)

func TestALongAnswerGoesOnAfterTheLastWholeLine(t *testing.T) {
	o := open(t)
	var asked []any
	o.bus.set(func(b *fakeBus) {
		b.answer = func(_ context.Context, ask bus.Ask) (any, error) {
			asked = append(asked, ask.Body)
			next := ""
			if len(asked)%2 == 1 {
				next = "more"
			}
			if _, is := ask.Body.(wattline.ReadingsQuery); is {
				return wattline.ReadingsPage{Readings: []wattline.Reading{readingOf("desk-1", noon())}, Next: next}, nil
			}
			return map[string]any{"rows": []any{}, "next": next}, nil
		}
	})
	for target, want := range map[string]any{
		"/api/v1/readings?device=desk-1&after_device=desk-1&after_time=2026-03-28T12:00:00.000Z": &wattline.ReadingPlace{Device: "desk-1", Time: noon()},
		"/api/v1/consumption?after_group=hq/f1&after_start=2026-03-28T12:00:00Z":                 &wattline.RowPlace{Group: "hq/f1", Start: noon()},
		"/api/v1/aggregate?field=power&op=mean&after_group=&after_start=" +
			url.QueryEscape("2026-03-28T13:00:00+01:00"): &wattline.RowPlace{Start: noon()},
	} {
		asked = nil
		a := o.get(t, target+"&format=csv&from=2026-03-28&to=2026-03-29")
		if kind := a.header.Get("Content-Type"); kind != "text/csv; charset=utf-8; header=absent" || strings.Contains(string(a.body), "start") ||
			strings.HasPrefix(string(a.body), "device") {
			t.Errorf("%s: %s %s", target, kind, a.body)
		}
		var got, then any
		switch first := asked[0].(type) {
		case wattline.ReadingsQuery:
			second, _ := asked[1].(wattline.ReadingsQuery)
			got, then = first.After, second
			if second.After != nil || second.Cursor != "more" {
				t.Errorf("%s: then asked %+v", target, then)
			}
		case wattline.ConsumptionQuery:
			got = first.After
		case wattline.AggregateQuery:
			got = first.After
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", target, diff)
		}
	}
	for target, field := range map[string]string{
		"/api/v1/readings?format=csv&after_device=desk-1":                                              "after_device",
		"/api/v1/readings?format=csv&after_time=2026-03-28T12:00:00Z":                                  "after_device",
		"/api/v1/readings?format=csv&after_device=desk-1&after_time=today":                             "after_time",
		"/api/v1/readings?format=csv&cursor=more":                                                      "cursor",
		"/api/v1/readings?format=parquet&limit=0":                                                      "limit",
		"/api/v1/readings?limit=5001":                                                                  "limit",
		"/api/v1/aggregate?field=power&op=mean&format=csv&after_device=x&after_time=2026-03-28T12:00Z": "after_device",
	} {
		wantProblem(t, o.get(t, target), wattline.CodeInvalid, field)
	}
}

func TestAGroupIsNamedAsTheFormatShowsIt(t *testing.T) {
	for name, c := range map[string]struct{ format, shown, group string }{
		"a formula in CSV":                    {"csv", "'=x", "=x"},
		"an apostrophe and a formula in CSV":  {"csv", "''=x", "'=x"},
		"an apostrophe in CSV":                {"csv", "'s-Hertogenbosch", "'s-Hertogenbosch"},
		"a formula in SenML":                  {"senml", "0::3dx", "=x"},
		"an apostrophe and a formula in JSON": {"ndjson", "'=x", "'=x"},
		"a page":                              {"json", "'=x", "'=x"},
		"a formula in Parquet":                {"parquet", "=x", "=x"},
	} {
		t.Run(name, func(t *testing.T) {
			o := open(t)
			a := o.get(t, "/api/v1/consumption?group_by=label:floor&from=2026-03-28&to=2026-03-29&after_start=2026-03-28T12:00:00Z&format="+
				c.format+"&after_group="+url.QueryEscape(c.shown))
			if query, _ := o.bus.asks()[0].Body.(wattline.ConsumptionQuery); a.status != http.StatusOK || query.After == nil || query.After.Group != c.group {
				t.Errorf("%d, after %+v", a.status, query.After)
			}
		})
	}
}

func TestAFaultOfAPlaceIsNamedByItsParameter(t *testing.T) {
	o := answering(t, func(context.Context, bus.Ask) (any, error) {
		return nil, wattline.Invalid(wattline.FieldError{Field: "after.start", Reason: "must be the start of a row"})
	})
	a := o.get(t, "/api/v1/consumption?format=csv&after_group=x&after_start=2026-03-28T12:00:01Z")
	wantProblem(t, a, wattline.CodeInvalid, "after_start")
	if detail := a.problem(t).Detail; detail != "after_start must be the start of a row" {
		t.Error(detail)
	}
}

// partOf answers queries for readings as a history does that has one of desk-1 each
// second.
func partOf(all int) func(context.Context, bus.Ask) (any, error) {
	return func(_ context.Context, ask bus.Ask) (any, error) {
		query, _ := ask.Body.(wattline.ReadingsQuery)
		first, _ := strconv.Atoi(query.Cursor)
		if query.After != nil {
			first = int(query.After.Time.Sub(noon().Time)/time.Second) + 1
		}
		page := wattline.ReadingsPage{Readings: []wattline.Reading{}}
		for i := first; i < min(first+query.Limit, all); i++ {
			page.Readings = append(page.Readings, readingOf("desk-1", later(time.Duration(i)*time.Second)))
		}
		if first+query.Limit < all {
			page.Next = strconv.Itoa(first + query.Limit)
		}
		return page, nil
	}
}

func TestALongAnswerMayBeTakenInParts(t *testing.T) {
	const limit, all = 40, 100
	o := answering(t, partOf(all))
	for _, c := range []struct {
		format string
		rows   func(body []byte) int
	}{
		{"json", func(body []byte) int { return bytes.Count(body, []byte(`"power_w"`)) }},
		{"csv", func(body []byte) int {
			return bytes.Count(body, []byte("\r\ndesk-1")) + bytes.Count(body[:6], []byte("desk-1"))
		}},
		{"ndjson", func(body []byte) int { return bytes.Count(body, []byte("\n")) }},
		{"senml", func(body []byte) int { return bytes.Count(body, []byte(`"power_w"`)) }},
		{"sensml", func(body []byte) int { return bytes.Count(body, []byte(`"power_w"`)) }},
		{"parquet", func(body []byte) int { return len(parquetTimes(t, body)) }},
	} {
		for taken, part := 0, 1; ; part++ {
			target := fmt.Sprintf("/api/v1/readings?device=desk-1&format=%s&limit=%d", c.format, limit)
			if taken > 0 {
				target += "&after_device=desk-1&after_time=" + later(time.Duration(taken-1)*time.Second).String()
			}
			a := o.get(t, target)
			want := min(limit, all-taken)
			if got := c.rows(a.body); a.status != http.StatusOK || got != want {
				t.Fatalf("%s: part %d: %d, %d rows and not %d", c.format, part, a.status, got, want)
			}
			if c.format == "parquet" && want > 0 {
				if times := parquetTimes(t, a.body); times[0] != later(time.Duration(taken)*time.Second).UnixMilli() {
					t.Errorf("part %d begins at %d", part, times[0])
				}
			}
			if taken += want; want == 0 {
				break
			}
		}
	}
}

func TestAPartMayHaveMoreRowsThanAPage(t *testing.T) {
	const limit = wattline.MaxHistoryPage + 10
	o := answering(t, partOf(3*wattline.MaxHistoryPage))
	if a := o.get(t, fmt.Sprintf("/api/v1/readings?device=desk-1&format=csv&limit=%d", limit)); bytes.Count(a.body, []byte("\r\n")) != 1+limit {
		t.Errorf("%d lines, not a head and %d rows", bytes.Count(a.body, []byte("\r\n")), limit)
	}
}

// parquetTimes are the times of the rows of a whole file.
func parquetTimes(t *testing.T, file []byte) (times []int64) {
	t.Helper()
	type row struct {
		Time int64 `parquet:"time,optional,timestamp(millisecond)"`
	}
	rows, err := parquet.Read[row](bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		times = append(times, row.Time)
	}
	return times
}

func TestReadingsMayComePacked(t *testing.T) {
	readings := []wattline.Reading{readingOf("desk-1", noon()), readingOf("desk-1", later(5*time.Second)), readingOf("desk-2", noon())}
	for i := range readings {
		readings[i].Stream, readings[i].Seq = "", 0
	}
	o := answering(t, func(_ context.Context, ask bus.Ask) (any, error) {
		page := wattline.ReadingsPage{Readings: []wattline.Reading{}, Packed: packed.Append(nil, readings)}
		if query, _ := ask.Body.(wattline.ReadingsQuery); !query.Packed {
			page = wattline.ReadingsPage{Readings: readings}
		}
		return page, nil
	})
	want := []byte{}
	for _, r := range readings {
		want = append(append(want, payload(t, r)...), '\n')
	}
	if a := o.get(t, "/api/v1/readings?device=desk-1&format=ndjson"); string(a.body) != string(want) {
		t.Error(cmp.Diff(string(want), string(a.body)))
	}
	if page := decoded[wattline.ReadingsPage](t, o.get(t, "/api/v1/readings")); len(page.Readings) != 3 || page.Packed != nil {
		t.Errorf("%+v", page)
	}
	o.bus.set(func(b *fakeBus) {
		b.answer = func(context.Context, bus.Ask) (any, error) {
			return wattline.ReadingsPage{Readings: []wattline.Reading{}, Packed: []byte{9}}, nil
		}
	})
	wantProblem(t, o.get(t, "/api/v1/readings?format=csv"), wattline.CodeInternal, "")
}

func TestAPageThatIsTheSameIsNotSentAgain(t *testing.T) {
	o := open(t)
	const target = "/api/v1/consumption?from=2026-03-28&to=2026-03-29"
	first := o.get(t, target)
	if first.header.Get("Cache-Control") != "private, no-cache" || !strings.HasPrefix(first.header.Get("ETag"), `W/"`) {
		t.Fatalf("%v", first.header)
	}
	ask := func(tag string) answer {
		r := request(http.MethodGet, target, "")
		r.Header.Set("If-None-Match", tag)
		return o.send(t, r)
	}
	for _, tag := range []string{first.header.Get("ETag"), `"other", ` + first.header.Get("ETag"), strings.TrimPrefix(first.header.Get("ETag"), "W/"), "*"} {
		if a := ask(tag); a.status != http.StatusNotModified || len(a.body) != 0 {
			t.Errorf("%s: %d %s", tag, a.status, a.body)
		}
	}
	o.bus.set(func(b *fakeBus) {
		b.answer = func(context.Context, bus.Ask) (any, error) { // a reading that came late
			return wattline.ConsumptionPage{Rows: []wattline.Consumption{{Group: "desk-1", Start: noon(), End: later(time.Hour)}}}, nil
		}
	})
	if a := ask(first.header.Get("ETag")); a.status != http.StatusOK {
		t.Errorf("changed, and %d", a.status)
	}
}
