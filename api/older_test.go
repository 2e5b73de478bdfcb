package api_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/api"
	"github.com/wattline/wattline/internal/access"
)

func older(t testing.TB) *office {
	t.Helper()
	o := answering(t, paged(2, 2), func(options *api.Options) { options.Compatibility = true })
	for _, id := range []string{"sp_w.r1.c1", "sp_w.r1.c2"} {
		o.bus.device(t, wattline.Device{ID: id, Kind: "workstation", Location: "grid/r1/" + id[len(id)-2:], Site: "hq", Address: "192.0.2.20"})
	}
	o.guests.let("viewer", inScope(t, access.Viewer, "grid/r1/c1"))
	o.guests.let("operator", inScope(t, access.Operator, "grid/r1/c1"))
	return o
}

func TestTheOlderRoutesAreThereWhereTheyAreWanted(t *testing.T) {
	o := open(t)
	wantProblem(t, o.get(t, "/api/out/influx_query/sp/power"), wattline.CodeNotFound, "")
	o = older(t)
	a := o.get(t, "/api/out/influx_query/sp/power?id=desk-1&from=1774699200")
	if a.status != http.StatusOK || a.header.Get("Content-Type") != "application/json" ||
		strings.Count(string(a.body), `{"n":"/desk-1","u":"W","t":17746992`) != 4 || !strings.HasSuffix(string(a.body), "}]\n") {
		t.Errorf("%d %v %s", a.status, a.header, a.body)
	}
	if asked := lastAsk[wattline.ReadingsQuery](t, o); asked.Devices[0] != "desk-1" || !asked.From.Equal(noon().Time) {
		t.Errorf("asked %+v", asked)
	}
	before := len(o.bus.asks())
	if a := o.do(t, http.MethodHead, "/api/out/influx_query/sp/power?id=desk-1", ""); a.status != http.StatusOK || len(o.bus.asks()) != before+1 {
		t.Errorf("HEAD: %d, and %d pages asked for", a.status, len(o.bus.asks())-before)
	}
	wantProblem(t, o.get(t, "/api/out/influx_query/sp/power?id=nobody"), wattline.CodeNotFound, "")
	wantProblem(t, o.get(t, "/api/out/influx_query/sp/power?operation=average"), wattline.CodeInvalid, "operation")
	wantProblem(t, o.get(t, "/api/out/influx_query/sp/power?x=1"), wattline.CodeInvalid, "x")
	wantProblem(t, o.do(t, http.MethodPut, "/api/in/sp_command/sp_w.r1.c1", `{"payload":"{}"}`), wattline.CodeInvalid, "payload.status")
	wantProblem(t, o.do(t, http.MethodPost, "/api/in/sp_command/sp_w.r1.c1", `{}`), wattline.CodeMethodNotAllowed, "")
}

func TestTheOlderRoutesAllowNoMoreThanTheOthers(t *testing.T) {
	o := older(t)
	const on = `{"payload":{"status":1}}`
	wantProblem(t, o.doAs(t, "stranger", http.MethodGet, "/api/out/influx_query/sp/power", ""), wattline.CodeUnauthenticated, "")
	wantProblem(t, o.doAs(t, "stranger", http.MethodPut, "/api/in/sp_command/row/1", on), wattline.CodeUnauthenticated, "")
	wantProblem(t, o.doAs(t, "viewer", http.MethodGet, "/api/out/influx_query/sp/power?id=sp_w.r1.c2", ""), wattline.CodeNotFound, "")
	o.doAs(t, "viewer", http.MethodGet, "/api/out/influx_query/sp/power?row=1", "")
	if asked := lastAsk[wattline.ReadingsQuery](t, o); len(asked.Devices) != 1 || asked.Devices[0] != "sp_w.r1.c1" {
		t.Errorf("asked of %v", asked.Devices)
	}
	o.bus.set(func(b *fakeBus) { b.answer = answerAll })
	put := func(token, topic string) answer { // whose answer has the older form, whatever the status
		r := request(http.MethodPut, "/api/in/sp_command/"+topic, on)
		r.Header.Set("Authorization", "Bearer "+token)
		return o.sendUnchecked(t, r)
	}
	for token, want := range map[string]struct {
		status int
		body   string
	}{
		"viewer":   {http.StatusForbidden, `"code":"forbidden"`},
		"operator": {http.StatusOK, `{"sp_command/row/1":{"data":{"successful":["sp_w.r1.c1"]},"error":{}}}`},
	} {
		if a := put(token, "row/1"); a.status != want.status || !strings.Contains(string(a.body), want.body) {
			t.Errorf("%s: %d %s", token, a.status, a.body)
		}
	}
	if a := put("operator", "sp_w.r1.c2"); a.status != http.StatusNotFound {
		t.Errorf("out of scope: %d %s", a.status, a.body)
	}
}

func TestAnOlderAnswerThatBreaksOffIsNotTakenForWhole(t *testing.T) {
	o := answering(t, fails(3, wattline.Errorf(wattline.CodeInternal, "broken")), func(options *api.Options) { options.Compatibility = true })
	body, err := o.download(t, "/api/out/influx_query/sp/power")
	if !errors.Is(err, io.ErrUnexpectedEOF) || len(body) == 0 {
		t.Errorf("%d bytes, then %v", len(body), err)
	}
}
