package controller

import (
	"context"
	"errors"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/agents/kasa"
	"github.com/wattline/wattline/internal/bus"
	"github.com/wattline/wattline/internal/pause"
)

// A plug may need a moment until it reports what it was told.
const (
	settlePause = 350 * time.Millisecond
	settleReads = 3
)

// confirmTime is how long a gateway may take to say that a command still holds.
const confirmTime = 2 * time.Second

// carryOut switches and reads back. Its errors are *wattline.Error.
func (c *Controller) carryOut(ctx context.Context, request bus.Request, command wattline.Command) (wattline.Result, error) {
	target, err := c.admit(command)
	if err != nil {
		return wattline.Result{}, err
	}
	switch command.Action {
	case wattline.ActionOff:
		c.pace.overtake(command.Device)
	case wattline.ActionOn:
		holds := func() error { return nil }
		if command.Confirm {
			holds = func() error { return c.holds(ctx, request) }
		}
		if err = c.pace.wait(ctx, command.Device, holds); err == nil {
			target, err = c.admit(command) // it may be protected, elsewhere or gone by now
		}
		if err != nil {
			return wattline.Result{}, err
		}
	}
	sendErr := c.send(ctx, target, command.Action)
	if sendErr != nil && !mayHaveActed(sendErr) {
		return wattline.Result{}, kasa.Shown(sendErr)
	}
	m, err := c.settle(ctx, target, command.Action)
	if err := verdict(sendErr, err, shows(m, command.Action)); err != nil {
		return wattline.Result{}, err
	}
	return wattline.Result{
		Device: command.Device, Action: command.Action, Outcome: wattline.OutcomeDone,
		Relay: m.Relay, LED: m.LED, Time: wattline.At(m.At),
	}, nil
}

// holds asks the gateway whether a command that has waited still holds: who gave it
// may not any more, or waits no longer. Without an answer it does not.
func (c *Controller) holds(ctx context.Context, request bus.Request) error {
	_, err := c.options.Bus.Ask(ctx, bus.Ask{
		Topic: wattline.Topic{
			Kind: wattline.TopicQuery, Component: wattline.RoleGateway, Instance: request.Asker, Verb: wattline.VerbConfirm,
		},
		Body: wattline.ConfirmQuery{ID: request.Envelope.ID}, Actor: wattline.RoleController, Timeout: confirmTime,
	})
	if err == nil {
		return nil
	}
	known := wattline.AsError(err)
	if wattline.OutcomeOf(known.Code) == wattline.OutcomeRefused {
		return known
	}
	return wattline.Errorf(wattline.CodeBusy, "its gateway did not say that it still holds (%s); nothing was sent", known.Code)
}

// admit is where a command goes to, or why it is not even tried.
func (c *Controller) admit(command wattline.Command) (kasa.Target, error) {
	c.mu.Lock()
	device, known := c.devices[command.Device]
	state, seen := c.states[command.Device]
	shared := c.sharedWith(device, command.Action)
	c.mu.Unlock()
	if err := refuse(command, device, known, state, seen); err != nil {
		return kasa.Target{}, err
	}
	if shared != nil {
		return kasa.Target{}, shared
	}
	target, err := kasa.TargetOf(device)
	if err != nil {
		return target, wattline.Errorf(wattline.CodeUnsupported, "device %s has an unusable address", device.ID)
	}
	if state.Address == device.Address {
		target.MAC = state.MAC // at another address another plug may be meant
	}
	return target, nil
}

// refuse says why a command is not even tried. Whether a protection is lifted goes
// by this controller's clock.
func refuse(command wattline.Command, device wattline.Device, known bool, state wattline.State, seen bool) error {
	if !known {
		return wattline.Errorf(wattline.CodeNotFound, "this controller has no device %.80q", command.Device)
	}
	if err := device.Permits(command.Action, time.Now()); err != nil {
		return err
	}
	if seen && state.Error != nil && state.Error.Class == string(kasa.ClassOtherPlug) {
		return wattline.Errorf(wattline.CodeDeviceUnreachable, "device %s: %s", device.ID, state.Error.Message)
	}
	if seen && len(state.Capabilities) > 0 && !state.Can(command.Action.Needs()) {
		return wattline.Errorf(wattline.CodeUnsupported, "device %s has no %s", device.ID, command.Action.Needs())
	}
	return nil
}

func (c *Controller) send(ctx context.Context, target kasa.Target, action wattline.Action) error {
	switch action {
	case wattline.ActionOn:
		return c.options.Plugs.SetRelay(ctx, target, true)
	case wattline.ActionOff:
		return c.options.Plugs.SetRelay(ctx, target, false)
	case wattline.ActionLEDOn:
		return c.options.Plugs.SetLED(ctx, target, true)
	case wattline.ActionLEDOff:
		return c.options.Plugs.SetLED(ctx, target, false)
	}
	return wattline.Errorf(wattline.CodeInvalid, "unknown action %.20q", action)
}

// settle reads the plug back until it shows what it was told, a few times.
func (c *Controller) settle(ctx context.Context, target kasa.Target, action wattline.Action) (m kasa.Measurement, err error) {
	for attempt := range settleReads {
		if attempt > 0 && pause.For(ctx, settlePause) != nil {
			return m, err
		}
		m, err = c.options.Plugs.ReadBack(ctx, target)
		if err == nil && shows(m, action) {
			return m, nil
		}
	}
	return m, err
}

// shows tells whether a measurement has what the action asked for.
func shows(m kasa.Measurement, action wattline.Action) bool {
	switch action {
	case wattline.ActionOn:
		return m.Relay == wattline.RelayOn
	case wattline.ActionOff:
		return m.Relay == wattline.RelayOff
	case wattline.ActionLEDOn:
		return m.LED == wattline.RelayOn
	case wattline.ActionLEDOff:
		return m.LED == wattline.RelayOff
	}
	return false
}

// verdict is what became of a command that had gone out: nil where the plug
// shows what was asked.
func verdict(sendErr, readErr error, shown bool) error {
	switch {
	case readErr == nil && shown:
		return nil
	case readErr == nil && sendErr != nil:
		// It may be on its way still, or it acted and somebody else's command after it.
		return wattline.Errorf(wattline.CodeTimeout, "the command was sent and not answered, and the plug does not show it: whether it acted, or still will, is unknown")
	case readErr == nil:
		return wattline.Errorf(wattline.CodeDeviceError, "the plug accepted the command but does not show it")
	}
	return wattline.Errorf(wattline.CodeTimeout, "the command was sent, but the plug could not be read back: whether it acted is unknown")
}

// mayHaveActed tells whether a command had gone out before it failed.
func mayHaveActed(err error) bool {
	known, ok := errors.AsType[*kasa.Error](err)
	return ok && known.Sent && known.Class != kasa.ClassDevice
}
