package chaos_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"strings"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/e2e/chaos/truth"
	"github.com/wattline/wattline/internal/pause"
)

// asker switches by bare MQTT. Its clock is now and then a second off, and some of
// its commands are past their deadline when they are sent.
const asker = "asker"

const (
	askPause = 900 * time.Millisecond
	// listens is for how long a reply is waited for after the deadline.
	listens = 2 * time.Second
)

// switchByMQTT gives a command, again at a third and at two thirds of its time, as
// the documentation demands.
func (c client) switchByMQTT(ctx context.Context, m *mqtt) {
	device, on := c.anyDevice(), c.rng.IntN(2) == 0
	ahead := time.Duration(c.rng.IntN(3)-1) * time.Second
	length := time.Duration(500+c.rng.IntN(8000)) * time.Millisecond
	id := strings.ToLower(rand.Text())
	asked := time.Now()
	body, err := json.Marshal(wattline.Command{Device: device, Action: wattline.Action(wattline.RelayOf(on))})
	if err != nil {
		c.record.trouble(err.Error())
		return
	}
	envelope := wattline.Envelope{
		V: wattline.EnvelopeVersion, ID: id, ReplyTo: root + "reply/" + asker + "/" + id,
		IssuedAt: wattline.At(asked.Add(ahead)), Deadline: wattline.At(asked.Add(ahead + length)), Actor: "mqtt:" + id, Body: body,
	}
	command := truth.Command{ID: id, Client: envelope.Actor, Device: device, On: on, Asked: asked, Deadline: envelope.Deadline.Time}
	replies, cancel := m.expect(id)
	defer cancel()
	var reply *wattline.Reply
	for wait := range 3 {
		_ = m.publish(ctx, "command/hq/"+device, envelope) // it may have gone out
		until := asked.Add(length * time.Duration(wait+1) / 3)
		if wait == 2 {
			until = envelope.Deadline.Add(listens)
		}
		if reply = await(replies, until); reply != nil {
			break
		}
	}
	command.Told = time.Now()
	command.Outcome, command.Code = wattline.OutcomeTimeout, wattline.CodeTimeout
	if reply != nil {
		c.replied(&command, *reply)
	}
	c.record.command(command)
}

func await(replies <-chan wattline.Reply, until time.Time) *wattline.Reply {
	timer := time.NewTimer(time.Until(until))
	defer timer.Stop()
	select {
	case reply := <-replies:
		return &reply
	case <-timer.C:
		return nil
	}
}

func (c client) replied(command *truth.Command, reply wattline.Reply) {
	if reply.Error != nil {
		command.Code = reply.Error.Code
		command.Outcome = wattline.OutcomeOf(reply.Error.Code)
		return
	}
	c.told(command, reply.Body)
}

// pretend announces an instance whose clock is off, which others must notice.
func (m *mqtt) pretend(ctx context.Context) {
	const off = 1500 * time.Millisecond
	since := wattline.At(time.Now())
	for ; ctx.Err() == nil; _ = pause.For(ctx, 4*time.Second) {
		_ = m.publish(ctx, "presence/"+truth.SkewedInstance, wattline.Presence{
			Instance: truth.SkewedInstance, Status: wattline.PresenceOnline, Roles: []string{"onlooker"},
			Since: since, Clock: wattline.At(time.Now().Add(off)),
		}, "-q", "1")
	}
}
