package api

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/access"
	"github.com/wattline/wattline/internal/audit"
	"github.com/wattline/wattline/internal/bus"
)

// wish is what the registry is to be asked for.
type wish struct {
	verb  string
	query any
	// detail is what the audit keeps of it besides.
	detail string
}

// register has the registry change a device, for whoever makes the request: prepare
// decides whether they may and says what to ask for. The audit has what was refused,
// what was tried, and what became of it.
func (g *Gateway) register(c *gin.Context, entry audit.Entry, prepare func() (wish, error)) (device wattline.Device, err error) {
	ctx, by := c.Request.Context(), g.origin(c)
	asked, err := prepare()
	if err == nil {
		err = g.oneRegistry()
	}
	if err != nil {
		g.refused(ctx, by, entry, err)
		return device, err
	}
	entry.Detail = asked.detail
	err = g.audited(ctx, by, entry, func() error {
		return g.askRegistry(ctx, asked.verb, bus.Ask{Body: asked.query, Actor: by.actor()}, &device)
	})
	return device, ofBody(err)
}

// refused keeps in the audit what somebody may not or cannot do; that a request could
// not be read is not worth it.
func (g *Gateway) refused(ctx context.Context, by origin, entry audit.Entry, err error) {
	switch wattline.AsError(err).Code {
	case wattline.CodeForbidden, wattline.CodeNotFound, wattline.CodeConflict:
		g.ended(ctx, by, entry, err)
	}
}

func (g *Gateway) askRegistry(ctx context.Context, verb string, ask bus.Ask, into any) error {
	body, err := g.ask(ctx, wattline.RoleRegistry, verb, ask)
	if err != nil {
		return err
	}
	return decodeReply(body, into)
}

// oneRegistry is an error where several registries run, as in a cluster: each has the
// devices of its own configuration, and a change at one would not be the others'.
func (g *Gateway) oneRegistry() error {
	registries := 0
	for _, presence := range g.bus.Instances() {
		registries += count(presence.Serves(wattline.RoleRegistry, ""))
	}
	if registries > 1 {
		return wattline.Errorf(wattline.CodeConflict,
			"%d registries run: where there are several, devices are changed in their configuration files", registries)
	}
	return nil
}

// ofBody gives the faults that the registry found in a device the names that they
// have in the body of the request.
func ofBody(err error) error {
	known := wattline.AsError(err)
	if known == nil || len(known.Fields) == 0 {
		return err
	}
	fields := make([]wattline.FieldError, len(known.Fields))
	for i, field := range known.Fields {
		field.Field = strings.TrimPrefix(field.Field, "device.")
		fields[i] = field
	}
	if known.Code == wattline.CodeInvalid {
		return wattline.Invalid(fields...)
	}
	return &wattline.Error{Code: known.Code, Message: known.Message, Fields: fields}
}

// own is the path's device as the registry has it now, where who makes the request
// may change it and If-Match, if given, names its version.
func (g *Gateway) own(c *gin.Context) (device wattline.Device, err error) {
	id := c.Param("id")
	if _, err := g.view(c).device(id); err != nil {
		return device, err
	}
	if err := g.askRegistry(c.Request.Context(), wattline.VerbGet, bus.Ask{Body: wattline.GetQuery{Device: id}, Actor: g.actor(c)}, &device); err != nil {
		return device, err
	}
	if err := decided(g.who(c), access.Change, device); err != nil {
		return device, err
	}
	return device, unchangedSince(c.Request.Header, device)
}

// mayHave is an error where who makes the request may not have such a device: nobody
// gives a device away out of their scope, or gets one from there.
func (g *Gateway) mayHave(c *gin.Context, device wattline.Device) error {
	if access.Decide(g.who(c), access.Change, device) == access.Hidden {
		return wattline.Errorf(wattline.CodeForbidden, "device %q would not be within %s, which is what %s may change",
			device.ID, g.who(c).Scope, g.who(c).Name)
	}
	return decided(g.who(c), access.Change, device)
}

// former is the devices of some ids that were removed, by id: what was measured of
// them is seen by whoever makes a device of that id again. Who may see everything
// need not know.
func (g *Gateway) former(c *gin.Context, ids ...string) (map[string]wattline.Device, error) {
	if len(ids) == 0 || g.who(c).Scope.IsEverything() {
		return nil, nil
	}
	var page wattline.DevicePage
	query := bus.Ask{Body: wattline.FormerQuery{Devices: ids}, Actor: g.actor(c)}
	if err := g.askRegistry(c.Request.Context(), wattline.VerbFormer, query, &page); err != nil {
		return nil, err
	}
	former := make(map[string]wattline.Device, len(page.Devices))
	for _, device := range page.Devices {
		former[device.ID] = device
	}
	return former, nil
}

// mayRevive is an error where an id was that of a device which somebody may not
// change: as if there still were one.
func (g *Gateway) mayRevive(c *gin.Context, id string) error {
	former, err := g.former(c, id)
	if err != nil {
		return err
	}
	if device, was := former[id]; was && access.Decide(g.who(c), access.Change, device) != access.Allowed {
		return wattline.Errorf(wattline.CodeConflict, "the id %q is taken already", id)
	}
	return nil
}

// writeDevice answers with a device that the registry has just changed, and shows it
// to whoever asks next.
func (g *Gateway) writeDevice(c *gin.Context, status int, device wattline.Device) error {
	_ = g.shadow.putDevice(device.ID, &device) // without room it is not shown, as it will not be when it is heard of
	snap, known := g.shadow.find(device.ID)
	if !known {
		snap = &snapshot{facts: facts{id: device.ID, site: device.Site, device: &device}}
	}
	body, tag, err := taggedItem(g.item(snap))
	if err != nil {
		return err
	}
	c.Header("ETag", tag)
	if status == http.StatusCreated {
		c.Header("Location", "/api/v1/devices/"+device.ID)
	}
	writeBody(c, status, body)
	return nil
}

// detailOf is a difference as the audit keeps it.
func detailOf(changes []FieldChange) string {
	const longest = 1000
	// Labels may be long and come last, so that they hide nothing.
	changes = slices.SortedStableFunc(slices.Values(changes), func(a, b FieldChange) int { return byLabel(a) - byLabel(b) })
	var text strings.Builder
	for i, change := range changes {
		if i > 0 {
			text.WriteString("; ")
		}
		fmt.Fprintf(&text, "%s: %q to %q", change.Field, change.Before, change.After)
		if text.Len() > longest {
			return strings.ToValidUTF8(text.String()[:longest], "") + "…"
		}
	}
	return text.String()
}

func byLabel(change FieldChange) int {
	if strings.HasPrefix(change.Field, "labels.") {
		return 1
	}
	return 0
}
