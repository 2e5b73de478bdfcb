package api_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/api"
	"github.com/wattline/wattline/internal/access"
)

func TestARequestOfUnknownDevicesAloneIsNotKept(t *testing.T) {
	o := open(t, withAccounts(t))
	o.guests.let("floor", inScope(t, access.Operator, "hq/f1"))
	const body = `{"selector":{"ids":["nobody","printer-1"]},"action":"off"}`
	for name, headers := range map[string][]string{
		"in the background": {"Prefer", "respond-async"}, "with a key": {"Idempotency-Key", "k1"},
		"with both": {"Idempotency-Key", "k2", "Prefer", "respond-async"},
	} {
		t.Run(name, func(t *testing.T) {
			wantProblem(t, o.postAs(t, "floor", body, headers...), wattline.CodeNotFound, "")
		})
	}
	if got := decoded[api.CommandList](t, o.get(t, "/api/v1/devices/printer-1/commands")); len(got.Commands) != 0 {
		t.Errorf("kept: %+v", got)
	}
	t.Run("and takes no key", func(t *testing.T) {
		if a := o.postAs(t, "floor", `{"selector":{"ids":["desk-1"]},"action":"off"}`, "Idempotency-Key", "k1"); a.status != http.StatusOK {
			t.Errorf("%d %s", a.status, a.body)
		}
	})
	t.Run("but is in the audit", func(t *testing.T) {
		eventually(t, "the records", func() bool {
			return strings.Contains(string(o.get(t, "/api/v1/audit?device=nobody").body), `"code":"not_found"`)
		})
	})
}
