package api_test

import (
	"context"
	"testing"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/api"
	"github.com/wattline/wattline/internal/access"
	"github.com/wattline/wattline/internal/bus"
)

func TestACommandThatWaitsAtItsControllerHoldsAsLongAsTheRights(t *testing.T) {
	for name, c := range map[string]struct {
		meanwhile func(*testing.T, *office)
		code      wattline.Code
	}{
		"nothing has changed":        {func(*testing.T, *office) {}, ""},
		"the token is revoked":       {func(_ *testing.T, o *office) { o.guests.let("guest", access.Principal{}) }, wattline.CodeUnauthenticated},
		"the address is slowed down": {func(_ *testing.T, o *office) { o.guests.slow("guest") }, wattline.CodeBusy},
		"the role is another":        {func(t *testing.T, o *office) { o.guests.let("guest", inScope(t, access.Viewer, "*")) }, wattline.CodeForbidden},
		"the scope is narrower":      {func(t *testing.T, o *office) { o.guests.let("guest", inScope(t, access.Operator, "lab")) }, wattline.CodeForbidden},
		"the device becomes protected": {func(t *testing.T, o *office) {
			o.bus.device(t, wattline.Device{
				ID: "desk-1", Kind: "workstation", Location: "hq/f1", Site: "hq", Address: "192.0.2.11", Version: 9, Protected: wattline.ProtectionLocked,
			})
		}, wattline.CodeProtected},
		"the device leaves the scope": {func(t *testing.T, o *office) {
			o.bus.device(t, wattline.Device{ID: "desk-1", Kind: "workstation", Location: "annex/f1", Site: "hq", Address: "192.0.2.11", Version: 9})
		}, wattline.CodeNotFound},
	} {
		for request, send := range map[string]func(*office) answer{
			"one device": func(o *office) answer {
				return o.doAs(t, "guest", "PUT", "/api/v1/devices/desk-1/relay", `{"state":"on"}`)
			},
			"many": func(o *office) answer {
				return o.postAs(t, "guest", `{"selector":{"ids":["desk-1"]},"action":"on"}`)
			},
		} {
			t.Run(name+", "+request, func(t *testing.T) {
				o := open(t)
				o.guests.let("guest", inScope(t, access.Operator, "hq"))
				var id string
				var said error
				o.bus.set(func(b *fakeBus) {
					b.answer = func(ctx context.Context, ask bus.Ask) (any, error) {
						if command, is := ask.Body.(wattline.Command); !is || !command.Confirm {
							t.Errorf("%+v", ask)
						}
						id = ask.ID
						c.meanwhile(t, o)
						if said = o.bus.confirm(t, ask.ID); said != nil {
							return nil, said
						}
						return answerAll(ctx, ask)
					}
				})
				a := send(o)
				if c.code == "" && said != nil || c.code != "" && (said == nil || wattline.AsError(said).Code != c.code) {
					t.Errorf("its controller was told %v", said)
				}
				if request == "one device" && c.code != "" {
					wantProblem(t, a, c.code, "")
				}
				if results := decoded[api.CommandsResponse](t, a).Results; request == "many" && (len(results) != 1 || results[0].Outcome != wattline.OutcomeOf(c.code)) {
					t.Errorf("%+v", results)
				}
				if err := o.bus.confirm(t, id); err == nil {
					t.Error("a command that has an outcome holds still")
				}
			})
		}
	}
}
