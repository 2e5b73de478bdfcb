package api_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/api"
	"github.com/wattline/wattline/internal/access"
	"github.com/wattline/wattline/internal/audit"
	"github.com/wattline/wattline/internal/bus"
)

// lines are the records of a query, the oldest first, each in a few words.
func lines(t *testing.T, o *office, token, query string) []string {
	t.Helper()
	var found []string
	for _, r := range auditPage(t, o, token, query).Records {
		found = append(found, strings.Join(strings.Fields(fmt.Sprint(r.Who, " ", r.Action, " ", r.Device, " ", r.Outcome, " ", r.Code)), " "))
	}
	slices.Reverse(found)
	return found
}

func auditPage(t *testing.T, o *office, token, query string) api.AuditPage {
	t.Helper()
	a := o.doAs(t, token, http.MethodGet, "/api/v1/audit?from=-1h&"+query, "")
	if a.status != http.StatusOK {
		t.Fatalf("%d %s", a.status, a.body)
	}
	return decoded[api.AuditPage](t, a)
}

// eventuallyLines waits for what is queued.
func eventuallyLines(t *testing.T, o *office, query string, want ...string) {
	t.Helper()
	var got []string
	eventually(t, "records of "+query, func() bool {
		got = lines(t, o, "auditor", query)
		return len(got) >= len(want)
	})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func audited(t *testing.T) *office {
	t.Helper()
	o := open(t, withAccounts(t))
	o.guests.let("auditor", access.Principal{Name: "token:auditor", Role: access.Admin, Scope: access.Everything()})
	o.guests.let("viewer", access.Principal{Name: "token:viewer", Role: access.Viewer, Scope: access.Everything()})
	return o
}

func TestTheAuditHas(t *testing.T) {
	t.Run("each command twice: that it was tried and what became of it", func(t *testing.T) {
		o := audited(t)
		o.do(t, http.MethodPut, "/api/v1/devices/desk-1/relay", `{"state":"off"}`)
		eventuallyLines(t, o, "device=desk-1", "token:admin command.off desk-1 attempted", "token:admin command.off desk-1 done")
		o.bus.set(func(b *fakeBus) {
			b.answer = func(context.Context, bus.Ask) (any, error) { return nil, wattline.Errorf(wattline.CodeTimeout, "late") }
		})
		a := o.do(t, http.MethodPut, "/api/v1/devices/desk-2/relay", `{"state":"on"}`)
		eventuallyLines(t, o, "device=desk-2", "token:admin command.on desk-2 attempted", "token:admin command.on desk-2 unknown timeout")
		for _, r := range auditPage(t, o, "auditor", "device=desk-2").Records {
			if r.RequestID != a.header.Get("X-Request-Id") || r.Address == "" || !strings.Contains(r.Detail, a.problem(t).CommandID) {
				t.Errorf("%+v", r)
			}
		}
	})
	t.Run("each device of a command to many", func(t *testing.T) {
		o := audited(t)
		o.do(t, http.MethodPost, "/api/v1/commands", `{"selector":{"ids":["desk-1","printer-1","nobody"]},"action":"off"}`)
		eventuallyLines(t, o, "device=desk-1", "token:admin command.off desk-1 attempted", "token:admin command.off desk-1 done")
		eventuallyLines(t, o, "device=printer-1", "token:admin command.off printer-1 refused protected")
		eventuallyLines(t, o, "device=nobody", "token:admin command.off nobody refused not_found")
	})
	t.Run("what somebody may not do", func(t *testing.T) {
		o := audited(t)
		o.doAs(t, "viewer", http.MethodPut, "/api/v1/devices/desk-1/relay", `{"state":"off"}`)
		o.doAs(t, "viewer", http.MethodPost, "/api/v1/tokens", `{"name":"x","role":"admin","scope":"*"}`)
		eventuallyLines(t, o, "who=token:viewer", "token:viewer command.off desk-1 refused forbidden", "token:viewer request refused forbidden")
	})
	t.Run("changes of tokens and users, and no secret", func(t *testing.T) {
		o := audited(t)
		created := decoded[api.CreatedToken](t, o.do(t, http.MethodPost, "/api/v1/tokens", `{"name":"x","role":"admin","scope":"*","expires":"never"}`))
		o.do(t, http.MethodDelete, "/api/v1/tokens/"+created.ID, "")
		o.do(t, http.MethodPut, "/api/v1/users/ana", `{"role":"admin","scope":"*","password":"`+password+` 2"}`)
		o.do(t, http.MethodDelete, "/api/v1/users/bob", "")
		eventuallyLines(t, o, "who=token:admin&outcome=done", "token:admin token.create done", "token:admin token.revoke done",
			"token:admin user.change done", "token:admin user.remove done")
		body := string(o.doAs(t, "auditor", http.MethodGet, "/api/v1/audit?from=-1h&format=ndjson", "").body)
		if strings.Contains(body, created.Secret) || strings.Contains(body, password) || !strings.Contains(body, "x, role admin, scope *, expires never") {
			t.Error(body)
		}
	})
	t.Run("who signs in, and who fails to", func(t *testing.T) {
		o := audited(t)
		browser(t, o)
		o.do(t, http.MethodPost, "/api/v1/session", `{"name":"ana","password":"wrong one"}`)
		o.do(t, http.MethodPost, "/api/v1/session", `{"name":"my-password-by-mistake","password":"x"}`)
		o.doAs(t, "stranger", http.MethodGet, "/api/v1/devices", "")
		eventuallyLines(t, o, "", "user:ana session.begin done", "session.begin refused unauthenticated", "session.begin refused unauthenticated",
			"token.use refused unauthenticated")
		if body := string(o.doAs(t, "auditor", http.MethodGet, "/api/v1/audit?from=-1h", "").body); strings.Contains(body, "my-password") {
			t.Error(body)
		}
	})
}

func TestWhoSeesTheAudit(t *testing.T) {
	o := audited(t)
	o.guests.let("floor", inScope(t, access.Admin, "hq/f1"))
	for _, id := range []string{"desk-1", "printer-1", "down-1"} {
		o.do(t, http.MethodPut, "/api/v1/devices/"+id+"/led", `{"state":"off"}`)
	}
	o.doAs(t, "stranger", http.MethodGet, "/api/v1/devices", "")
	eventually(t, "the records", func() bool { return len(lines(t, o, "auditor", "")) >= 6 })
	t.Run("an admin of a part sees what is of its devices", func(t *testing.T) {
		want := []string{"token:admin command.led_off desk-1 attempted", "token:admin command.led_off desk-1 done"}
		if diff := cmp.Diff(want, lines(t, o, "floor", "")); diff != "" {
			t.Error(diff)
		}
		export := o.doAs(t, "floor", http.MethodGet, "/api/v1/audit?from=-1h&format=csv", "")
		if rows := strings.Count(string(export.body), "\r\n"); rows != 3 || strings.Contains(string(export.body), "printer-1") {
			t.Errorf("%s", export.body)
		}
	})
	t.Run("nobody else sees any", func(t *testing.T) {
		wantProblem(t, o.doAs(t, "viewer", http.MethodGet, "/api/v1/audit", ""), wattline.CodeForbidden, "")
	})
	t.Run("in pages, of what is asked for", func(t *testing.T) {
		first := auditPage(t, o, "auditor", "action=command.led_off&limit=2")
		if len(first.Records) != 2 || first.Next == "" || first.Records[0].Seq <= first.Records[1].Seq {
			t.Fatalf("%+v", first)
		}
		second := auditPage(t, o, "auditor", "action=command.led_off&limit=2&cursor="+first.Next)
		if len(second.Records) != 2 || second.Records[0].Seq >= first.Records[1].Seq {
			t.Errorf("%+v", second)
		}
		for _, format := range []string{"json", "ndjson"} {
			part := o.doAs(t, "auditor", http.MethodGet, fmt.Sprintf("/api/v1/audit?action=command.led_off&limit=1&format=%s&after_seq=%d",
				format, first.Records[1].Seq), "")
			if want := fmt.Sprintf(`"seq":%d,`, second.Records[0].Seq); !strings.Contains(string(part.body), want) || strings.Count(string(part.body), `"seq"`) != 1 {
				t.Errorf("after %d: %s", first.Records[1].Seq, part.body)
			}
		}
	})
}

// A broken audit is one that takes nothing.
type brokenAudit struct{}

func (brokenAudit) Append(context.Context, ...audit.Entry) error {
	return wattline.Errorf(wattline.CodeBusy, "the audit cannot be written")
}

func (brokenAudit) Records(context.Context, audit.Query) ([]audit.Record, error) { return nil, nil }

func TestNothingIsDoneThatCannotBeAudited(t *testing.T) {
	o := open(t, withAccounts(t), func(options *api.Options) { options.Audit = brokenAudit{} })
	wantProblem(t, o.do(t, http.MethodPut, "/api/v1/devices/desk-1/relay", `{"state":"off"}`), wattline.CodeBusy, "")
	wantProblem(t, o.do(t, http.MethodPost, "/api/v1/tokens", `{"name":"x","role":"admin","scope":"*"}`), wattline.CodeBusy, "")
	if list := decoded[api.TokenList](t, o.get(t, "/api/v1/tokens")); len(list.Tokens) != 1 {
		t.Errorf("%+v", list)
	}
	if asks := o.bus.asks(); len(asks) != 0 {
		t.Errorf("%+v was sent", asks)
	}
}

func TestWhoIsRefusedAllTheTimeDoesNotFillTheAudit(t *testing.T) {
	counted := &countingAudit{}
	o := open(t, func(options *api.Options) { options.Audit, options.Limits.RequestsPerS = counted, -1 })
	o.guests.let("hasty-operator", access.Principal{Name: "token:operator", Role: access.Operator, Scope: access.Everything()})
	var ids []string
	for i := range 900 {
		ids = append(ids, fmt.Sprintf("%q", fmt.Sprint("nobody-", i)))
	}
	body := `{"selector":{"ids":[` + strings.Join(ids, ",") + `]},"action":"off"}`
	for range 5 {
		if a := o.doAs(t, "hasty-operator", http.MethodPost, "/api/v1/commands", body); a.status != http.StatusOK {
			t.Fatalf("%d %.300s", a.status, a.body)
		}
	}
	if kept := counted.records.Load(); kept < 2000 || kept > 4000 {
		t.Errorf("%d of 4500 refusals are kept", kept)
	}
	before := counted.records.Load()
	o.doAs(t, "stranger", http.MethodGet, "/api/v1/devices", "")
	if counted.records.Load() != before+1 {
		t.Error("those of others are not kept any more")
	}
}

// countingAudit counts what it is given.
type countingAudit struct {
	unreadableAudit

	records atomic.Int64
}

func (c *countingAudit) Append(_ context.Context, entries ...audit.Entry) error {
	c.records.Add(int64(len(entries)))
	return nil
}
