package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/api"
	"github.com/wattline/wattline/internal/bus"
)

func TestAnyonesComponentIsAskedAndItsAnswerPassedOn(t *testing.T) {
	o := open(t, func(options *api.Options) { options.Limits.ReplyBytes = 100 })
	a := o.get(t, "/api/v1/components/weather/forecast?city=San+Sebasti%C3%A1n&days=3&on=true")
	if a.status != http.StatusOK || string(a.body) != `{"city":"San Sebastián","days":"3","on":"true"}` {
		t.Errorf("%d %s", a.status, a.body)
	}
	asked := o.bus.asks()[0]
	if asked.Topic != (wattline.Topic{Kind: wattline.TopicQuery, Component: "weather", Verb: "forecast"}) {
		t.Errorf("asked %+v", asked)
	}
	if diff := cmp.Diff(map[string]string{"city": "San Sebastián", "days": "3", "on": "true"}, asked.Body); diff != "" {
		t.Error(diff)
	}
	for answer, want := range map[string]string{
		``: "null", `null`: "null", `[1,2]`: "[1,2]", `"text"`: `"text"`,
		`{"a":`: "", `{} {}`: "", `"` + strings.Repeat("x", 100) + `"`: "",
	} {
		o.bus.set(func(b *fakeBus) {
			b.answer = func(context.Context, bus.Ask) (any, error) { return json.RawMessage(answer), nil }
		})
		a := o.get(t, "/api/v1/components/weather/forecast")
		if want == "" {
			wantProblem(t, a, wattline.CodeInternal, "")
		} else if a.status != http.StatusOK || string(a.body) != want {
			t.Errorf("%q becomes %d %s", answer, a.status, a.body)
		}
	}
}

func TestOurOwnRolesAreNotAskedByAGET(t *testing.T) {
	o := open(t)
	for _, target := range []string{"collector/forget?hook=archive", "history/rebuild", "registry/delete?device=desk-1", "hook/resend", "gateway/x", "controller/x", "whereabouts/hq"} {
		wantProblem(t, o.get(t, "/api/v1/components/"+target), wattline.CodeForbidden, "")
	}
	if asked := o.bus.asks(); len(asked) != 0 {
		t.Errorf("asked %+v", asked)
	}
}

func TestAComponentsErrorIsBoundedAndKeepsItsFields(t *testing.T) {
	o := open(t)
	long := &wattline.Error{Code: wattline.CodeInvalid, Message: strings.Repeat("é", 5000)}
	for i := range 1000 {
		long.Fields = append(long.Fields, wattline.FieldError{Field: fmt.Sprint("f", i), Reason: "is odd"})
	}
	o.bus.set(func(b *fakeBus) { b.answer = func(context.Context, bus.Ask) (any, error) { return nil, long } })
	a := o.get(t, "/api/v1/components/weather/forecast")
	wantProblem(t, a, wattline.CodeInvalid, "f0")
	if problem := a.problem(t); len(a.body) > 10_000 || len(problem.Fields) != 100 {
		t.Errorf("%d bytes, %d fields", len(a.body), len(problem.Fields))
	}
}
