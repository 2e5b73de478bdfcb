package history_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/store/storetest"
)

func TestBadQuestionsAreRefusedWithTheField(t *testing.T) {
	h := newHistory(storetest.NewMemory())
	const good = `"groups":[{"name":"g","devices":["desk-1"]}],"from":"2026-03-02T08:00:00Z","to":"2026-03-03T08:00:00Z","window":"hour","tz":"UTC"`
	change := func(old, with string) string { return "{" + strings.Replace(good, old, with, 1) + "}" }
	aggregate := func(operation string) string { return "{" + operation + "," + good + "}" }
	for name, c := range map[string]struct{ verb, body, field string }{
		"nothing":                       {"consumption", `{}`, "groups"},
		"an unknown window":             {"consumption", change(`"hour"`, `"second"`), "window"},
		"an unknown zone":               {"consumption", change(`"UTC"`, `"Mars/Olympus"`), "tz"},
		"the zone of the machine":       {"consumption", change(`"UTC"`, `"Local"`), "tz"},
		"from after to":                 {"consumption", change("2026-03-02", "2026-03-04"), "from"},
		"the year 9999":                 {"consumption", change("2026-03-03", "9999-03-03"), "to"},
		"no groups":                     {"consumption", change(`{"name":"g","devices":["desk-1"]}`, ""), "groups"},
		"a group twice":                 {"consumption", change(`"groups":[`, `"groups":[{"name":"g","devices":[]},`), "groups[1].name"},
		"a device that is no id":        {"consumption", change("desk-1", "desk/1"), "groups[0].devices[0]"},
		"ten years of quarter-hours":    {"consumption", change(`"2026-03-02T08:00:00Z","to":"2026-03-03T08:00:00Z","window":"hour"`, `"2016-03-02T08:00:00Z","to":"2026-03-03T08:00:00Z","window":"quarter"`), "window"},
		"a cursor that is none":         {"consumption", change(`"tz"`, `"cursor":"x","tz"`), "cursor"},
		"a cursor beyond the end":       {"consumption", change(`"tz"`, `"cursor":"24","tz"`), "cursor"},
		"after no row":                  {"consumption", change(`"tz"`, `"after":{"group":"g","start":"2026-03-02T08:30:00Z"},"tz"`), "after.start"},
		"after a row and a cursor":      {"consumption", change(`"tz"`, `"after":{"group":"g","start":"2026-03-02T09:00:00Z"},"cursor":"2","tz"`), "after"},
		"a limit beyond":                {"consumption", change(`"tz"`, `"limit":5001,"tz"`), "limit"},
		"an unknown field":              {"consumption", change(`"tz"`, `"zone":"UTC","tz"`), "zone"},
		"a group's name too long":       {"consumption", change(`"name":"g"`, `"name":"`+strings.Repeat("g", 256)+`"`), "groups[0].name"},
		"no window":                     {"consumption", change(`"hour"`, `""`), "window"},
		"no field":                      {"aggregate", aggregate(`"op":"mean"`), "field"},
		"a field of no reading":         {"aggregate", aggregate(`"field":"rssi","op":"mean"`), "field"},
		"an unknown operation":          {"aggregate", aggregate(`"field":"power","op":"average"`), "op"},
		"an operation in capitals":      {"aggregate", aggregate(`"field":"power","op":"MEAN"`), "op"},
		"the mean of a counter":         {"aggregate", aggregate(`"field":"energy","op":"mean"`), "op"},
		"the integral of a voltage":     {"aggregate", aggregate(`"field":"voltage","op":"integral"`), "op"},
		"the greatest relay":            {"aggregate", aggregate(`"field":"relay","op":"max"`), "op"},
		"a percentile of what":          {"aggregate", aggregate(`"field":"power","op":"percentile"`), "p"},
		"a percentile beyond":           {"aggregate", aggregate(`"field":"power","op":"percentile","p":100.001`), "p"},
		"a percentile for nothing":      {"aggregate", aggregate(`"field":"power","op":"mean","p":1`), "p"},
		"the top of nothing":            {"aggregate", aggregate(`"field":"power","op":"top"`), "n"},
		"too much of the top":           {"aggregate", aggregate(`"field":"power","op":"top","n":1001`), "n"},
		"too many values":               {"aggregate", aggregate(`"field":"power","op":"distinct","n":-1`), "n"},
		"a number for nothing":          {"aggregate", aggregate(`"field":"power","op":"mean","n":1`), "n"},
		"rebuilding backwards":          {"rebuild", `{"from":"2026-03-02T08:00:00Z","to":"2026-03-02T08:00:00Z"}`, "from"},
		"rebuilding a wildcard":         {"rebuild", `{"devices":["+"],"from":"2026-03-02T08:00:00Z","to":"2026-03-03T08:00:00Z"}`, "devices[0]"},
		"rebuilding from a bad cursor":  {"rebuild", `{"from":"2026-03-02T08:00:00Z","to":"2026-03-03T08:00:00Z","cursor":"2.a"}`, "cursor"},
		"readings of nothing":           {"readings", `{"devices":[],"from":"2026-03-02T08:00:00Z","to":"2026-03-03T08:00:00Z"}`, "devices"},
		"readings of a wildcard":        {"readings", `{"devices":["#"],"from":"2026-03-02T08:00:00Z","to":"2026-03-03T08:00:00Z"}`, "devices[0]"},
		"readings with a bad cursor":    {"readings", `{"devices":["a"],"from":"2026-03-02T08:00:00Z","to":"2026-03-03T08:00:00Z","cursor":"1.A"}`, "cursor"},
		"readings after no device":      {"readings", `{"devices":["a"],"from":"2026-03-02T08:00:00Z","to":"2026-03-03T08:00:00Z","after":{"device":"#","time":"2026-03-02T08:00:00Z"}}`, "after.device"},
		"readings after two places":     {"readings", `{"devices":["a"],"from":"2026-03-02T08:00:00Z","to":"2026-03-03T08:00:00Z","cursor":"1772438400000.a","after":{"device":"a","time":"2026-03-02T08:00:00Z"}}`, "after"},
		"readings with a number for to": {"readings", `{"devices":["a"],"from":"2026-03-02T08:00:00Z","to":5}`, "to"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ask[json.RawMessage](t, h, c.verb, json.RawMessage(c.body))
			known := wattline.AsError(err)
			if err == nil || known.Code != wattline.CodeInvalid || !slices.ContainsFunc(known.Fields, func(f wattline.FieldError) bool { return f.Field == c.field }) {
				t.Errorf("%s: got %v", c.body, err)
			}
		})
	}
}

func FuzzQueries(f *testing.F) {
	f.Add("consumption", []byte(`{"groups":[{"name":"g","devices":["desk-1"]}],"from":"2026-03-02T08:00:00Z","to":"2026-03-03T08:00:00Z","window":"hour","tz":"UTC","cursor":"3","limit":2}`))
	f.Add("readings", []byte(`{"devices":["a"],"from":"2026-03-02T08:00:00Z","to":"2026-03-03T08:00:00Z","cursor":"1772438400000.a"}`))
	f.Add("consumption", []byte(`{"groups":[{"name":"g","devices":["desk-1"]}],"from":"2026-03-02T08:00:00Z","to":"2026-03-03T08:00:00Z","window":"hour","tz":"UTC","after":{"group":"g","start":"2026-03-03T07:00:00Z"}}`))
	f.Add("aggregate", []byte(`{"field":"power","op":"percentile","p":95,"groups":[{"name":"g","devices":["desk-1"]}],"from":"2026-03-02T08:00:00Z","to":"2026-03-03T08:00:00Z","window":"hour","tz":"UTC","cursor":"3","limit":2}`))
	f.Add("rebuild", []byte(`{"devices":["a"],"from":"2026-03-02T08:00:00Z","to":"2026-03-03T08:00:00Z","cursor":"0.a"}`))
	h := newHistory(storetest.NewMemory())
	f.Fuzz(func(t *testing.T, verb string, body []byte) {
		handle, ok := h.Verbs()[verb]
		if !ok {
			return
		}
		if _, err := handle(t.Context(), body); err != nil && wattline.AsError(err).Code != wattline.CodeInvalid {
			t.Fatalf("%s: %v", body, err)
		}
	})
}
