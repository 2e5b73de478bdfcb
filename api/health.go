package api

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/gin-gonic/gin"
	"golang.org/x/sync/errgroup"

	"github.com/wattline/wattline"
)

const readyTimeout = 3 * time.Second

// Health is the body of /-/healthy.
type Health struct {
	Status  string `json:"status" example:"ok"`
	Version string `json:"version"`
}

// Readiness is the body of /-/ready.
type Readiness struct {
	Ready  bool              `json:"ready"`
	Checks []ReadinessResult `json:"checks"`
}

// ReadinessResult is one thing that must be in order.
type ReadinessResult struct {
	Name string `json:"name" example:"broker"`
	OK   bool   `json:"ok"`
	// Reason says what is not in order; only to an admin, in /api/v1/system.
	Reason string `json:"reason,omitempty"`
}

// getHealthy godoc
//
//	@Summary	Whether the process lives
//	@ID			getHealthy
//	@Tags		system
//	@Produce	json
//	@Success	200	{object}	Health
//	@Failure	400	{object}	Problem	"invalid"
//	@Failure	403	{object}	Problem	"forbidden"
//	@x-open	true
//	@Router		/-/healthy [get]
func (g *Gateway) getHealthy(c *gin.Context) error {
	return writeJSON(c, Health{Status: "ok", Version: g.options.Version})
}

// getReady godoc
//
//	@Summary		Whether requests should be sent here
//	@Description	Ready when the broker is connected, the devices are known, and what this process has of an embedded broker, a store and a hook is in order. It says which checks fail; GET /api/v1/system and the log say why.
//	@ID				getReady
//	@Tags			system
//	@Produce		json
//	@Success		200	{object}	Readiness
//	@Failure		503	{object}	Readiness	"not ready; some checks are not ok"
//	@Failure		400	{object}	Problem		"invalid"
//	@Failure		403	{object}	Problem		"forbidden"
//	@x-open	true
//	@Router			/-/ready [get]
func (g *Gateway) getReady(c *gin.Context) error {
	readiness := g.readiness(c.Request.Context())
	for i := range readiness.Checks {
		readiness.Checks[i].Reason = "" // it may name addresses of the inside, and anybody may ask
	}
	body, err := json.Marshal(readiness)
	if err != nil {
		return err
	}
	status := http.StatusOK
	if !readiness.Ready {
		status = http.StatusServiceUnavailable
	}
	writeBody(c, status, body)
	return nil
}

func (g *Gateway) readiness(asking context.Context) Readiness {
	ctx, cancel := context.WithTimeout(asking, readyTimeout)
	defer cancel()
	readiness := Readiness{Ready: true, Checks: []ReadinessResult{
		result("broker", g.bus.Connected(), "not connected"),
		result("devices", g.shadow.loaded.Load(), "not all known yet"),
	}}
	asked := make([]ReadinessResult, len(g.options.ReadyChecks))
	var group errgroup.Group
	for i, check := range g.options.ReadyChecks {
		group.Go(func() error {
			asked[i] = ReadinessResult{Name: check.Name, OK: true}
			if err := check.Check(ctx); err != nil {
				asked[i] = result(check.Name, false, err.Error())
			}
			return nil
		})
	}
	_ = group.Wait() // none returns an error
	readiness.Checks = append(readiness.Checks, asked...)
	for _, check := range readiness.Checks {
		readiness.Ready = readiness.Ready && check.OK
	}
	if asking.Err() == nil { // else a check may have failed because nobody waits any more
		g.readied.log(g.log, readiness.Checks)
	}
	return readiness
}

// readied is which checks failed when they were last asked.
type readied struct {
	mu      sync.Mutex
	failing map[string]bool
}

// log says why a check fails once, however often it is asked.
func (r *readied) log(log *slog.Logger, checks []ReadinessResult) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, check := range checks {
		switch failed := r.failing[check.Name]; {
		case !check.OK && !failed:
			log.Info("not ready", "check", check.Name, "reason", check.Reason)
		case check.OK && failed:
			log.Info("ready again", "check", check.Name)
		}
		r.failing[check.Name] = !check.OK
	}
}

func result(name string, ok bool, reason string) ReadinessResult {
	if ok {
		reason = ""
	}
	return ReadinessResult{Name: name, OK: ok, Reason: reason}
}

// getMetrics godoc
//
//	@Summary	Metrics for Prometheus
//	@ID			getMetrics
//	@Tags		system
//	@Produce	plain
//	@Success	200	{string}	string	"Prometheus text format"
//	@Failure	403	{object}	Problem	"forbidden"
//	@Failure	404	{object}	Problem	"not_found: metrics are not kept"
//	@Router		/metrics [get]
func (g *Gateway) getMetrics(c *gin.Context) error {
	if g.options.Metrics == nil {
		return wattline.Errorf(wattline.CodeNotFound, "metrics are not kept")
	}
	g.exposition.ServeHTTP(c.Writer, c.Request)
	return nil
}
