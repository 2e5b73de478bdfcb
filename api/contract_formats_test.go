package api_test

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/wattline/wattline/api"
)

// everyFormat asks for rows in each format, and for what is no JSON at all.
func everyFormat(t *testing.T, note func(string, int)) {
	o := open(t, withAccounts(t))
	o.do(t, http.MethodPut, one["putRelay"].target, one["putRelay"].body)
	const audited = "/api/v1/audit?device=desk-1&outcome=done&from=-24h"
	eventually(t, "a record of it", func() bool {
		found := o.sendUnchecked(t, request(http.MethodGet, audited, ""))
		return len(decoded[api.AuditPage](t, found).Records) > 0
	})
	o.get(t, audited) // which is a better example than a page without records
	for id, target := range map[string]string{
		"getReadings": "/api/v1/readings?device=desk-1&from=2026-03-28&to=2026-03-29", "getConsumption": one["getConsumption"].target,
		"getAggregate": one["getAggregate"].target, "getAudit": audited,
	} {
		for _, format := range []string{"csv", "ndjson", "senml", "sensml", "parquet"} {
			a := o.get(t, strings.TrimSuffix(target, "&limit=5")+"&format="+format)
			if a.status != http.StatusOK || len(a.body) == 0 {
				t.Errorf("%s as %s: %d %s", id, format, a.status, a.body)
			}
			note(id, a.status)
		}
	}
	r := request(http.MethodGet, "/api/v1/events?device=desk-1&snapshot=true", "")
	note("streamEvents", o.sendUntil(t, r, "event: reading").status)
}

// sendUntil is send for an answer without end: the client goes after a word.
func (o *office) sendUntil(t *testing.T, r *http.Request, word string) answer {
	t.Helper()
	ctx, leave := context.WithCancel(r.Context())
	defer leave()
	heard := &until{httptest.NewRecorder(), []byte(word), leave}
	o.Handler().ServeHTTP(heard, r.WithContext(ctx))
	a := answer{heard.Code, heard.Result().Header, heard.Body.Bytes()}
	o.check(t, r, a)
	return a
}

// until leaves when a word has come.
type until struct {
	*httptest.ResponseRecorder

	word  []byte
	leave func()
}

func (u *until) Write(piece []byte) (int, error) {
	n, err := u.ResponseRecorder.Write(piece)
	if bytes.Contains(u.Body.Bytes(), u.word) {
		u.leave()
	}
	return n, err
}
