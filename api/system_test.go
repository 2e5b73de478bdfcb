package api_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/api"
	"github.com/wattline/wattline/internal/bus"
)

// answerOperator is how a collector and a hook answer; nil for other questions.
func answerOperator(ask bus.Ask) any {
	letter := wattline.DeadLetter{
		ID: "ab", Time: noon(), Tries: 1, Reason: "poison", Explanation: "it is poisonous", Remedy: "leave it", Reading: readingOf("desk-1", noon()),
	}
	switch ask.Topic.Verb {
	case wattline.VerbJournal, wattline.VerbForget:
		return journalStatus()
	case wattline.VerbStatus:
		return hookStatus()
	case wattline.VerbDiscover:
		return found(ask)
	case wattline.VerbDeadLetters:
		return wattline.DeadLetterPage{Hook: "influx", Letters: []wattline.DeadLetter{letter}, Next: "0-ab", Total: 7}
	case wattline.VerbResend:
		return wattline.Resent{Hook: "influx", Taken: 1, Refused: 1, Unknown: []string{"cd"}, Stopped: "away", Next: "0-ab", Left: 6}
	}
	return nil
}

func journalStatus() wattline.JournalStatus {
	return wattline.JournalStatus{
		Stream: "s1", First: 5, Last: 9, Readings: 5, Oldest: noon(), Bytes: 4096, MaxBytes: 1 << 30, MaxAgeS: 1000,
		Hooks:   []wattline.JournalHook{{Hook: "influx", Stored: 4, Behind: 5, BehindS: 60_000, Configured: true}},
		Dropped: 3, DroppedFrom: 1, DroppedTo: 3, Dropping: true, SetAside: "x.damaged", Error: "disk full",
	}
}

func hookStatus() wattline.HookStatus {
	return wattline.HookStatus{
		Hook: "influx", LastWrite: noon(), Failing: "unavailable", Since: noon(), Error: "away", DiskError: "full",
		Pending: 20, MaxPending: 20, Overflowed: 5, Lost: 1, DeadLetters: 7,
		Streams: []wattline.HookStream{{Stream: "s1", Instance: "agent-1", Online: true, Stored: 4, Known: 9, Behind: 5, BehindS: 60_000, Gone: true}},
	}
}

func TestEveryLiveCollectorAndHookIsListed(t *testing.T) {
	o := open(t)
	online := func(instance string, roles ...string) wattline.Presence {
		return wattline.Presence{Instance: instance, Status: wattline.PresenceOnline, Roles: roles, Sites: []string{"hq"}}
	}
	o.bus.set(func(b *fakeBus) {
		b.instances = []wattline.Presence{
			online("z-both", wattline.RoleCollector, wattline.RoleHook), online("gateway-1", wattline.RoleGateway),
			online("a-silent", wattline.RoleCollector, wattline.RoleHook),
			{Instance: "b-gone", Status: wattline.PresenceOffline, Roles: []string{wattline.RoleCollector, wattline.RoleHook}},
		}
		b.answer = func(_ context.Context, ask bus.Ask) (any, error) {
			if ask.Timeout <= 0 || ask.Timeout > 5*time.Second {
				t.Errorf("asked with %v to wait", ask.Timeout)
			}
			if ask.Topic.Instance == "a-silent" {
				return nil, wattline.Errorf(wattline.CodeTimeout, "no answer")
			}
			return answerOperator(ask), nil
		}
	})
	silent := &wattline.Error{Code: wattline.CodeTimeout, Message: "no answer"}
	unexported := cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".cause" }, cmp.Ignore())
	journal, hook := journalStatus(), hookStatus()
	want := api.JournalList{Journals: []api.JournalItem{
		{Instance: "a-silent", Sites: []string{"hq"}, Error: silent}, {Instance: "z-both", Sites: []string{"hq"}, Journal: &journal},
	}}
	if diff := cmp.Diff(want, decoded[api.JournalList](t, o.get(t, "/api/v1/system/journal")), unexported); diff != "" {
		t.Error(diff)
	}
	wantHooks := api.HookList{Hooks: []api.HookItem{{Instance: "a-silent", Error: silent}, {Instance: "z-both", Status: &hook}}}
	if diff := cmp.Diff(wantHooks, decoded[api.HookList](t, o.get(t, "/api/v1/system/hooks")), unexported); diff != "" {
		t.Error(diff)
	}
	o.bus.set(func(b *fakeBus) { b.instances = nil })
	for _, path := range []string{"/api/v1/system/journal", "/api/v1/system/hooks"} {
		if a := o.get(t, path); a.status != http.StatusOK || len(a.body) > 20 {
			t.Errorf("nobody there: %d %s", a.status, a.body)
		}
	}
}

func TestAnOperatorsWishReachesTheInstanceThatWasNamed(t *testing.T) {
	o := open(t)
	for _, c := range []struct {
		method, target, body string
		topic                wattline.Topic
		sent                 any
	}{
		{
			http.MethodDelete, "/api/v1/system/journal/agent-1/hooks/influx", "",
			wattline.Topic{Kind: wattline.TopicQuery, Component: "collector", Instance: "agent-1", Verb: "forget"},
			wattline.ForgetQuery{Hook: "influx"},
		},
		{
			http.MethodGet, "/api/v1/system/hooks/hook-1/dead-letters", "",
			wattline.Topic{Kind: wattline.TopicQuery, Component: "hook", Instance: "hook-1", Verb: "dead-letters"},
			wattline.DeadLettersQuery{Limit: 100},
		},
		{
			http.MethodGet, "/api/v1/system/hooks/hook-1/dead-letters?after=12-ab&limit=1000", "",
			wattline.Topic{Kind: wattline.TopicQuery, Component: "hook", Instance: "hook-1", Verb: "dead-letters"},
			wattline.DeadLettersQuery{After: "12-ab", Limit: 1000},
		},
		{
			http.MethodPost, "/api/v1/system/hooks/hook-1/dead-letters/resend", `{"all":true,"after":"12-ab"}`,
			wattline.Topic{Kind: wattline.TopicQuery, Component: "hook", Instance: "hook-1", Verb: "resend"},
			wattline.ResendQuery{All: true, After: "12-ab"},
		},
	} {
		a := o.do(t, c.method, c.target, c.body)
		asks := o.bus.asks()
		last := asks[len(asks)-1]
		if a.status != http.StatusOK || last.Topic != c.topic || !cmp.Equal(last.Body, c.sent) || last.Actor == "" {
			t.Errorf("%s %s: %d %s, asked %+v", c.method, c.target, a.status, a.body, last)
		}
	}
}

func TestABadWishOfAnOperatorReachesNobody(t *testing.T) {
	o := open(t)
	resend := "/api/v1/system/hooks/hook-1/dead-letters/resend"
	for _, c := range []struct{ method, target, body, field string }{
		{http.MethodGet, "/api/v1/system/journal?x=1", "", "x"},
		{http.MethodGet, "/api/v1/system/hooks?x=1", "", "x"},
		{http.MethodDelete, "/api/v1/system/journal/A/hooks/influx", "", "instance"},
		{http.MethodDelete, "/api/v1/system/journal/agent-1/hooks/%2B", "", "hook"},
		{http.MethodDelete, "/api/v1/system/journal/agent-1/hooks/influx?x=1", "", "x"},
		{http.MethodGet, "/api/v1/system/hooks/%23/dead-letters", "", "instance"},
		{http.MethodGet, "/api/v1/system/hooks/hook-1/dead-letters?limit=1001", "", "limit"},
		{http.MethodGet, "/api/v1/system/hooks/hook-1/dead-letters?cursor=a", "", "cursor"},
		{http.MethodPost, "/api/v1/system/hooks/HOOK/dead-letters/resend", `{"all":true}`, "instance"},
		{http.MethodPost, resend, `{}`, "ids"},
		{http.MethodPost, resend, `{"all":false}`, "ids"},
		{http.MethodPost, resend, `{"all":true,"ids":["a"]}`, "ids"},
		{http.MethodPost, resend, `{"ids":["A"]}`, "ids[0]"},
		{http.MethodPost, resend, `{"ids":["a"],"after":"0-a"}`, "after"},
		{http.MethodPost, resend, `{"all":"yes"}`, "all"},
		{http.MethodPost, resend, `{"everything":true}`, "everything"},
	} {
		wantProblem(t, o.do(t, c.method, c.target, c.body), wattline.CodeInvalid, c.field)
	}
	if asked := o.bus.asks(); len(asked) != 0 {
		t.Errorf("asked %+v", asked)
	}
}
