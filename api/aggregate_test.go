package api_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/api"
	"github.com/wattline/wattline/internal/calendar"
)

func TestAggregatesAreAskedOfHistory(t *testing.T) {
	o := open(t, func(options *api.Options) { options.Timezone = madrid(t) })
	period := wattline.AggregateQuery{
		From: at(t, "2026-03-28T23:00:00Z"), To: at(t, "2026-03-29T22:00:00Z"), Timezone: "Europe/Madrid", Limit: 1000,
	}
	for query, change := range map[string]func(*wattline.AggregateQuery){
		"field=power&op=mean&group_by=all": func(q *wattline.AggregateQuery) {
			q.Field, q.Op = "power", "mean"
			q.Groups = []wattline.Group{{Name: "all", Devices: []string{"desk-1", "desk-2", "down-1", "new-1", "printer-1"}}}
		},
		"field=voltage&op=PERCENTILE&p=99.5&kind=printer&group_by=kind&window=year": func(q *wattline.AggregateQuery) {
			q.Field, q.Op, q.P, q.Window = "voltage", "percentile", new(wattline.Milli(99_500)), "year"
			q.Groups = []wattline.Group{{Name: "printer", Devices: []string{"new-1", "printer-1"}}}
		},
		"field=power&op=Top&n=5&location=hq/f1&group_by=label:cost-centre&window=hour&limit=7": func(q *wattline.AggregateQuery) {
			q.Field, q.Op, q.N, q.Window, q.Limit = "power", "top", 5, "hour", 7
			q.Groups = []wattline.Group{{Name: "4100", Devices: []string{"desk-1"}}, {Name: "4200", Devices: []string{"desk-2"}}}
		},
		"field=relay&op=mean&kind=workstation&group_by=label:floor": func(q *wattline.AggregateQuery) {
			q.Field, q.Op = "relay", "mean"
			q.Groups = []wattline.Group{{Name: "", Devices: []string{"desk-2", "down-1"}}, {Name: "1", Devices: []string{"desk-1"}}}
		},
	} {
		t.Run(query, func(t *testing.T) {
			a := o.get(t, "/api/v1/aggregate?from=2026-03-29&to=2026-03-30&"+query)
			if a.status != http.StatusOK {
				t.Fatalf("%d %s", a.status, a.body)
			}
			want := period
			change(&want)
			if diff := cmp.Diff(want, lastAsk[wattline.AggregateQuery](t, o)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAnAggregateThatMeansNothingIsRefusedWithTheParameter(t *testing.T) {
	o := open(t)
	for query, field := range map[string]string{
		"":                                                  "field",
		"field=power":                                       "op",
		"field=rssi&op=mean":                                "field",
		"field=power&op=average":                            "op",
		"field=energy&op=mean":                              "op",
		"field=voltage&op=integral":                         "op",
		"field=power&op=percentile":                         "p",
		"field=power&op=mean&p=5":                           "p",
		"field=power&op=top":                                "n",
		"field=power&op=top&n=0":                            "n",
		"field=power&op=top&n=1001":                         "n",
		"field=power&op=top&n=1e2":                          "n",
		"field=power&op=mean&n=5":                           "n",
		"field=power&field=relay":                           "field",
		"field=power&op=mean&op=mean":                       "op",
		"field=power&op=percentile&p=NaN":                   "p",
		"field=power&op=percentile&p=100.1":                 "p",
		"field=power&op=percentile&p=100.0001":              "p",
		"field=power&op=percentile&p=-0.001":                "p",
		"field=power&op=mean&window=fortnight":              "window",
		"field=power&op=mean&group_by=label:":               "group_by",
		"field=power&op=mean&group_by=label:A%20B":          "group_by",
		"field=power&op=mean&group_by=location:0":           "group_by",
		"field=power&op=mean&cursor=x":                      "cursor",
		"field=power&op=mean&limit=5001":                    "limit",
		"field=power&op=mean&tz=Mars/Olympus":               "tz",
		"field=power&op=mean&from=2026-03-30&to=2026-03-29": "from",
	} {
		wantProblem(t, o.get(t, "/api/v1/aggregate?"+query), wattline.CodeInvalid, field)
	}
	if len(o.bus.asks()) != 0 {
		t.Error("somebody was asked")
	}
}

func TestWhatIsTooLargeSaysWhatWouldBeAccepted(t *testing.T) {
	o := open(t, func(options *api.Options) { options.Limits.Rows, options.Limits.Windows = 100, 60 })
	for query, want := range map[string]string{
		"from=2026-03-01&to=2026-03-05&window=hour": "hour makes 96 windows of this period, each with 5 groups; at most 60 windows " +
			"and 100 rows are answered: take a longer window, or a period of up to 19 hours",
		"from=2026-03-01&to=2026-03-03&window=hour": "hour makes 48 windows of this period, each with 5 groups; at most 60 windows " +
			"and 100 rows are answered: take a longer window, up to 2 groups, or a period of up to 19 hours",
	} {
		for _, path := range []string{"/api/v1/consumption?", "/api/v1/aggregate?field=power&op=mean&format=csv&"} {
			a := o.get(t, path+query)
			wantProblem(t, a, wattline.CodeInvalid, "window")
			if got := a.problem(t).Fields[0].Reason; got != want {
				t.Errorf("%s: %s", query, got)
			}
		}
	}
	for _, query := range []string{"window=hour&group_by=all&from=2026-03-01&to=2026-03-03", "window=year"} {
		if a := o.get(t, "/api/v1/consumption?"+query); a.status != http.StatusOK {
			t.Errorf("%s: %s", query, a.body)
		}
	}
	if a := o.get(t, "/api/v1/aggregate?field=power&op=mean&from=2001-01-01"); a.status != http.StatusOK {
		t.Errorf("%s", a.body)
	}
}

// TestAPeriodThatIsOfferedIsAccepted wherever in its windows it begins.
func TestAPeriodThatIsOfferedIsAccepted(t *testing.T) {
	const windows = 40
	o := open(t, func(options *api.Options) { options.Limits.Rows, options.Limits.Windows = 100, windows })
	offered := regexp.MustCompile(`a period of up to (\d+) hours`)
	zone, err := time.LoadLocation("Europe/Madrid")
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(r *rapid.T) {
		window := rapid.SampledFrom([]wattline.Window{"quarter", "hour", "day", "week", "month", "year"}).Draw(r, "window")
		from := time.Date(2019, 3, 1, 0, rapid.IntRange(0, 60*24*60).Draw(r, "minute"), 0, 0, time.UTC)
		groups := rapid.SampledFrom([]string{"all", "device"}).Draw(r, "group_by")
		get := func(to time.Time) answer {
			values := url.Values{
				"tz": {zone.String()}, "window": {string(window)}, "from": {from.Format(time.RFC3339)}, "to": {to.Format(time.RFC3339)},
				"group_by": {groups},
			}
			return o.get(t, "/api/v1/consumption?"+values.Encode())
		}
		refused := get(from.Add(time.Duration(rapid.IntRange(1, 60_000).Draw(r, "hours")) * time.Hour))
		if refused.status == http.StatusOK {
			return
		}
		found := offered.FindStringSubmatch(string(refused.body))
		if found == nil {
			r.Fatalf("offers nothing: %s", refused.body)
		}
		hours, _ := strconv.Atoi(found[1])
		to := from.Add(time.Duration(hours) * time.Hour)
		if a := get(to); a.status != http.StatusOK {
			r.Fatalf("%s, but then %s", refused.body, a.body)
		}
		cuts := 0
		for at := from; at.Before(to); at = calendar.Next(window, at, zone) {
			cuts++
		}
		if cuts > windows {
			r.Fatalf("%s: that has %d windows", refused.body, cuts)
		}
	})
}

// TestDatesOfAnyZoneFollowOneAnother: whatever the clocks of a zone do, the days
// that are asked for by their dates leave nothing out and have nothing twice.
func TestDatesOfAnyZoneFollowOneAnother(t *testing.T) {
	o := open(t)
	zones := []string{
		"UTC", "Europe/Madrid", "America/New_York", "Asia/Kolkata", "Asia/Kathmandu", "Australia/Lord_Howe", "America/Sao_Paulo",
		"Asia/Beirut", "America/Havana", "Pacific/Apia", "Africa/Casablanca", "Pacific/Chatham", "America/St_Johns", "Africa/Cairo",
	}
	rapid.Check(t, func(r *rapid.T) {
		zone := rapid.SampledFrom(zones).Draw(r, "zone")
		day := time.Date(2000, 1, 2, 0, 0, 0, 0, time.UTC).AddDate(0, 0, rapid.IntRange(0, 365*35).Draw(r, "day"))
		window := rapid.SampledFrom([]string{"quarter", "hour", "day", "week", "month", "year"}).Draw(r, "window")
		var periods []wattline.ConsumptionQuery
		for i := range 3 {
			values := url.Values{
				"tz": {zone}, "window": {window}, "from": {day.AddDate(0, 0, i).Format(time.DateOnly)}, "to": {day.AddDate(0, 0, i+1).Format(time.DateOnly)},
			}
			if a := o.get(t, "/api/v1/consumption?"+values.Encode()); a.status == http.StatusOK {
				periods = append(periods, lastAsk[wattline.ConsumptionQuery](t, o))
			} else if zone != "Pacific/Apia" { // which left a day out
				r.Fatalf("%v: %s", values, a.body)
			}
		}
		for i, p := range periods {
			length := p.To.Sub(p.From.Time)
			if i > 0 && !p.From.Equal(periods[i-1].To.Time) || length < 22*time.Hour || length > 26*time.Hour || p.Timezone != zone || string(p.Window) != window {
				r.Fatalf("%+v", periods)
			}
		}
	})
}

func TestRebuildingIsAskedOfHistory(t *testing.T) {
	o := open(t)
	a := o.do(t, http.MethodPost, "/api/v1/system/history/rebuild", `{"from":"2026-03-28T00:00:00Z","to":"2026-03-29T00:00:00Z","devices":["gone-1"],"cursor":"0.gone-1"}`)
	want := wattline.RebuildQuery{Devices: []string{"gone-1"}, From: at(t, "2026-03-28T00:00:00Z"), To: at(t, "2026-03-29T00:00:00Z"), Cursor: "0.gone-1"}
	if diff := cmp.Diff(want, lastAsk[wattline.RebuildQuery](t, o)); diff != "" || a.status != http.StatusOK {
		t.Error(a.status, diff)
	}
	if page := decoded[wattline.RebuildPage](t, a); page.Next != "31.desk-1" || page.Done != 31 {
		t.Errorf("%+v", page)
	}
	wantProblem(t, o.do(t, http.MethodPost, "/api/v1/system/history/rebuild", `{"from":"2026-03-28T00:00:00Z"}`), wattline.CodeInvalid, "to")
}
