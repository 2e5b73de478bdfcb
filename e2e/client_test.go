package e2e_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/wattline/wattline/client"
	"github.com/wattline/wattline/internal/testserver"
)

// TestTheGeneratedClientDoesTheMainJob is an integrator's program: it knows the API by
// nothing but the client that is generated from the description.
func TestTheGeneratedClientDoesTheMainJob(t *testing.T) {
	t.Parallel()
	e := startEmulator(t, "--plugs", "2")
	o := newOffice(t)
	o.declare(e.devices...)
	o.up()
	o.waitUp("desk-1", "desk-2")
	gateway := clientOf(t, o, o.token)
	ctx, desk := t.Context(), []string{"desk-1"}

	t.Run("devices are listed", func(t *testing.T) {
		got, err := gateway.ListDevicesWithResponse(ctx, &client.ListDevicesParams{Location: new("hq"), Limit: new(1)})
		if err != nil || got.JSON200 == nil {
			t.Fatal(err, got)
		}
		first := got.JSON200.Devices
		if len(first) != 1 || first[0].Id != "desk-1" || *first[0].Source != "configuration" || got.JSON200.Next == nil {
			t.Fatalf("%s", got.Body)
		}
		next, err := gateway.ListDevicesWithResponse(ctx, &client.ListDevicesParams{Location: new("hq"), Limit: new(1), Cursor: got.JSON200.Next})
		if err != nil || next.JSON200 == nil || next.JSON200.Devices[0].Id != "desk-2" || next.JSON200.Next != nil {
			t.Errorf("%v %s", err, next.Body)
		}
	})
	t.Run("a device is switched, and its state read", func(t *testing.T) {
		got, err := gateway.PutRelayWithResponse(ctx, "desk-1", client.SwitchRequest{State: "off"})
		if err != nil || got.JSON200 == nil || got.JSON200.Outcome != "done" || *got.JSON200.Relay != "off" || e.plug("desk-1").Outlets[0].On {
			t.Fatalf("%v %+v", err, got)
		}
		state, err := gateway.GetStateWithResponse(ctx, "desk-1", &client.GetStateParams{Refresh: new(true)})
		if err != nil || state.JSON200 == nil || *state.JSON200.State.Relay != "off" || state.JSON200.Reading == nil {
			t.Errorf("%v %+v", err, state)
		}
	})
	t.Run("many are switched once, and what became of them is asked later", func(t *testing.T) {
		params := client.PostCommandsParams{IdempotencyKey: new("e2e-1"), Prefer: new("respond-async")}
		request := client.CommandsRequest{Action: "on", Selector: client.Selector{All: new(true)}}
		begun, err := gateway.PostCommandsWithResponse(ctx, &params, request)
		if err != nil || begun.JSON202 == nil {
			t.Fatalf("%v %+v", err, begun)
		}
		again, err := gateway.PostCommandsWithResponse(ctx, &params, request)
		if err != nil || again.JSON202 == nil || again.JSON202.Id != begun.JSON202.Id {
			t.Errorf("%v %s", err, again.Body)
		}
		testserver.Eventually(t, patience, func() error {
			status, err := gateway.GetCommandWithResponse(ctx, begun.JSON202.Id)
			if err != nil || status.JSON200 == nil || !status.JSON200.Done || len(status.JSON200.Results) != 2 || status.JSON200.Results[1].Outcome != "done" {
				return fmt.Errorf("%w %s", err, status.Body)
			}
			return nil
		})
		kept, err := gateway.ListCommandsWithResponse(ctx, "desk-1", &client.ListCommandsParams{})
		if err != nil || kept.JSON200 == nil || len(kept.JSON200.Commands) != 2 || kept.JSON200.Commands[0].Action != "on" {
			t.Errorf("%v %s", err, kept.Body)
		}
	})
	t.Run("what was used is asked, summed up and exported", func(t *testing.T) {
		testserver.Eventually(t, patience, func() error {
			sums, err := gateway.GetConsumptionWithResponse(ctx, &client.GetConsumptionParams{From: new("today"), GroupBy: new("all"), Device: &desk, Tz: new("Europe/Madrid")})
			if err != nil || sums.JSON200 == nil || len(sums.JSON200.Rows) == 0 || sums.JSON200.Rows[len(sums.JSON200.Rows)-1].EnergyWh == nil {
				return fmt.Errorf("%w %s", err, sums.Body)
			}
			return nil
		})
		most, err := gateway.GetAggregateWithResponse(ctx, &client.GetAggregateParams{Field: "power", Op: "max", Device: &desk, From: new("-1h"), Window: new(client.GetAggregateParamsWindow("day"))})
		if err != nil || most.JSON200 == nil || most.JSON200.Rows[len(most.JSON200.Rows)-1].Value == nil {
			t.Errorf("%v %+v", err, most)
		}
		page, err := gateway.GetReadingsWithResponse(ctx, &client.GetReadingsParams{Device: &desk, From: new("-1h"), Limit: new(1)})
		if err != nil || page.JSON200 == nil || len(page.JSON200.Readings) != 1 || page.JSON200.Next == nil {
			t.Errorf("%v %+v", err, page)
		}
		table, err := gateway.GetReadingsWithResponse(ctx, &client.GetReadingsParams{Device: &desk, From: new("-1h"), Format: new(client.GetReadingsParamsFormat("csv"))})
		if err != nil || table.StatusCode() != http.StatusOK || !strings.HasPrefix(string(table.Body), "device,time,power_w,") || strings.Count(string(table.Body), "\n") < 2 {
			t.Errorf("%v %s", err, table.Body)
		}
	})
	t.Run("a device is watched", func(t *testing.T) {
		watched, err := gateway.PostWatchWithResponse(ctx, "desk-1", client.WatchRequest{Seconds: new(30)})
		if err != nil || watched.JSON200 == nil || watched.JSON200.PollS != 1 {
			t.Errorf("%v %+v", err, watched)
		}
		if reading := nextReading(t, gateway, desk); reading.Device != "desk-1" || reading.VoltageV == 0 {
			t.Errorf("%+v", reading)
		}
	})
	t.Run("a refusal says why, in the same form always", func(t *testing.T) { refusals(t, o, gateway) })
}

func clientOf(t *testing.T, o *office, token string) *client.ClientWithResponses {
	t.Helper()
	gateway, err := client.NewClientWithResponses(o.base, client.WithToken(token), client.WithHTTPClient(&http.Client{
		Timeout: requestPatience, Transport: &http.Transport{DisableKeepAlives: true},
	}))
	if err != nil {
		t.Fatal(err)
	}
	return gateway
}

// nextReading is the next live one of the devices.
func nextReading(t *testing.T, gateway *client.ClientWithResponses, devices []string) client.Reading {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	stream, err := gateway.StreamEvents(ctx, &client.StreamEventsParams{Device: &devices, Type: &[]client.StreamEventsParamsType{"reading"}})
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Body.Close()
	lines := bufio.NewScanner(stream.Body)
	for lines.Scan() {
		text, is := strings.CutPrefix(lines.Text(), "data: ")
		if !is {
			continue
		}
		var reading client.Reading
		if err := json.Unmarshal([]byte(text), &reading); err != nil {
			t.Fatal(err)
		}
		return reading
	}
	t.Fatal(errors.Join(errors.New("the stream has ended"), lines.Err()))
	return client.Reading{}
}

// refusals are of each kind that a client has to tell apart.
func refusals(t *testing.T, o *office, gateway *client.ClientWithResponses) {
	ctx := t.Context()
	nobody, err := gateway.PutRelayWithResponse(ctx, "nobody", client.SwitchRequest{State: "on"})
	if err != nil || nobody.ApplicationproblemJSON404 == nil || nobody.ApplicationproblemJSON404.Code != "not_found" {
		t.Errorf("%v %+v", err, nobody)
	}
	wrong, err := gateway.GetReadingsWithResponse(ctx, &client.GetReadingsParams{From: new("last summer")})
	if err != nil || wrong.ApplicationproblemJSON400 == nil || (*wrong.ApplicationproblemJSON400.Fields)[0].Field != "from" {
		t.Errorf("%v %+v", err, wrong)
	}
	fixed, err := gateway.DeleteDeviceWithResponse(ctx, "desk-1", &client.DeleteDeviceParams{})
	if err != nil || fixed.ApplicationproblemJSON409 == nil || !strings.Contains(fixed.ApplicationproblemJSON409.Detail, "configuration file") {
		t.Errorf("%v %+v", err, fixed)
	}
	me, err := clientOf(t, o, "wl_"+strings.Repeat("A", 26)).GetMeWithResponse(ctx)
	if err != nil || me.ApplicationproblemJSON401 == nil || me.ApplicationproblemJSON401.Code != "unauthenticated" {
		t.Errorf("%v %+v", err, me)
	}
}
