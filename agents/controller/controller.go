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
	// Those that wait for their turn to be switched on hold up nobody else.
	commandWorkers = 64 + maxWaiting
	commandQueue   = 4096
	stateQueue     = 16_384
	// maxStates bounds the states of devices that are not known, or not yet.
	maxStates = 16_384
)

// maxClockAhead is how far ahead of ours a state's time may be and still keep
// those with older times out.
const maxClockAhead = time.Minute

// Plugs switches plugs and reads them back, ahead of all polls; kasa.Client does.
// Where the target has a MAC, another plug at its address is left alone.
type Plugs interface {
	SetRelay(ctx context.Context, target kasa.Target, on bool) error
	SetLED(ctx context.Context, target kasa.Target, on bool) error
	ReadBack(ctx context.Context, target kasa.Target) (kasa.Measurement, error)
}

// Bus is what a controller needs of bus.Bus.
type Bus = agents.Bus

// Options make a Controller.
type Options struct {
	Bus   Bus
	Plugs Plugs
	// Site is the network whose devices are switched.
	Site string
	// SwitchOnPerS is how many devices are switched on in a second at most; 0 is
	// any number. To switch off is not paced.
	SwitchOnPerS float64
	Log          *slog.Logger
	Metrics      *telemetry.Registry
}

// Controller switches the devices of a site. Make it with New.
type Controller struct {
	options   Options
	log       *slog.Logger
	pace      *pace
	results   *telemetry.CounterVec
	badStates telemetry.Counter

	mu      sync.Mutex
	devices map[string]wattline.Device
	states  map[string]wattline.State
	// protected is where those of the devices are that are protected; see sharedWith.
	protected map[string]wattline.Address
}

// New makes a controller; Run starts it.
func New(options Options) *Controller {
	return &Controller{
		options: options, log: options.Log.With("role", wattline.RoleController), pace: newPace(options.SwitchOnPerS),
		results:   options.Metrics.CounterVec("wattline_controller_commands_total", "Commands, by their outcome.", "outcome"),
		badStates: options.Metrics.Counter("wattline_controller_bad_states_total", "States of devices that could not be read."),
		devices:   map[string]wattline.Device{}, states: map[string]wattline.State{}, protected: map[string]wattline.Address{},
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
		delete(c.protected, change.Device.ID)
		return
	}
	c.devices[change.Device.ID] = change.Device
	c.guard(change.Device)
}

// remember keeps the newest state of our devices, to which a command's effect
// is added. After a start it may come ahead of its device.
func (c *Controller) remember(_ context.Context, message bus.Message) {
	if len(message.Payload) == 0 {
		return
	}
	state, err := agents.ReadState(message)
	if err != nil {
		c.badStates.Inc()
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	had, held := c.states[state.Device]
	// One that claims to come from the future must not stay for ever.
	newer := !state.Time.Before(had.Time.Time) || had.Time.After(time.Now().Add(maxClockAhead))
	_, ours := c.devices[state.Device]
	if room := ours || held || len(c.states) < maxStates; room && newer {
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
	result, err := c.carryOut(ctx, request, command)
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
	log := c.log.With("device", result.Device, "action", result.Action, "outcome", result.Outcome, "actor", result.Actor, "id", result.ID)
	if result.Code != "" {
		log = log.With("code", result.Code, "reason", result.Message)
	}
	log.Info("command")
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
