package chaos_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/e2e/chaos/plan"
	"github.com/wattline/wattline/e2e/chaos/truth"
	"github.com/wattline/wattline/internal/pause"
)

// How often each client asks.
const (
	switchPause = 350 * time.Millisecond
	groupPause  = 1500 * time.Millisecond
	queryPause  = 400 * time.Millisecond
)

// singleTimeout is that of a command which names no time of its own.
const singleTimeout = 10 * time.Second

// client asks the site over HTTP, now at one door, now at the other.
type client struct {
	*site

	record *record
	rng    *rand.Rand
}

func (s *site) newClient(r *record, seed uint64) client {
	return client{s, r, rand.New(rand.NewPCG(seed, 9999))}
}

// every does something again and again until the context ends.
func every(ctx context.Context, length time.Duration, rng *rand.Rand, do func(context.Context)) {
	for ctx.Err() == nil {
		do(ctx)
		_ = pause.For(ctx, length/2+time.Duration(rng.Float64()*float64(length)))
	}
}

func (c client) anyDoor() door {
	return c.doors[[]string{plan.Gateway, plan.Hook}[c.rng.IntN(2)]]
}

func (c client) anyDevice() string {
	devices := c.named()
	return devices[c.rng.IntN(len(devices))].ID
}

// switchOne gives a command to a device.
func (c client) switchOne(ctx context.Context) {
	at, device, on := c.anyDoor(), c.anyDevice(), c.rng.IntN(2) == 0
	a := at.send(ctx, http.MethodPut, "/api/v1/devices/"+device+"/relay", fmt.Sprintf(`{"state":%q}`, wattline.RelayOf(on)))
	if a.refused {
		return
	}
	command := truth.Command{Door: at.name, Client: a.actor, Device: device, On: on, Asked: a.asked, Told: a.told, Deadline: a.told.Add(singleTimeout)}
	switch {
	case a.err != nil:
	case a.status == http.StatusOK:
		c.told(&command, a.body)
	default:
		command.Code, command.ID = a.problem()
		command.Outcome = wattline.OutcomeOf(command.Code)
		c.sayCode(at, truth.Switch, device, a, command.Code)
	}
	c.record.command(command)
}

// told takes a result that is the whole answer.
func (c client) told(command *truth.Command, body []byte) {
	var result wattline.Result
	if err := json.Unmarshal(body, &result); err != nil || result.Device != command.Device || result.Relay != wattline.RelayOf(command.On) {
		c.record.trouble(fmt.Sprintf("%+v was answered with %s", *command, body))
	}
	command.ID, command.Outcome, command.Code = result.ID, result.Outcome, result.Code
}

// switchMany gives a command to a few devices at once, with little time.
func (c client) switchMany(ctx context.Context) {
	at, on, limit := c.anyDoor(), c.rng.IntN(2) == 0, time.Duration(1+c.rng.IntN(6))*time.Second
	ids := map[string]bool{}
	for range 2 + c.rng.IntN(8) {
		ids[c.anyDevice()] = true
	}
	request := map[string]any{
		"selector": map[string]any{"ids": sorted(ids)}, "action": wattline.RelayOf(on), "timeout_s": limit.Seconds(),
	}
	body, _ := json.Marshal(request)
	a := at.send(ctx, http.MethodPost, "/api/v1/commands", string(body))
	if a.refused {
		return
	}
	var response struct{ Results []wattline.Result }
	if a.err == nil && (a.status != http.StatusOK || json.Unmarshal(a.body, &response) != nil || len(response.Results) != len(ids)) {
		c.record.trouble(fmt.Sprintf("%s was answered with status %d: %.1000s", body, a.status, a.body))
	}
	results := map[string]wattline.Result{}
	for _, r := range response.Results {
		results[r.Device] = r
	}
	for id := range ids {
		command := truth.Command{Door: at.name, Client: a.actor, Device: id, On: on, Asked: a.asked, Told: a.told, Deadline: a.told.Add(limit)}
		if result, ok := results[id]; ok {
			command.ID, command.Outcome, command.Code = result.ID, result.Outcome, result.Code
			if result.Code != "" {
				c.sayCode(at, truth.Switch, id, a, result.Code)
			}
		}
		c.record.command(command)
	}
}

func (c client) sayCode(at door, kind truth.Kind, device string, a answer, code wattline.Code) {
	c.record.say(truth.Saying{Door: at.name, Kind: kind, Device: device, Asked: a.asked, Told: a.told, Code: code})
}

// query asks for what was stored lately.
func (c client) query(ctx context.Context) {
	at, device := c.anyDoor(), c.anyDevice()
	to := time.Now()
	period := fmt.Sprintf("from=%s&to=%s", wattline.At(to.Add(-30*time.Second)), wattline.At(to))
	path := "/api/v1/readings?limit=100&device=" + device + "&" + period
	if c.rng.IntN(4) == 0 {
		path = "/api/v1/consumption?window=quarter&group_by=kind&" + period
	}
	a := at.send(ctx, http.MethodGet, path, "")
	if a.err != nil {
		return
	}
	var page wattline.ReadingsPage
	code := wattline.Code("")
	if a.status != http.StatusOK {
		code, _ = a.problem()
	} else if err := json.Unmarshal(a.body, &page); err != nil {
		c.record.trouble(fmt.Sprintf("%s was answered with %.500s", path, a.body))
	}
	c.sayCode(at, truth.Query, device, a, code)
	c.record.show(page.Readings)
}
