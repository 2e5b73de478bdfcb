// Package controller is the agent that switches devices. It carries out the
// commands addressed to the devices of its site, each at most once and never
// past its deadline, reads the plug back, and publishes the state that it found.
//
// What the bus promises (bus.Bus.Respond) it need not do itself: commands past
// their deadline are dropped, a repeat is answered from memory, and the context
// of a command ends at its deadline.
package controller

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/agents"
	"github.com/wattline/wattline/agents/kasa"
	"github.com/wattline/wattline/internal/bus"
	"github.com/wattline/wattline/internal/strictjson"
	"github.com/wattline/wattline/internal/telemetry"
)

const (
	commandWorkers = 64
	commandQueue   = 4096
	stateQueue     = 16_384
)

// maxClockAhead is how far ahead of ours a state's time may be and still keep
// those with older times out.
const maxClockAhead = time.Minute

// A plug may need a moment until it reports what it was told.
const (
	settlePause = 350 * time.Millisecond
	settleReads = 3
)

// Plugs switches plugs and reads them back, ahead of all polls; kasa.Client does.
type Plugs interface {
	SetRelay(ctx context.Context, target kasa.Target, on bool) error
	SetLED(ctx context.Context, target kasa.Target, on bool) error
	ReadBack(ctx context.Context, target kasa.Target) (kasa.Measurement, error)
}

// Options make a Controller.
type Options struct {
	Bus   agents.Bus
	Plugs Plugs
	// Site is the network whose devices are switched.
	Site    string
	Log     *slog.Logger
	Metrics *telemetry.Registry
}

// Controller switches the devices of a site. Make it with New.
type Controller struct {
	options   Options
	log       *slog.Logger
	results   *telemetry.CounterVec
	badStates telemetry.Counter

	mu      sync.Mutex
	devices map[string]wattline.Device
	states  map[string]wattline.State
}

// New makes a controller; Run starts it.
func New(options Options) *Controller {
	return &Controller{
		options: options, log: options.Log.With("role", wattline.RoleController),
		results:   options.Metrics.CounterVec("wattline_controller_commands_total", "Commands, by their outcome.", "outcome"),
		badStates: options.Metrics.Counter("wattline_controller_bad_states_total", "States of devices that could not be read."),
		devices:   map[string]wattline.Device{}, states: map[string]wattline.State{},
	}
}

// Run carries out commands until the context ends.
func (c *Controller) Run(ctx context.Context) error {
	stopFollowing, err := agents.Follow(agents.Following{
		Bus: c.options.Bus, Site: c.options.Site, Name: wattline.RoleController, Log: c.log, Metrics: c.options.Metrics,
	}, c.apply)
	if err != nil {
		return err
	}
	defer stopFollowing()
	stopStates, err := c.options.Bus.Subscribe(bus.SubscribeOptions{
		Filter: wattline.Topic{Kind: wattline.TopicState, Site: c.options.Site}, Queue: stateQueue, Name: "controller-states",
	}, c.remember)
	if err != nil {
		return err
	}
	defer stopStates()
	stopCommands, err := c.options.Bus.Respond(bus.RespondOptions{
		Filter:  wattline.Topic{Kind: wattline.TopicCommand, Site: c.options.Site},
		Workers: commandWorkers, Queue: commandQueue,
	}, c.respond)
	if err != nil {
		return err
	}
	defer stopCommands()
	c.options.Bus.Announce(wattline.RoleController, c.options.Site)
	<-ctx.Done()
	return nil
}

func (c *Controller) apply(_ context.Context, change agents.Change) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if change.Removed {
		delete(c.devices, change.Device.ID)
		delete(c.states, change.Device.ID)
		return
	}
	c.devices[change.Device.ID] = change.Device
}

// remember keeps the newest state of our devices, to which a command's effect
// is added.
func (c *Controller) remember(_ context.Context, message bus.Message) {
	var state wattline.State
	if len(message.Payload) == 0 {
		return
	}
	if strictjson.DecodeLoose(message.Payload, &state) != nil || state.Validate() != nil || state.Device != message.Topic.Device {
		c.badStates.Inc()
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	had := c.states[state.Device]
	// One that claims to come from the future must not stay for ever.
	newer := !state.Time.Before(had.Time.Time) || had.Time.After(time.Now().Add(maxClockAhead))
	if _, ours := c.devices[state.Device]; ours && newer {
		c.states[state.Device] = state
	}
}

// respond carries out one command and publishes what became of it.
func (c *Controller) respond(ctx context.Context, request bus.Request) (any, error) {
	var command wattline.Command
	if err := strictjson.Decode(request.Envelope.Body, &command); err != nil {
		return nil, err
	}
	if err := command.Validate(); err != nil {
		return nil, err
	}
	if command.Device != request.Topic.Device {
		return nil, wattline.Invalid(wattline.FieldError{Field: "device", Reason: "is not the one in the topic"})
	}
	result, err := c.carryOut(ctx, command)
	if err != nil {
		result = wattline.FailedResult(command, err, wattline.At(time.Now()))
	}
	result.ID, result.Actor = request.Envelope.ID, request.Envelope.Actor
	c.report(result)
	request.AfterReply(func() { c.publish(context.WithoutCancel(ctx), result) })
	return result, err
}

// report counts and logs a result.
func (c *Controller) report(result wattline.Result) {
	c.results.WithLabelValues(string(result.Outcome)).Inc()
	c.log.Info("command", "device", result.Device, "action", result.Action, "outcome", result.Outcome,
		"code", result.Code, "message", result.Message, "actor", result.Actor, "id", result.ID)
}

// publish says what became of a command, and the state of the device after it.
func (c *Controller) publish(ctx context.Context, result wattline.Result) {
	say := func(topic wattline.Topic, payload any) {
		if err := c.options.Bus.Publish(ctx, topic, payload); err != nil {
			c.log.Debug("not published", "device", result.Device, "kind", topic.Kind, "error", err)
		}
	}
	if state, ok := c.stateAfter(result); ok {
		say(wattline.Topic{Kind: wattline.TopicState, Site: c.options.Site, Device: result.Device}, state)
	}
	say(wattline.Topic{Kind: wattline.TopicEvent, Event: "command"}, result)
}

// stateAfter adds what the plug said to the state that is known of it. The
// collector owns the retained state and says the same at its next poll.
func (c *Controller) stateAfter(result wattline.Result) (wattline.State, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	state, seen := c.states[result.Device]
	if !seen || result.Outcome != wattline.OutcomeDone || state.Time.After(result.Time.Time) {
		return state, false
	}
	if state.Availability != wattline.AvailabilityUp {
		state.Availability, state.Since, state.Error = wattline.AvailabilityUp, result.Time, nil
	}
	state.Time, state.Relay, state.LED = result.Time, result.Relay, result.LED
	c.states[result.Device] = state
	return state, true
}

// carryOut switches and reads back. Its errors are *wattline.Error.
func (c *Controller) carryOut(ctx context.Context, command wattline.Command) (wattline.Result, error) {
	c.mu.Lock()
	device, known := c.devices[command.Device]
	state, seen := c.states[command.Device]
	c.mu.Unlock()
	if refusal := refuse(command, device, known, state, seen); refusal != nil {
		return wattline.Result{}, refusal
	}
	target, err := kasa.ParseAddress(device.Address)
	if err != nil {
		return wattline.Result{}, wattline.Errorf(wattline.CodeUnsupported, "device %s has an unusable address", device.ID)
	}
	sendErr := c.send(ctx, target, command.Action)
	if sendErr != nil && !mayHaveActed(sendErr) {
		return wattline.Result{}, plugError(sendErr)
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

// refuse says why a command is not even tried.
func refuse(command wattline.Command, device wattline.Device, known bool, state wattline.State, seen bool) *wattline.Error {
	switch {
	case !known:
		return wattline.Errorf(wattline.CodeNotFound, "this controller has no device %.80q", command.Device)
	case device.Protected && command.Action.Switches():
		return wattline.Errorf(wattline.CodeProtected, "device %s is protected and may not be switched", device.ID)
	case seen && len(state.Capabilities) > 0 && !state.Can(command.Action.Needs()):
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
		if attempt > 0 && !pause(ctx, settlePause) {
			return m, err
		}
		m, err = c.options.Plugs.ReadBack(ctx, target)
		if err == nil && shows(m, action) {
			return m, nil
		}
	}
	return m, err
}

func pause(ctx context.Context, length time.Duration) bool {
	timer := time.NewTimer(length)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
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
		return plugError(sendErr)
	case readErr == nil:
		return wattline.Errorf(wattline.CodeDeviceError, "the plug accepted the command but does not show it")
	}
	return wattline.Errorf(wattline.CodeTimeout, "the command was sent, but the plug could not be read back: whether it acted is unknown")
}

// mayHaveActed tells whether a command had gone out before it failed.
func mayHaveActed(err error) bool {
	var known *kasa.Error
	return errors.As(err, &known) && known.Sent && known.Class != kasa.ClassDevice
}

func plugError(err error) error {
	if known, ok := errors.AsType[*kasa.Error](err); ok {
		return wattline.Errorf(known.Class.Code(), "%s", known.Message)
	}
	return err
}
