package api

import (
	"context"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/bus"
	"github.com/wattline/wattline/internal/commandlog"
)

// batch is an order to many devices: the commands of one request.
type batch struct {
	order
	id              string
	asked, deadline time.Time
	commands        []commandlog.Command
}

// newBatch makes a command for each device.
func newBatch(devices []string, o order) batch {
	b := batch{order: o, id: bus.NewID(), asked: time.Now(), commands: make([]commandlog.Command, len(devices))}
	b.deadline = b.asked.Add(o.timeout)
	for i, device := range devices {
		b.commands[i] = commandlog.Command{ID: bus.NewID(), Device: device, Action: o.action}
	}
	return b
}

// noted is the batch as it is kept.
func (b batch) noted() commandlog.Batch {
	return commandlog.Batch{ID: b.id, Actor: b.by.actor(), Asked: b.asked, Deadline: b.deadline, Commands: b.commands}
}

// toDevices is the part of a batch that is to devices which are there. That somebody
// named others is in the answer and in the audit; kept with the commands it would
// crowd them out.
func (b batch) toDevices() batch {
	b.commands = slices.DeleteFunc(slices.Clone(b.commands), func(command commandlog.Command) bool {
		_, known := b.view.find(command.Device)
		return !known
	})
	return b
}

// commandAll gives each device its command, some at a time, and returns one result
// for each in the same order.
func (g *Gateway) commandAll(ctx context.Context, b batch) []wattline.Result {
	ctx, cancel := context.WithDeadline(ctx, b.deadline)
	defer cancel()
	results := make([]wattline.Result, len(b.commands))
	var group errgroup.Group
	group.SetLimit(g.options.Limits.CommandsInFlight)
	for i, command := range b.commands {
		group.Go(func() error {
			result, err := g.tryCommand(ctx, command, b)
			if err != nil {
				result = failedResult(command, err)
			}
			g.noteEnd(command.ID, b.order, result)
			results[i] = result
			return nil
		})
	}
	_ = group.Wait() // none returns an error: each has its own result
	return results
}

func (g *Gateway) tryCommand(ctx context.Context, command commandlog.Command, b batch) (wattline.Result, error) {
	snap, err := b.find(command.Device)
	o := b.order
	if o.timeout = time.Until(b.deadline); err == nil && (o.timeout <= 0 || ctx.Err() != nil) {
		err = wattline.Errorf(wattline.CodeBusy, "the time given was over before this device's turn")
	}
	if err != nil {
		g.ended(ctx, b.by, b.entry(command.Device), err)
		return wattline.Result{}, err
	}
	o.id = command.ID
	return g.command(ctx, snap, o)
}

// noteEnd keeps what became of a command.
func (g *Gateway) noteEnd(id string, o order, result wattline.Result) {
	result.Actor = o.by.actor()
	g.options.Commands.End(id, result)
}

// failedResult is the result of a command that ended in an error. It has an id if
// the command was sent.
func failedResult(command commandlog.Command, err error) wattline.Result {
	problem := problemOf(err, "")
	result := wattline.FailedResult(wattline.Command{Device: command.Device, Action: command.Action},
		&wattline.Error{Code: problem.Code, Message: problem.Detail}, wattline.At(time.Now()))
	result.ID = problem.CommandID
	return result
}

// rehearse says for each device what would become of a command as far as can be
// told beforehand, and sends nothing.
func (g *Gateway) rehearse(devices []string, o order) []wattline.Result {
	results := make([]wattline.Result, len(devices))
	for i, device := range devices {
		command := commandlog.Command{Device: device, Action: o.action}
		if err := g.wouldSend(device, o); err != nil {
			results[i] = failedResult(command, err)
			continue
		}
		results[i] = wattline.Result{Device: device, Action: o.action, Outcome: wattline.OutcomeWouldSend, Time: wattline.At(time.Now())}
	}
	return results
}

func (g *Gateway) wouldSend(device string, o order) error {
	snap, known := o.view.find(device)
	if !known {
		return o.view.missing(device)
	}
	if err := o.permitted(snap); err != nil {
		return err
	}
	if !g.bus.Connected() {
		return wattline.Errorf(wattline.CodeBrokerDown, "there is no connection to the broker")
	}
	if _, alive := g.bus.Pick(wattline.RoleController, snap.device.Site); !alive {
		return wattline.Errorf(wattline.CodeNoResponder, "no controller is alive for the site %q", snap.device.Site)
	}
	return nil
}
