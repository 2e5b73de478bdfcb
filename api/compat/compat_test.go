package compat_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/api/compat"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newAPI is the API as far as the layer asks it. It notes what it is asked.
type newAPI struct {
	mu    sync.Mutex
	asked []string
	// answer is what it says to a request with such a body.
	answer func(r *http.Request, body string) (status int, kind, text string)
}

func (a *newAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	query, _ := url.QueryUnescape(r.URL.RawQuery)
	a.mu.Lock()
	a.asked = append(a.asked, strings.TrimSpace(r.Method+" "+r.URL.Path+" "+query+" "+string(body)))
	a.mu.Unlock()
	status, kind, text := a.answer(r, string(body))
	w.Header().Set("Content-Type", kind)
	w.WriteHeader(status)
	for len(text) > 0 { // in pieces that end anywhere
		n := min(len(text), 7)
		if _, err := io.WriteString(w, text[:n]); err != nil {
			return
		}
		text = text[n:]
	}
}

// ask sends an older request.
func ask(t *testing.T, api *newAPI, method, target, body string) (status int, text string, err error) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer secret")
	r.Header.Set("Accept", "text/html")
	recorder := httptest.NewRecorder()
	layer := compat.New(api)
	if path, is := strings.CutPrefix(r.URL.Path, "/api/out"); is {
		err = layer.Out(recorder, r, path)
	} else {
		err = layer.In(recorder, r, strings.TrimPrefix(r.URL.Path, "/api/in"))
	}
	return recorder.Code, recorder.Body.String(), err
}

func reading(device, at string, watts wattline.Milli, relay wattline.Relay) string {
	return fmt.Sprintf(`{"device":%q,"time":%q,"power_w":%v,"voltage_v":230,"current_a":0.2,"energy_wh":1,"meter_wh":1,"relay":%q,"rssi_dbm":-50,"covers_s":5,"quality":[]}`+"\n",
		device, at, watts, relay)
}

func TestTheAPIIsToldWhetherItWasAskedOverTLS(t *testing.T) {
	for _, scheme := range []string{"", "https"} {
		var got []string
		api := &newAPI{answer: func(r *http.Request, _ string) (int, string, string) {
			got = append(got, r.URL.Scheme)
			return http.StatusNotFound, "application/problem+json", "{}"
		}}
		r := httptest.NewRequestWithContext(t.Context(), "GET", "/api/out/influx_query/sp/power?type=w", http.NoBody)
		r.URL.Scheme = scheme // by a trusted proxy
		_ = compat.New(api).Out(httptest.NewRecorder(), r, "influx_query/sp/power")
		if diff := cmp.Diff([]string{scheme}, got); diff != "" {
			t.Error(diff)
		}
	}
}

func row(text string) string { return `{"rows":[` + text + `]}` }

func TestTheDocumentedQuestionsAreAnswered(t *testing.T) {
	const all = "from=2000-01-01T00:00:00Z"
	lines := reading("sp_w.r1.c1", "2020-03-26T10:18:52.204Z", 61_700, "on") + reading("sp_w.r1.c2", "2020-03-26T10:18:52.000Z", 0, "off")
	for target, c := range map[string]struct{ asked, answer, want string }{
		"influx_query/sp/power?type=w": {
			"GET /api/v1/readings format=ndjson&" + all + "&to=now&type=w", lines,
			`[{"bn":"power"}` + ",\n" + `{"n":"/sp_w.r1.c1","u":"W","t":1585217932.204,"v":61.7}` + ",\n" + `{"n":"/sp_w.r1.c2","u":"W","t":1585217932,"v":0}]`,
		},
		"influx_query/sp/status?row=1&column=": {
			"GET /api/v1/readings format=ndjson&" + all + "&row=1&to=now", lines,
			`[{"bn":"status"}` + ",\n" + `{"n":"/sp_w.r1.c1","t":1585217932.204,"v":1}` + ",\n" + `{"n":"/sp_w.r1.c2","t":1585217932,"v":0}]`,
		},
		"influx_query/sp/power?operation=sum&type=w": {
			"GET /api/v1/aggregate field=power&" + all + "&group_by=all&op=sum&to=now&type=w",
			row(`{"group":"all","start":"2000-01-01T00:00:00Z","end":"2020-03-27T00:00:00Z","count":2,"value":61.7}`),
			`[{"bn":"power"}` + ",\n" + `{"u":"W","t":946684800,"v":61.7}]`,
		},
		"influx_query/sp/power?operation=median&type=w&row=1&from=1585217932.2041745&to=1585300000.2": {
			"GET /api/v1/aggregate field=power&from=2020-03-26T10:18:52.204Z&group_by=all&op=median&row=1&to=2020-03-27T09:06:40.200Z&type=w",
			row(`{"group":"all","start":"2020-03-26T10:18:52.204Z","end":"2020-03-27T00:00:00Z","count":2,"value":30.85}`),
			`[{"bn":"power"}` + ",\n" + `{"u":"W","t":1585217932.204,"v":30.85}]`,
		},
		"influx_query/sp/status?operation=median&type=g": {
			"GET /api/v1/aggregate field=relay&" + all + "&group_by=all&op=distinct&to=now&type=g",
			row(`{"group":"all","start":"2000-01-01T00:00:00Z","end":"2020-03-27T00:00:00Z","count":5,"value":2,"values":[{"value":0,"count":2},{"value":1,"count":3}]}`),
			`[{"bn":"status"}` + ",\n" + `{"t":946684800,"v":1}]`,
		},
		"influx_query/sp/status?operation=sum&id=sp_r1c2": {
			"GET /api/v1/aggregate device=sp_r1c2&field=relay&" + all + "&group_by=all&op=distinct&to=now",
			row(`{"group":"all","start":"2000-01-01T00:00:00Z","end":"2020-03-27T00:00:00Z","count":5,"value":2,"values":[{"value":0,"count":2},{"value":1,"count":3}]}`),
			`[{"bn":"status"}` + ",\n" + `{"n":"/sp_r1c2","t":946684800,"v":3}]`,
		},
		"influx_query/sp/power?operation=TOP&n=2&from=2020-03-26T10:18:52Z": {
			"GET /api/v1/aggregate field=power&from=2020-03-26T10:18:52.000Z&group_by=all&n=2&op=top&to=now",
			row(`{"group":"all","start":"2020-03-26T10:18:52Z","end":"2020-03-27T00:00:00Z","count":2,"values":[{"value":61.7,"time":"2020-03-26T10:18:52.204Z","device":"sp_w.r1.c1"}]}`),
			`[{"bn":"power"}` + ",\n" + `{"n":"/sp_w.r1.c1","u":"W","t":1585217932.204,"v":61.7}]`,
		},
		"influx_query/sp/power?operation=integral": {
			"GET /api/v1/aggregate field=power&" + all + "&group_by=all&op=integral&to=now",
			row(`{"group":"all","start":"2000-01-01T00:00:00Z","end":"2020-03-27T00:00:00Z","count":2,"value":2.5}`),
			`[{"bn":"power"}` + ",\n" + `{"u":"J","t":946684800,"v":9000}]`,
		},
		"influx_query/sp/power?operation=mean": { // of nothing
			"GET /api/v1/aggregate field=power&" + all + "&group_by=all&op=mean&to=now", row(""), `[{"bn":"power"}]`,
		},
	} {
		t.Run(target, func(t *testing.T) {
			api := &newAPI{answer: func(r *http.Request, _ string) (int, string, string) {
				if r.Header.Get("Authorization") != "Bearer secret" || r.Header.Get("Accept") != "" {
					t.Errorf("asked with %v", r.Header)
				}
				return http.StatusOK, "application/json", c.answer
			}}
			status, text, err := ask(t, api, http.MethodGet, "/api/out/"+target, "")
			if err != nil || status != http.StatusOK {
				t.Fatalf("%d %v", status, err)
			}
			if diff := cmp.Diff(c.want+"\n", text); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff([]string{c.asked}, api.asked); diff != "" {
				t.Error(diff)
			}
			if !json.Valid([]byte(text)) {
				t.Errorf("no JSON: %s", text)
			}
		})
	}
}

// done is the API's answer to a command: what became of each device of a selector.
func done(_ *http.Request, body string) (status int, kind, text string) {
	var request struct{ Selector wattline.Selector }
	_ = json.Unmarshal([]byte(body), &request)
	var results []wattline.Result
	switch {
	case request.Selector.Row == "1":
		results = []wattline.Result{
			{Device: "sp_w.r1.c1", Outcome: wattline.OutcomeDone},
			{Device: "sp_w.r1.c2", Outcome: wattline.OutcomeUnreachable, Code: wattline.CodeDeviceUnreachable, Message: "no answer"},
		}
	case request.Selector.Column != "":
		results = []wattline.Result{{Device: "sp_w.r0.c" + request.Selector.Column, Outcome: wattline.OutcomeDone}}
	case slices.Contains(request.Selector.IDs, "unknown"):
		results = []wattline.Result{{Device: "unknown", Outcome: wattline.OutcomeRefused, Code: wattline.CodeNotFound, Message: "there is no device"}}
	case len(request.Selector.IDs) > 0:
		results = []wattline.Result{{Device: request.Selector.IDs[0], Outcome: wattline.OutcomeDone}}
	}
	answer, _ := json.Marshal(map[string]any{"results": results})
	return http.StatusOK, "application/json", string(answer)
}

func TestTheDocumentedCommandsAreCarriedOut(t *testing.T) {
	for name, c := range map[string]struct {
		path, body, asked, want string
		status                  int
	}{
		"one, as its clients send it": {
			"sp_command/sp_m1", `{"payload": "{\"status\": 1}"}`, `{"action":"on","selector":{"ids":["sp_m1"]}}`,
			`{"sp_command/sp_m1":{"data":{"successful":["sp_m1"]},"error":{}}}`, 200,
		},
		"one, as an object": {
			"sp_command/sp_g0/", `{"payload": {"status": "OFF"}}`, `{"action":"off","selector":{"ids":["sp_g0"]}}`,
			`{"sp_command/sp_g0":{"data":{"successful":["sp_g0"]},"error":{}}}`, 200,
		},
		"a row of which a plug does not answer": {
			"sp_command/row/1", `{"payload": {"status": 0}}`, `{"action":"off","selector":{"row":"1"}}`,
			`{"sp_command/row/1":{"data":{"successful":["sp_w.r1.c1"]},"error":{"sp_w.r1.c2":"device_unreachable: no answer"}}}`, 502,
		},
		"columns by subtopics": {
			"sp_command/column/", `{"payload": "{\"status\": \"ON\"}", "subtopics": ["2", "3"]}`,
			`{"action":"on","selector":{"column":"2"}} {"action":"on","selector":{"column":"3"}}`,
			`{"sp_command/column/2":{"data":{"successful":["sp_w.r0.c2"]},"error":{}},"sp_command/column/3":{"data":{"successful":["sp_w.r0.c3"]},"error":{}}}`, 200,
		},
		"everything by subtopics": {
			"sp_command/", `{"payload": {"status": 1}, "subtopics": ["sp_g0", "row/9", "column/2"]}`,
			`{"action":"on","selector":{"column":"2"}} {"action":"on","selector":{"ids":["sp_g0"]}} {"action":"on","selector":{"row":"9"}}`,
			`{"sp_command/column/2":{"data":{"successful":["sp_w.r0.c2"]},"error":{}},"sp_command/row/9":{"data":{"successful":[]},"error":{"request":"not_found: there is no such device"}},` +
				`"sp_command/sp_g0":{"data":{"successful":["sp_g0"]},"error":{}}}`, 404,
		},
		"an unknown id": {
			"sp_command/unknown", `{"payload": {"status": 1}}`, `{"action":"on","selector":{"ids":["unknown"]}}`,
			`{"sp_command/unknown":{"data":{"successful":[]},"error":{"unknown":"not_found: there is no device"}}}`, 404,
		},
	} {
		t.Run(name, func(t *testing.T) {
			api := &newAPI{answer: done}
			status, text, err := ask(t, api, http.MethodPut, "/api/in/"+c.path, c.body)
			if err != nil || status != c.status {
				t.Fatalf("%d %v", status, err)
			}
			if diff := cmp.Diff(c.want+"\n", text); diff != "" {
				t.Error(diff)
			}
			slices.Sort(api.asked)
			asked := strings.ReplaceAll(strings.Join(api.asked, " "), "POST /api/v1/commands  ", "")
			if diff := cmp.Diff(c.asked, strings.ReplaceAll(asked, "POST /api/v1/commands ", "")); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestWhatIsNotMeantIsRefusedAndDoesNothing(t *testing.T) {
	for name, c := range map[string]struct{ method, target, body, field string }{
		"no status":                  {"PUT", "/api/in/sp_command/sp_g0", `{"payload": "{}"}`, "payload.status"},
		"a null status":              {"PUT", "/api/in/sp_command/sp_g0", `{"payload": {"status": null}}`, "payload.status"},
		"a status that is none":      {"PUT", "/api/in/sp_command/sp_g0", `{"payload": {"status": 2}}`, "payload.status"},
		"another key":                {"PUT", "/api/in/sp_command/sp_g0", `{"payload": {"status": 1}, "topic": "x"}`, "topic"},
		"another key in the payload": {"PUT", "/api/in/sp_command/sp_g0", `{"payload": {"status": 1, "x": 1}}`, "payload.x"},
		"no payload":                 {"PUT", "/api/in/sp_command/sp_g0", `{}`, "payload"},
		"no JSON":                    {"PUT", "/api/in/sp_command/sp_g0", `status=1`, "body"},
		"no JSON in the payload":     {"PUT", "/api/in/sp_command/sp_g0", `{"payload": "on"}`, "payload.body"},
		"nothing to switch":          {"PUT", "/api/in/sp_command/", `{"payload": {"status": 1}}`, "path"},
		"a row that is no number":    {"PUT", "/api/in/sp_command/row/x", `{"payload": {"status": 1}}`, "path"},
		"a row of no number":         {"PUT", "/api/in/sp_command/row", `{"payload": {"status": 1}}`, "path"},
		"a subtopic that climbs":     {"PUT", "/api/in/sp_command/", `{"payload": {"status": 1}, "subtopics": ["sp_g0", "../../x"]}`, "path"},
		"too many subtopics":         {"PUT", "/api/in/sp_command/row", `{"payload": {"status": 1}, "subtopics": ["` + strings.Repeat(`1","`, 40) + `1"]}`, "subtopics"},
		"another agent":              {"PUT", "/api/in/toaster/1", `{"payload": {"status": 1}}`, ""},
		"another component":          {"GET", "/api/out/weather/sp/power", "", ""},
		"another database":           {"GET", "/api/out/influx_query/db/power", "", ""},
		"another measurement":        {"GET", "/api/out/influx_query/sp/voltage", "", ""},
		"an id and a row":            {"GET", "/api/out/influx_query/sp/power?id=sp_g0&row=1", "", "id"},
		"an unknown parameter":       {"GET", "/api/out/influx_query/sp/power?limit=1", "", "limit"},
		"an unknown operation":       {"GET", "/api/out/influx_query/sp/power?operation=average", "", "operation"},
		"a parameter given twice":    {"GET", "/api/out/influx_query/sp/power?row=1&row=2", "", "row"},
		"a time that is none":        {"GET", "/api/out/influx_query/sp/power?from=yesterday", "", "from"},
		"a time beyond all":          {"GET", "/api/out/influx_query/sp/power?to=1e300", "", "to"},
		"not a number of a time":     {"GET", "/api/out/influx_query/sp/power?to=NaN", "", "to"},
	} {
		t.Run(name, func(t *testing.T) {
			api := &newAPI{}
			_, text, err := ask(t, api, c.method, c.target, c.body)
			known := wattline.AsError(err)
			if err == nil || len(api.asked) > 0 || text != "" {
				t.Fatalf("%v, asked %q, answered %q", err, api.asked, text)
			}
			if c.field == "" && known.Code != wattline.CodeNotFound || c.field != "" && (known.Code != wattline.CodeInvalid || known.Fields[0].Field != c.field) {
				t.Errorf("%+v", known)
			}
		})
	}
}

func TestErrorsOfTheAPIAreHandedOn(t *testing.T) {
	const problem = `{"code":"forbidden","detail":"not you"}`
	api := &newAPI{answer: func(*http.Request, string) (int, string, string) {
		return http.StatusForbidden, "application/problem+json", problem
	}}
	for target, body := range map[string]string{
		"/api/out/influx_query/sp/power": "", "/api/out/influx_query/sp/power?operation=mean": "", "/api/in/sp_command/sp_g0": `{"payload": {"status": 1}}`,
	} {
		if status, text, err := ask(t, api, http.MethodPut, target, body); err != nil || status != http.StatusForbidden || text != problem {
			t.Errorf("%s: %d %s %v", target, status, text, err)
		}
	}
	status, text, err := ask(t, api, http.MethodPut, "/api/in/sp_command/row", `{"payload": {"status": 1}, "subtopics": ["1", "2"]}`)
	if err != nil || status != http.StatusForbidden || !strings.Contains(text, `"sp_command/row/2":{"data":{"successful":[]},"error":{"request":"forbidden: not you"}}`) {
		t.Errorf("%d %s %v", status, text, err)
	}
}

func TestPositionsAreCounted(t *testing.T) {
	for _, c := range []struct {
		operation string
		off, on   int
		want      string
	}{
		{"median", 1, 1, "0.5"},
		{"median", 2, 1, "0"},
		{"median", 0, 1, "1"},
		{"sum", 3, 4, "4"},
		{"min", 1, 3, "0"},
		{"min", 0, 3, "1"},
		{"max", 1, 0, "0"},
		{"spread", 1, 1, "1"},
		{"spread", 2, 0, "0"},
		{"stddev", 1, 1, "0.7071067811865476"},
		{"stddev", 1, 0, ""},
		{"percentile&p=50", 2, 2, "0"},
		{"percentile&p=75", 2, 2, "1"},
		{"percentile&p=0", 1, 1, "0"},
		{"sum", 0, 0, ""},
	} {
		api := &newAPI{answer: func(*http.Request, string) (int, string, string) {
			var values []string
			for value, count := range []int{c.off, c.on} {
				if count > 0 {
					values = append(values, fmt.Sprintf(`{"value":%d,"count":%d}`, value, count))
				}
			}
			return 200, "", row(`{"group":"all","start":"2020-01-01T00:00:00Z","end":"2020-01-02T00:00:00Z","count":1,"value":1,"values":[` + strings.Join(values, ",") + `]}`)
		}}
		_, text, err := ask(t, api, http.MethodGet, "/api/out/influx_query/sp/status?operation="+c.operation, "")
		want := `[{"bn":"status"}`
		if c.want != "" {
			want += ",\n" + `{"t":1577836800,"v":` + c.want + `}`
		}
		if err != nil || text != want+"]\n" {
			t.Errorf("%+v: %s %v", c, text, err)
		}
	}
}

func FuzzOrders(f *testing.F) {
	f.Add("sp_command/row/1", []byte(`{"payload": "{\"status\": 1}", "subtopics": ["1"]}`))
	f.Add("sp_command/", []byte(`{"payload": {"status": "OFF"}, "subtopics": ["sp_g0", "row/1", "column/2"]}`))
	f.Fuzz(func(t *testing.T, path string, body []byte) {
		api := &newAPI{answer: done}
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPut, "/", strings.NewReader(string(body)))
		recorder := httptest.NewRecorder()
		if err := compat.New(api).In(recorder, r, path); err != nil {
			if len(api.asked) > 0 || wattline.AsError(err).Code == wattline.CodeInternal {
				t.Fatalf("%v after %q", err, api.asked)
			}
			return
		}
		for _, asked := range api.asked {
			if !strings.Contains(asked, `"action":"on"`) && !strings.Contains(asked, `"action":"off"`) {
				t.Fatalf("asked %q", asked)
			}
		}
	})
}
