package api_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/wattline/wattline/internal/access"
)

// TestNoRequestThatTheDescriptionSuggestsBringsAboutWhatItDoesNot draws requests from
// the description, right and wrong ones. send holds each answer against it: a status
// or a body that is not described is a fault. So is a failure of our own.
func TestNoRequestThatTheDescriptionSuggestsBringsAboutWhatItDoesNot(t *testing.T) {
	o := open(t)
	o.guests.let("floor", inScope(t, access.Operator, "hq/f1"))
	words := []string{
		"desk-1", "desk-2", "printer-1", "new-1", "down-1", "hook-1", "agent-1", "influx", "weather", "hq", "hq/f1", "kind:printer",
		"workstation", "floor:1", "power", "mean", "all", "location:2", "Europe/Madrid", "2026-03-28", "today", "-24h", "on", "off",
		"text/csv", "application/x-ndjson", "respond-async", `"1"`, "*", "k1",
	}
	rapid.Check(t, func(rt *rapid.T) {
		drawn := o.validator.Draw(rt, words)
		r := request(drawn.Method, drawn.Path+"?"+drawn.Query, drawn.Body)
		for name, value := range drawn.Header {
			r.Header.Set(name, value)
		}
		if token := rapid.SampledFrom([]string{"", "floor", "stranger"}).Draw(rt, "token"); token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		if drawn.Operation.ID == "streamEvents" { // which goes on until the client goes
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
			defer cancel()
			r = r.WithContext(ctx)
		}
		a := o.send(t, r)
		if a.status == http.StatusInternalServerError {
			rt.Errorf("%s %s?%s %s: %s", drawn.Method, drawn.Path, drawn.Query, drawn.Body, a.body)
		}
	})
}
