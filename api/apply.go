package api

import (
	"context"
	"fmt"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/access"
	"github.com/wattline/wattline/internal/audit"
	"github.com/wattline/wattline/internal/bus"
	"github.com/wattline/wattline/internal/config"
)

const auditApply = "device.apply"

// ApplyResult is what became, or would become, of a list of devices.
type ApplyResult struct {
	// DryRun says that nothing was changed.
	DryRun bool `json:"dry_run"`
	// Unchanged counts the devices of the list that are as it says already.
	Unchanged int `json:"unchanged"`
	// Devices are the others, in the order of the list, and then those that are removed.
	Devices []DeviceChange `json:"devices"`
}

// DeviceChange is what becomes of one device.
type DeviceChange struct {
	Device string `json:"device" example:"desk-1"`
	Change string `json:"change" enums:"added,changed,removed"`
	// Fields are what changes of it; all of it where it is added.
	Fields []FieldChange `json:"fields,omitempty"`
}

// applyDevices godoc
//
//	@Summary		Apply a list of devices
//	@Description	Adds the devices of a list that there are not, changes those that are different and, with prune, removes those that whoever asks may change and the list has not; what the configuration file declares stays. YAML (as under devices in the configuration), JSON of the same form, or CSV with a line of column names and label:NAME for labels. All of it is done or nothing: every fault is told with its line and field. With dry_run=true nothing is done, and the answer says what would be.
//	@ID				applyDevices
//	@Tags			devices
//	@Accept			application/yaml,text/csv,json
//	@Produce		json
//	@Param			dry_run	query		bool	false	"Only say what would change"	default(false)
//	@Param			prune	query		bool	false	"Remove what is not in the list"	default(false)
//	@Param			body	body		string	true	"The list"
//	@Success		200	{object}	ApplyResult
//	@Failure		400		{object}	Problem	"invalid"
//	@Failure		403		{object}	Problem	"forbidden"
//	@Failure		409		{object}	Problem	"conflict"
//	@Failure		413		{object}	Problem	"too_large"
//	@Failure		415		{object}	Problem	"unsupported_media_type"
//	@Failure		429		{object}	Problem	"busy"
//	@Failure		500		{object}	Problem	"internal"
//	@Failure		503		{object}	Problem	"no_responder, broker_down"
//	@Failure		504		{object}	Problem	"timeout"
//	@Failure		default		{object}	Problem	"whatever else who was asked answers"
//	@Router			/api/v1/devices:apply [post]
func (g *Gateway) applyDevices(c *gin.Context) error {
	p, err := readParams(c.Request)
	if err != nil {
		return err
	}
	dryRun, prune := p.boolean("dry_run"), p.boolean("prune")
	if err := p.err(); err != nil {
		return err
	}
	if err := decided(g.who(c), access.Manage, wattline.Device{}); err != nil {
		g.refused(c.Request.Context(), g.origin(c), audit.Entry{Action: auditApply}, err)
		return err
	}
	listed, err := g.readList(c)
	if err != nil {
		return err
	}
	known, err := g.registered(c)
	if err != nil {
		return err
	}
	former, err := g.former(c, unknown(listed, known)...)
	if err != nil {
		return err
	}
	plan, err := planOf(applying{who: g.who(c), known: known, former: former}, listed)
	if err != nil {
		g.refused(c.Request.Context(), g.origin(c), audit.Entry{Action: auditApply}, err)
		return err
	}
	if prune {
		plan.prune(g.who(c), listed, known)
	}
	if err := g.carryOut(c, plan, dryRun); err != nil {
		return err
	}
	plan.result.DryRun = dryRun
	return writeJSON(c, plan.result)
}

// readList reads the body of a request, by its media type.
func (g *Gateway) readList(c *gin.Context) ([]config.Listed, error) {
	const csv = "text/csv"
	body, err := g.readRaw(c, "application/yaml", csv, "application/json")
	if err != nil {
		return nil, err
	}
	if !g.lists.TryAcquire(1) { // only now: a client may take its time to send the body
		return nil, wattline.Errorf(wattline.CodeBusy, "another list is being read; try again soon")
	}
	defer g.lists.Release(1)
	if body.kind == csv {
		return config.ParseDevicesCSV(body.content, g.options.Site)
	}
	return config.ParseDevices(body.content, g.options.Site)
}

// registered is all devices, as the registry has them now, by id.
func (g *Gateway) registered(c *gin.Context) (map[string]wattline.Device, error) {
	known := map[string]wattline.Device{}
	query := wattline.ListQuery{Limit: wattline.MaxPage}
	for {
		var page wattline.DevicePage
		err := g.askRegistry(c.Request.Context(), wattline.VerbList, bus.Ask{Body: query, Actor: g.actor(c)}, &page)
		if err != nil {
			return nil, err
		}
		for _, device := range page.Devices {
			known[device.ID] = device
		}
		if page.Next == "" {
			return known, nil
		}
		if page.Next <= query.After || len(known) > g.options.Limits.Devices {
			return nil, wattline.Errorf(wattline.CodeInternal, "the registry's pages do not end")
		}
		query.After = page.Next
	}
}

// carryOut has the registry make the changes of a plan, or only check them. The audit
// has each of them.
func (g *Gateway) carryOut(c *gin.Context, plan *plan, dryRun bool) error {
	if err := g.oneRegistry(); err != nil || len(plan.changes) == 0 {
		return err
	}
	ctx, by := c.Request.Context(), g.origin(c)
	ask := func() error {
		query := wattline.ApplyQuery{Changes: plan.changes, DryRun: dryRun}
		return plan.explain(g.askRegistry(ctx, wattline.VerbApply, bus.Ask{Body: query, Actor: by.actor()}, &wattline.Applied{}))
	}
	if dryRun {
		return ask()
	}
	err := g.audited(ctx, by, audit.Entry{Action: auditApply, Detail: fmt.Sprintf("%d changes", len(plan.changes))}, ask)
	if err == nil {
		g.tellApplied(ctx, by, plan)
	}
	return err
}

// tellApplied puts each change of a plan into the audit.
func (g *Gateway) tellApplied(ctx context.Context, by origin, plan *plan) {
	actions := map[wattline.Registering]string{
		wattline.DeviceAdded: auditAdd, wattline.DeviceChanged: auditChange, wattline.DeviceRemoved: auditRemove,
	}
	entries := make([]audit.Entry, len(plan.result.Devices))
	for i, change := range plan.result.Devices {
		entries[i] = by.signs(audit.Entry{
			Action: actions[wattline.Registering(change.Change)], Device: change.Device, Outcome: audit.Done, Detail: detailOf(change.Fields),
		})
	}
	_ = g.append(context.WithoutCancel(ctx), entries...) // it has happened; a record that is lost is counted and logged
}

// explain gives the faults that the registry found in the changes of a plan their
// places in the list.
func (p *plan) explain(err error) error {
	known := wattline.AsError(err)
	if known == nil || len(known.Fields) == 0 {
		return err
	}
	faults := make([]wattline.FieldError, len(known.Fields))
	for i, fault := range known.Fields {
		faults[i] = fault
		var at int
		place, field, _ := strings.Cut(fault.Field, ".")
		if _, err := fmt.Sscanf(place, "changes[%d]", &at); err == nil && at >= 0 && at < len(p.listed) {
			faults[i] = p.listed[at].Fault(field, fault.Reason)
		}
	}
	if known.Code == wattline.CodeInvalid {
		return wattline.Invalid(faults...)
	}
	return &wattline.Error{Code: known.Code, Message: known.Message, Fields: faults}
}
