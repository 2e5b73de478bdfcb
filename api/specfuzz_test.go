package api_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/wattline/wattline/api"
	"github.com/wattline/wattline/internal/access"
	"github.com/wattline/wattline/internal/oidc/oidctest"
	"github.com/wattline/wattline/openapi/openapitest"
)

// TestNoRequestThatTheDescriptionSuggestsBringsAboutWhatItDoesNot draws requests to
// each operation from the description, right and wrong ones, of people with all kinds
// of rights. send holds each answer against it: a status or a body that is not
// described is a fault. So are a failure of our own, a name that is out of the scope
// of whoever asks, and an answer that does not come.
func TestNoRequestThatTheDescriptionSuggestsBringsAboutWhatItDoesNot(t *testing.T) {
	o := open(t, withAccounts(t), withProvider(t, oidctest.New(t), "http://127.0.0.1"),
		func(options *api.Options) { options.Limits.RequestsPerS = -1 })
	tokens := []string{"", "stranger", "hasty"}
	for _, role := range []access.Role{access.Viewer, access.Operator, access.Admin} {
		for _, scope := range []string{"*", "hq/f1"} {
			token := string(role) + " of " + scope
			o.guests.let(token, inScope(t, role, scope))
			tokens = append(tokens, token)
		}
	}
	words := wordsOf(o)
	for _, operation := range o.validator.Operations() {
		t.Run(operation.ID, func(t *testing.T) {
			rapid.Check(t, func(rt *rapid.T) {
				o.furnish(t) // again what requests before may have removed
				drawn := o.validator.Draw(rt, operation, words)
				token := rapid.SampledFrom(tokens).Draw(rt, "token")
				a := o.sendDrawn(t, drawn, token)
				asked := fmt.Sprintf("%s %s?%s %v %q of %q", drawn.Method, drawn.Path, drawn.Query, drawn.Header, drawn.Body, token)
				if a.status >= http.StatusInternalServerError {
					rt.Errorf("%s: %d %s", asked, a.status, a.body)
				}
				for _, name := range []string{"printer-1", "new-1", "down-1"} {
					told := strings.Contains(string(a.body), name) && !strings.Contains(asked, name)
					if told && strings.HasSuffix(token, "hq/f1") && operation.ID != "getOpenAPI" { // whose examples name them
						rt.Errorf("%s: %d names %s", asked, a.status, name)
					}
				}
			})
		})
	}
}

// sendDrawn sends a request that was drawn. One that is never answered ends the
// program, which says where.
func (o *office) sendDrawn(t *testing.T, drawn openapitest.Drawn, token string) answer {
	t.Helper()
	const patience = time.Minute
	hangs := time.AfterFunc(patience, func() { panic(fmt.Sprintf("%s %s?%s is not answered", drawn.Method, drawn.Path, drawn.Query)) })
	defer hangs.Stop()
	r := request(drawn.Method, drawn.Path+"?"+drawn.Query, drawn.Body)
	for name, value := range drawn.Header {
		r.Header.Set(name, value)
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	if drawn.Operation.ID == "streamEvents" { // which goes on until the client goes
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		r = r.WithContext(ctx)
	}
	return o.send(t, r)
}

// wordsOf are texts that mean something in an office.
func wordsOf(o *office) openapitest.Words {
	return openapitest.Words{
		Any: []string{
			"desk-1", "desk-2", "printer-1", "new-1", "down-1", "hook-1", "agent-1", "influx", "weather", "hq", "hq/f1", "kind:printer",
			"workstation", "floor:1", "power", "mean", "all", "location:2", "Europe/Madrid", "2026-03-28", "today", "-24h", "on", "off",
			"text/csv", "application/x-ndjson", "respond-async", `"1"`, "*", "k1",
		},
		Of: map[string][]string{
			"id": {"desk-1", "printer-1", "lamp-1", o.tokenID, "command-1", "job-1.agent-1"}, "ids": {"desk-1", "printer-1", "desk-2"},
			"device": {"desk-1", "desk-2", "printer-1"}, "devices": {"desk-1"}, "instance": {"hook-1", "agent-1"}, "hook": {"influx"},
			"kind": {"printer", "workstation"}, "location": {"hq", "hq/f1", "hq/f2"}, "site": {"hq"}, "address": {"10.1.0.17", "10.1.0.30/01"},
			"label": {"floor:1"}, "value": {"1"}, "poll": {"5s", "1h"}, "protected": {"locked", "always_on", ""},
			"row": {"1"}, "column": {"2"}, "type": {"w", "reading"}, "If-Match": {"*", `W/"1.5c1d2f"`}, "If-None-Match": {"*"},
			"name": {"ana", "bob", "research"}, "password": {password}, "role": {"viewer", "operator"}, "scope": {"*", "hq/f1"},
			"expires": {"90d"}, "networks": {"10.1.0.0/24"}, "reason": {"moved"}, "from": {"today", "-24h", "2026-03-28"}, "to": {"now"},
			"op": {"mean", "max", "percentile", "top", "mode", "distinct"}, "group_by": {"kind", "device", "all", "location:2", "label:floor"},
			"tz": {"Europe/Madrid", "America/Santiago"}, "after_device": {"desk-1"}, "after_group": {"desk-1"},
			"cursor": nil, "Last-Event-ID": nil, "last_event_id": nil, "verb": {"forecast"},
		},
	}
}
