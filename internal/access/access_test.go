package access_test

import (
	"testing"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/access"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func scope(t testing.TB, text string) access.Scope {
	t.Helper()
	s, err := access.ParseScope(text)
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return s
}

func desk() wattline.Device {
	return wattline.Device{ID: "desk-1", Kind: "workstation", Location: "hq/f1/r101/desk-1", Labels: map[string]string{"cost-centre": "4100"}}
}

func TestDecisions(t *testing.T) {
	const (
		unauthenticated, hidden, forbidden, allowed = access.Unauthenticated, access.Hidden, access.Forbidden, access.Allowed
	)
	for name, c := range map[string]struct {
		role  access.Role
		scope string
		// enter, see, switch, change, operate, manage, survey, administer
		want [8]access.Verdict
	}{
		"nobody":                  {"", "*", [8]access.Verdict{}},
		"an invented role":        {"root", "*", [8]access.Verdict{}},
		"a viewer of everything":  {access.Viewer, "*", [8]access.Verdict{allowed, allowed, forbidden, forbidden, forbidden, forbidden, allowed, forbidden}},
		"a viewer of the floor":   {access.Viewer, "hq/f1", [8]access.Verdict{allowed, allowed, forbidden, forbidden, forbidden, forbidden, forbidden, forbidden}},
		"a viewer of another":     {access.Viewer, "hq/f10", [8]access.Verdict{allowed, hidden, hidden, hidden, forbidden, forbidden, forbidden, forbidden}},
		"an operator":             {access.Operator, "*", [8]access.Verdict{allowed, allowed, allowed, forbidden, allowed, forbidden, allowed, forbidden}},
		"an operator of the kind": {access.Operator, "kind:workstation", [8]access.Verdict{allowed, allowed, allowed, forbidden, allowed, forbidden, forbidden, forbidden}},
		"an operator elsewhere":   {access.Operator, "kind:printer,hq/f2", [8]access.Verdict{allowed, hidden, hidden, hidden, allowed, forbidden, forbidden, forbidden}},
		"an admin":                {access.Admin, "*", [8]access.Verdict{allowed, allowed, allowed, allowed, allowed, allowed, allowed, allowed}},
		"an admin by label":       {access.Admin, "label:cost-centre:4100", [8]access.Verdict{allowed, allowed, allowed, allowed, allowed, allowed, forbidden, forbidden}},
		"an admin of another":     {access.Admin, "label:cost-centre:4", [8]access.Verdict{allowed, hidden, hidden, hidden, allowed, allowed, forbidden, forbidden}},
	} {
		t.Run(name, func(t *testing.T) {
			who := access.Principal{Name: "token:t", Role: c.role, Scope: scope(t, c.scope)}
			for i, action := range []access.Action{access.Enter, access.See, access.Switch, access.Change, access.Operate, access.Manage, access.Survey, access.Administer} {
				if got := access.Decide(who, action, desk()); got != c.want[i] {
					t.Errorf("action %d: %d, want %d", action, got, c.want[i])
				}
			}
		})
	}
	t.Run("no scope holds nothing", func(t *testing.T) {
		if got := access.Decide(access.Principal{Role: access.Admin}, access.See, desk()); got != hidden {
			t.Errorf("%d", got)
		}
	})
	t.Run("the zero verdict lets nobody in", func(t *testing.T) {
		if unauthenticated != 0 {
			t.Errorf("it is %d", unauthenticated)
		}
	})
}

func TestScopesThatAreRefused(t *testing.T) {
	for _, text := range []string{"", ",", "hq/f1,", "HQ", "hq//f1", "kind:", "kind:A", "label:x", "label::4", "*,hq", "hq/*", "/hq"} {
		if s, err := access.ParseScope(text); err == nil {
			t.Errorf("%q is %q", text, s)
		}
	}
}

func places() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		parts := rapid.SliceOfN(rapid.SampledFrom([]string{
			"hq", "hq/f1", "hq/f1/r101", "hq/f2", "kind:workstation", "kind:printer", "label:cost-centre:4100", "label:floor:1",
		}), 1, 4).Draw(t, "places")
		text := parts[0]
		for _, part := range parts[1:] {
			text += "," + part
		}
		return text
	})
}

func devices() *rapid.Generator[wattline.Device] {
	return rapid.Custom(func(t *rapid.T) wattline.Device {
		return wattline.Device{
			Kind:     rapid.SampledFrom([]string{"workstation", "printer", "meeting-room"}).Draw(t, "kind"),
			Location: rapid.SampledFrom([]string{"hq", "hq/f1/r101", "hq/f1/r102", "hq/f10", "hq/f2", "lab"}).Draw(t, "location"),
			Labels:   rapid.SampledFrom([]map[string]string{nil, {"cost-centre": "4100"}, {"floor": "1"}, {"floor": ""}}).Draw(t, "labels"),
		}
	})
}

func TestScopesAreSets(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		a, b := scope(t, places().Draw(rt, "a")), scope(t, places().Draw(rt, "b"))
		device := devices().Draw(rt, "device")
		if again := scope(t, a.String()); again.Holds(device) != a.Holds(device) || again.String() != a.String() {
			rt.Errorf("%q read back is %q", a, again)
		}
		if got, want := a.Union(b).Holds(device), a.Holds(device) || b.Holds(device); got != want {
			rt.Errorf("the union of %q and %q holds: %t", a, b, got)
		}
		if !access.Everything().Union(a).Holds(device) {
			rt.Errorf("everything and %q does not hold", a)
		}
	})
}
