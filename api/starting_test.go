package api_test

import (
	"net/http"
	"testing"

	"github.com/wattline/wattline"
)

func TestAGatewayThatDoesNotKnowAllDevicesYetSaysSoInsteadOfNotFound(t *testing.T) {
	o := open(t)
	o.bus.set(func(b *fakeBus) { b.connected = false })
	o.SetComplete(false)
	for name, ask := range map[string]struct{ method, target, body string }{
		"a device":               {http.MethodGet, "/api/v1/devices/unheard", ""},
		"its state":              {http.MethodGet, "/api/v1/devices/unheard/state", ""},
		"switching it":           {http.MethodPut, "/api/v1/devices/unheard/relay", `{"state":"on"}`},
		"its readings":           {http.MethodGet, "/api/v1/readings?device=unheard&from=2026-05-12T00:00:00Z&to=2026-05-13T00:00:00Z", ""},
		"the list":               {http.MethodGet, "/api/v1/devices", ""},
		"a place's consumption":  {http.MethodGet, "/api/v1/consumption?location=hq&from=2026-05-12T00:00:00Z&to=2026-05-13T00:00:00Z", ""},
		"switching a whole room": {http.MethodPost, "/api/v1/commands", `{"selector":{"location":"hq/f1"},"action":"on"}`},
	} {
		t.Run(name, func(t *testing.T) {
			answer := o.do(t, ask.method, ask.target, ask.body)
			if problem := answer.problem(t); answer.status != http.StatusServiceUnavailable || problem.Code != wattline.CodeBrokerDown {
				t.Errorf("status %d, %+v", answer.status, problem)
			}
		})
	}
	t.Run("what is known is shown", func(t *testing.T) {
		if answer := o.get(t, "/api/v1/devices/desk-1"); answer.status != http.StatusOK {
			t.Errorf("status %d: %s", answer.status, answer.body)
		}
	})
	t.Run("a command to an unknown device is not sent", func(t *testing.T) {
		answer := o.do(t, http.MethodPost, "/api/v1/commands", `{"selector":{"ids":["unheard"]},"action":"on"}`)
		got := decoded[struct{ Results []wattline.Result }](t, answer)
		if len(got.Results) != 1 || got.Results[0].Outcome != wattline.OutcomeNotSent {
			t.Errorf("results %+v", got.Results)
		}
	})
}
