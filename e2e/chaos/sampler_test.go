package chaos_test

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/e2e/chaos/truth"
	"github.com/wattline/wattline/internal/pause"
)

const samplePause = 200 * time.Millisecond

// sample asks a door whether it is ready, and how the plugs do that misbehave,
// until the context ends.
func (s *site) sample(ctx context.Context, at door, r *record) {
	for ; ctx.Err() == nil; _ = pause.For(ctx, samplePause) {
		s.sampleReady(ctx, at, r)
		for _, plug := range r.sufferers() {
			s.sampleState(ctx, at, r, s.nameOf(plug))
		}
	}
}

func (s *site) sampleReady(ctx context.Context, at door, r *record) {
	a := at.send(ctx, http.MethodGet, "/-/ready", "")
	if a.err != nil {
		return
	}
	var readiness struct {
		Ready  bool
		Checks []struct {
			Name string
			OK   bool
		}
	}
	if err := json.Unmarshal(a.body, &readiness); err != nil || readiness.Ready != (a.status == http.StatusOK) {
		r.trouble("/-/ready: " + string(a.body))
		return
	}
	said := truth.Saying{Door: at.name, Kind: truth.Ready, Asked: a.asked, Told: a.told}
	for _, check := range readiness.Checks {
		if !check.OK {
			said.Broken = append(said.Broken, check.Name)
		}
	}
	r.say(said)
}

func (s *site) sampleState(ctx context.Context, at door, r *record, device string) {
	a := at.send(ctx, http.MethodGet, "/api/v1/devices/"+device+"/state", "")
	if a.err != nil {
		return
	}
	said := truth.Saying{Door: at.name, Kind: truth.State, Device: device, Asked: a.asked, Told: a.told}
	var fresh wattline.FreshState
	switch {
	case a.status != http.StatusOK:
		said.Code, _ = a.problem()
	case json.Unmarshal(a.body, &fresh) != nil:
		r.trouble("state of " + device + ": " + string(a.body))
		return
	}
	said.Availability, said.As = fresh.State.Availability, fresh.State.Time.Time
	r.say(said)
}
