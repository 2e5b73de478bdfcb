package api

import (
	"cmp"
	"slices"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/wattline/wattline"
)

// SystemOverview is the body of GET /api/v1/system.
type SystemOverview struct {
	// Version is this gateway's.
	Version string `json:"version"`
	// Time is this gateway's clock.
	Time wattline.Time `json:"time"`
	// Ready and Checks are those of /-/ready, with the reasons.
	Ready  bool              `json:"ready"`
	Checks []ReadinessResult `json:"checks"`
	// Instances are the processes that are alive, by name.
	Instances []Instance `json:"instances"`
	// Stores are what the hooks write to, by the hook's instance and name.
	Stores []StoreHealth `json:"stores"`
	// Devices counts them by availability.
	Devices DeviceCount `json:"devices"`
}

// Instance is a process of Wattline, or of somebody's component.
type Instance struct {
	Instance string   `json:"instance" example:"wattline-9f2c41aa"`
	Roles    []string `json:"roles"`
	// Sites are those that it serves; all if absent.
	Sites   []string      `json:"sites,omitempty"`
	Version string        `json:"version,omitempty"`
	Since   wattline.Time `json:"since,omitzero" validate:"optional"`
}

// StoreHealth is how a hook's store does, and how far behind it is.
type StoreHealth struct {
	Instance string `json:"instance" example:"wattline-9f2c41aa"`
	Hook     string `json:"hook,omitempty" example:"archive"`
	// LastWrite is when it last took something; absent if it has not since the start.
	LastWrite wattline.Time `json:"last_write,omitzero" validate:"optional"`
	// Failing is why it takes nothing: unavailable, misconfigured, or unknown where the
	// hook itself does not answer; with Error. Absent while all is well.
	Failing string `json:"failing,omitempty"`
	Error   string `json:"error,omitempty"`
	// Behind counts the readings that exist and that it lacks; BehindS is the age of
	// the oldest of them, in seconds.
	Behind      uint64         `json:"behind"`
	BehindS     wattline.Milli `json:"behind_s"`
	DeadLetters int            `json:"dead_letters"`
}

// DeviceCount counts devices by availability.
type DeviceCount struct {
	Total   int `json:"total"`
	Up      int `json:"up"`
	Down    int `json:"down"`
	Stale   int `json:"stale"`
	Unknown int `json:"unknown"`
}

// getSystem godoc
//
//	@Summary		The whole installation at a glance
//	@Description	Which processes are alive with their roles and versions, whether this gateway is ready, how each hook's store does and how far behind it is, and how many devices answer.
//	@ID				getSystem
//	@Tags			system
//	@Produce		json
//	@Success		200	{object}	SystemOverview
//	@Failure		400	{object}	Problem	"invalid"
//	@Router			/api/v1/system [get]
func (g *Gateway) getSystem(c *gin.Context) error {
	readiness := g.readiness(c.Request.Context())
	overview := SystemOverview{
		Version: g.options.Version, Time: wattline.At(time.Now()), Ready: readiness.Ready, Checks: readiness.Checks,
		Instances: []Instance{}, Stores: []StoreHealth{},
	}
	for _, p := range g.bus.Instances() {
		if p.Status == wattline.PresenceOnline {
			overview.Instances = append(overview.Instances, Instance{p.Instance, slices.Concat([]string{}, p.Roles), p.Sites, p.Version, p.Since})
		}
	}
	slices.SortFunc(overview.Instances, func(a, b Instance) int { return cmp.Compare(a.Instance, b.Instance) })
	for _, hook := range askAll[wattline.HookStatus](g, c, wattline.RoleHook, wattline.VerbStatus) {
		overview.Stores = append(overview.Stores, healthOf(hook))
	}
	for _, snap := range g.view(c).list() {
		overview.Devices.count(g.fresh(snap).State.Availability)
	}
	return writeJSON(c, overview)
}

func healthOf(hook statusOf[wattline.HookStatus]) StoreHealth {
	if hook.err != nil {
		return StoreHealth{Instance: hook.instance, Failing: "unknown", Error: hook.err.Message}
	}
	s := hook.status
	health := StoreHealth{
		Instance: hook.instance, Hook: s.Hook, LastWrite: s.LastWrite, Failing: s.Failing, Error: s.Error, DeadLetters: s.DeadLetters,
	}
	for _, stream := range s.Streams {
		health.Behind += stream.Behind
		health.BehindS = max(health.BehindS, stream.BehindS)
	}
	return health
}

func (d *DeviceCount) count(availability wattline.Availability) {
	d.Total++
	switch availability {
	case wattline.AvailabilityUp:
		d.Up++
	case wattline.AvailabilityDown:
		d.Down++
	case wattline.AvailabilityStale:
		d.Stale++
	case wattline.AvailabilityUnknown:
		d.Unknown++
	}
}
