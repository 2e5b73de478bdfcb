package api_test

import (
	"context"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/api"
	"github.com/wattline/wattline/internal/bus"
)

func madrid(t testing.TB) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation("Europe/Madrid")
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

func at(t testing.TB, text string) wattline.Time {
	t.Helper()
	parsed, err := wattline.ParseTime(text)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

// lastAsk is the body of the newest question.
func lastAsk[T any](t testing.TB, o *office) T {
	t.Helper()
	asks := o.bus.asks()
	if len(asks) == 0 {
		t.Fatal("nobody was asked")
	}
	body, ok := asks[len(asks)-1].Body.(T)
	if !ok {
		t.Fatalf("asked %+v", asks[len(asks)-1])
	}
	return body
}

func TestReadingsAreAskedOfHistory(t *testing.T) {
	o := open(t, func(options *api.Options) { options.Timezone = madrid(t) })
	seated := wattline.Device{
		ID: "desk-1", Kind: "workstation", Location: "hq/f1/r101/desk-1", Site: "hq", Address: "192.0.2.11",
		Labels: map[string]string{"floor": "1", "row": "1", "column": "2"},
	}
	o.bus.device(t, seated)
	for query, want := range map[string]wattline.ReadingsQuery{
		"device=desk-2&device=desk-1&from=2026-03-28T00:00:00Z&to=2026-03-29T02:00:00%2B02:00&limit=7": {
			Devices: []string{"desk-1", "desk-2"}, Limit: 7, From: at(t, "2026-03-28T00:00:00Z"), To: at(t, "2026-03-29T00:00:00Z"),
		},
		"location=hq/f1&label=floor:1&from=2026-03-29&to=2026-03-30": { // a day of 23 hours
			Devices: []string{"desk-1"}, Limit: 1000, From: at(t, "2026-03-28T23:00:00Z"), To: at(t, "2026-03-29T22:00:00Z")},
		"device=desk-1&from=2026-03-29&to=2026-03-30&tz=America/New_York": {
			Devices: []string{"desk-1"}, Limit: 1000, From: at(t, "2026-03-29T04:00:00Z"), To: at(t, "2026-03-30T04:00:00Z"),
		},
		"row=1&type=w&from=2026-03-28&to=2026-03-29": {
			Devices: []string{"desk-1"}, Limit: 1000, From: at(t, "2026-03-27T23:00:00Z"), To: at(t, "2026-03-28T23:00:00Z"),
		},
		"kind=printer&to=2026-03-30T12:00:00Z": {
			Devices: []string{"new-1", "printer-1"}, Limit: 1000, From: at(t, "2026-03-29T22:00:00Z"), To: at(t, "2026-03-30T12:00:00Z"),
		},
		"to=2026-03-30": {
			Devices: []string{"desk-1", "desk-2", "down-1", "new-1", "printer-1"}, Limit: 1000,
			From: at(t, "2026-03-28T23:00:00Z"), To: at(t, "2026-03-29T22:00:00Z"),
		},
	} {
		t.Run(query, func(t *testing.T) {
			a := o.get(t, "/api/v1/readings?"+query)
			if a.status != http.StatusOK {
				t.Fatalf("%d %s", a.status, a.body)
			}
			if diff := cmp.Diff(want, lastAsk[wattline.ReadingsQuery](t, o)); diff != "" {
				t.Error(diff)
			}
			topic := o.bus.asks()[len(o.bus.asks())-1].Topic
			if topic != (wattline.Topic{Kind: wattline.TopicQuery, Component: "history", Verb: "readings"}) {
				t.Errorf("asked %+v", topic)
			}
		})
	}
	t.Run("a period without an end ends now", func(t *testing.T) {
		o.get(t, "/api/v1/readings?device=desk-1")
		asked := lastAsk[wattline.ReadingsQuery](t, o)
		if since := time.Since(asked.To.Time); since < 0 || since > time.Minute {
			t.Errorf("ends at %s", asked.To)
		}
		begin := asked.From.In(madrid(t))
		if begin.Hour() != 0 || begin.Minute() != 0 || asked.To.Sub(asked.From.Time) > 25*time.Hour {
			t.Errorf("begins at %s", begin)
		}
	})
}

func TestPagesOfReadingsKeepTheirPeriod(t *testing.T) {
	o := open(t)
	first := decoded[wattline.ReadingsPage](t, o.get(t, "/api/v1/readings?device=desk-1"))
	before := lastAsk[wattline.ReadingsQuery](t, o)
	o.bus.set(func(b *fakeBus) {
		b.answer = func(context.Context, bus.Ask) (any, error) {
			return wattline.ReadingsPage{Readings: []wattline.Reading{}}, nil
		}
	})
	second := decoded[wattline.ReadingsPage](t, o.get(t, "/api/v1/readings?device=desk-1&cursor="+url.QueryEscape(first.Next)))
	want := before
	want.Cursor = "more"
	if diff := cmp.Diff(want, lastAsk[wattline.ReadingsQuery](t, o)); diff != "" {
		t.Error(diff)
	}
	if second.Next != "" || second.Readings == nil {
		t.Errorf("%+v", second)
	}
	wantProblem(t, o.get(t, "/api/v1/readings?device=desk-2&cursor="+first.Next), wattline.CodeInvalid, "cursor")
}

func TestNoDevicesNeedNoAnswerFromHistory(t *testing.T) {
	o := open(t)
	for target, want := range map[string]string{
		"/api/v1/readings?location=nowhere": `{"readings":[]}`, "/api/v1/consumption?location=nowhere": `{"rows":[]}`,
	} {
		if a := o.get(t, target); string(a.body) != want || len(o.bus.asks()) != 0 {
			t.Errorf("%s: %s, %d asks", target, a.body, len(o.bus.asks()))
		}
	}
}

func TestConsumptionIsAskedByGroups(t *testing.T) {
	o := open(t, func(options *api.Options) { options.Timezone = madrid(t) })
	desks := func(names ...string) []wattline.Group {
		groups := []wattline.Group{}
		for i, name := range names {
			groups = append(groups, wattline.Group{Name: name, Devices: []string{[]string{"desk-1", "desk-2"}[i]}})
		}
		return groups
	}
	for query, want := range map[string]wattline.ConsumptionQuery{
		"location=hq/f1&from=2026-03-29&to=2026-03-30": {
			Groups: desks("desk-1", "desk-2"), Window: "hour", Timezone: "Europe/Madrid", Limit: 1000,
			From: at(t, "2026-03-28T23:00:00Z"), To: at(t, "2026-03-29T22:00:00Z"),
		},
		"location=hq/f1&from=2026-03-29&to=2026-03-30&tz=America/New_York&window=quarter&group_by=device&limit=3": {
			Groups: desks("desk-1", "desk-2"), Window: "quarter", Timezone: "America/New_York", Limit: 3,
			From: at(t, "2026-03-29T04:00:00Z"), To: at(t, "2026-03-30T04:00:00Z"),
		},
		"location=hq/f1&from=2026-09-06&to=2026-09-07&tz=America/Santiago&window=day": { // that day has no midnight
			Groups: desks("desk-1", "desk-2"), Window: "day", Timezone: "America/Santiago", Limit: 1000,
			From: at(t, "2026-09-06T04:00:00Z"), To: at(t, "2026-09-07T03:00:00Z"),
		},
		"from=2026-03-01&to=2026-04-01&tz=UTC&window=month&group_by=kind": {
			Groups: []wattline.Group{
				{Name: "printer", Devices: []string{"new-1", "printer-1"}},
				{Name: "workstation", Devices: []string{"desk-1", "desk-2", "down-1"}},
			}, Window: "month", Timezone: "UTC", Limit: 1000, From: at(t, "2026-03-01T00:00:00Z"), To: at(t, "2026-04-01T00:00:00Z"),
		},
		"from=2026-03-01&to=2026-04-01&tz=UTC&window=week&group_by=location:2": {
			Groups: []wattline.Group{
				{Name: "hq/f1", Devices: []string{"desk-1", "desk-2"}},
				{Name: "hq/f10", Devices: []string{"new-1"}},
				{Name: "hq/f2", Devices: []string{"down-1", "printer-1"}},
			}, Window: "week", Timezone: "UTC", Limit: 1000, From: at(t, "2026-03-01T00:00:00Z"), To: at(t, "2026-04-01T00:00:00Z"),
		},
	} {
		t.Run(query, func(t *testing.T) {
			a := o.get(t, "/api/v1/consumption?"+query)
			if a.status != http.StatusOK {
				t.Fatalf("%d %s", a.status, a.body)
			}
			if diff := cmp.Diff(want, lastAsk[wattline.ConsumptionQuery](t, o)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAConsumptionQueryThatIsTooLargeIsRefusedWithWhatWouldDo(t *testing.T) {
	o := open(t)
	a := o.get(t, "/api/v1/consumption?from=2016-01-01&to=2026-01-01&window=quarter")
	wantProblem(t, a, wattline.CodeInvalid, "window")
	if reason := a.problem(t).Fields[0].Reason; reason != "quarter makes 350688 windows of this period, each with 5 groups; "+
		"at most 40000 windows and 1000000 rows are answered: take a longer window, or a period of up to 9999 hours" {
		t.Error(reason)
	}
	if len(o.bus.asks()) != 0 {
		t.Error("somebody was asked")
	}
	for _, window := range []string{"day", "week", "month", "year"} {
		if a := o.get(t, "/api/v1/consumption?from=2016-01-01&to=2026-01-01&window="+window); a.status != http.StatusOK {
			t.Errorf("%s: %d %s", window, a.status, a.body)
		}
	}
}
