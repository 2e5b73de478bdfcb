package wattline

// Action is what a command asks of a device. Actions are absolute: there is no
// toggle, so a repeat does no harm.
type Action string

// The actions.
const (
	ActionOn     Action = "on"
	ActionOff    Action = "off"
	ActionLEDOn  Action = "led_on"
	ActionLEDOff Action = "led_off"
)

// Valid tells whether it is one of the actions.
func (a Action) Valid() bool {
	switch a {
	case ActionOn, ActionOff, ActionLEDOn, ActionLEDOff:
		return true
	}
	return false
}

// Switches tells whether the action moves the relay, which protection forbids.
func (a Action) Switches() bool { return a == ActionOn || a == ActionOff }

// Needs is the capability that the action asks of a device.
func (a Action) Needs() Capability {
	if a.Switches() {
		return CapabilityRelay
	}
	return CapabilityLED
}

// Command is the body of an envelope on …/command/{site}/{device}.
type Command struct {
	Device string `json:"device"`
	Action Action `json:"action"`
	// Confirm has the controller ask the gateway that sent it, at the turn of a command
	// that had to wait, whether it still holds; see VerbConfirm.
	Confirm bool `json:"confirm,omitempty"`
}

// ConfirmQuery asks a gateway whether a command that it sent still holds.
type ConfirmQuery struct {
	ID string `json:"id"`
}

// Validate reports every fault as a CodeInvalid error. A missing or unknown
// action is a fault, never "off".
func (c Command) Validate() error {
	var found Faults
	found.Check("device", CheckID(c.Device))
	if !c.Action.Valid() {
		found.Add("action", "must be on, off, led_on or led_off")
	}
	return found.Err()
}

// Outcome is what became of a command at one device.
type Outcome string

// The outcomes.
const (
	// OutcomeDone: carried out and read back from the plug.
	OutcomeDone Outcome = "done"
	// OutcomeUnreachable: the plug did not answer.
	OutcomeUnreachable Outcome = "unreachable"
	// OutcomeRefused: not attempted, for the reason that the code gives.
	OutcomeRefused Outcome = "refused"
	// OutcomeFailed: the plug answered with an error.
	OutcomeFailed Outcome = "failed"
	// OutcomeNotSent: nobody could be given the command; nothing happened.
	OutcomeNotSent Outcome = "not_sent"
	// OutcomeTimeout: sent, and no answer came: it may have been carried out.
	OutcomeTimeout Outcome = "timeout"
	// OutcomePending: given, and nothing is known yet.
	OutcomePending Outcome = "pending"
	// OutcomeWouldSend: of a dry run: it would have been sent.
	OutcomeWouldSend Outcome = "would_send"
)

// Final tells whether it is what became of a command that was given.
func (o Outcome) Final() bool {
	switch o {
	case OutcomeDone, OutcomeUnreachable, OutcomeRefused, OutcomeFailed, OutcomeNotSent, OutcomeTimeout:
		return true
	}
	return false
}

// OutcomeOf is the outcome that an error code stands for; "" is done.
func OutcomeOf(code Code) Outcome {
	switch code {
	case "":
		return OutcomeDone
	case CodeDeviceUnreachable:
		return OutcomeUnreachable
	case CodeDeviceError:
		return OutcomeFailed
	case CodeNoResponder, CodeBrokerDown, CodeBusy:
		return OutcomeNotSent
	case CodeTimeout, CodeInternal:
		return OutcomeTimeout
	}
	return OutcomeRefused
}

// Result is what became of a command at one device: the body of a controller's
// reply, an item of an API answer, and the payload of …/event/command.
type Result struct {
	// ID is the command's id, under which its outcome is in the log and in the
	// event.
	ID      string  `json:"id,omitempty"`
	Device  string  `json:"device"`
	Action  Action  `json:"action"`
	Outcome Outcome `json:"outcome"`
	// Code and Message say why the outcome is not done.
	Code    Code   `json:"code,omitempty"`
	Message string `json:"message,omitempty"`
	// Relay and LED are what the plug said when it was read back.
	Relay Relay `json:"relay,omitempty"`
	LED   Relay `json:"led,omitempty"`
	// Time is the instant of the outcome.
	Time Time `json:"time"`
	// Actor is who asked.
	Actor string `json:"actor,omitempty"`
}

// Validate reports every fault of a result as …/event/command has it.
func (r Result) Validate() error {
	var found Faults
	found.Check("id", CheckID(r.ID))
	found.Check("device", CheckID(r.Device))
	if !r.Action.Valid() {
		found.Add("action", "must be on, off, led_on or led_off")
	}
	if !r.Outcome.Final() {
		found.Add("outcome", "must be done, unreachable, refused, failed, not_sent or timeout")
	}
	if r.Time.IsZero() {
		found.Add("time", "is missing")
	}
	if len(r.Actor) > maxActor || len(r.Code) > maxSlug || len(r.Message) > maxMessage {
		found.Add("message", "must be at most %d bytes, actor %d, code %d", maxMessage, maxActor, maxSlug)
	}
	return found.Err()
}

// maxMessage bounds the message of a result.
const maxMessage = 4096

// CommandRecord is a command that was given and what became of it, as it is kept.
type CommandRecord struct {
	Result
	// AskedAt is when it was given.
	AskedAt Time `json:"asked_at"`
	// Late says that the outcome became known after its asker had been told that it
	// is unknown.
	Late bool `json:"late,omitempty"`
}

// FailedResult is the result of a command that ended in an error.
func FailedResult(command Command, err error, at Time) Result {
	known := AsError(err)
	return Result{
		Device: command.Device, Action: command.Action, Time: at,
		Outcome: OutcomeOf(known.Code), Code: known.Code, Message: known.Message,
	}
}
