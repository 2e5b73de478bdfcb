package kasa

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"
)

// turn is one caller's time with a plug.
type turn struct {
	client  *Client
	plug    *plug
	target  Target
	scratch *scratch
}

// ask exchanges the request in the scratch for a decoded answer. After a failure
// the plug must be asked what it is again: a plug without a meter that has taken
// the place of one with would hang on the question for its values.
func (t *turn) ask(ctx context.Context) (at time.Time, err error) {
	return t.askInto(ctx, t.scratch.reply.decode)
}

// askInto is ask with the answer decoded elsewhere.
func (t *turn) askInto(ctx context.Context, decode func(answer []byte) error) (at time.Time, err error) {
	at, failed := t.client.exchange(ctx, t.plug, t.scratch)
	if failed != nil {
		t.plug.info = nil
		return at, failed
	}
	if err := decode(t.scratch.answer); err != nil {
		t.plug.info = nil
		t.client.drop(t.plug)
		return at, sent(err, true)
	}
	return at, nil
}

// sent notes of a failure whether the request that counts had gone out.
func sent(err error, out bool) error {
	if known, ok := errors.AsType[*Error](err); ok {
		known.Sent = out
	}
	return err
}

// askSysinfo sends a request that holds a get_sysinfo and learns from its answer.
func (t *turn) askSysinfo(ctx context.Context) (at time.Time, err error) {
	at, err = t.ask(ctx)
	if err != nil {
		return at, err
	}
	reply := &t.scratch.reply
	if err := reply.failure(reply.system, reply.sysinfo.status, "system.get_sysinfo"); err != nil {
		return at, err
	}
	t.learn(&reply.sysinfo)
	return at, nil
}

// identify asks for the sysinfo alone.
func (t *turn) identify(ctx context.Context) (at time.Time, err error) {
	t.scratch.request = append(t.scratch.request[:0], sysinfoRequest...)
	return t.askSysinfo(ctx)
}

// learn renews what is known of the plug where it has changed.
func (t *turn) learn(sysinfo *sysinfo) {
	t.plug.met = t.plug.conn // nil if it was dropped after the answer
	t.scratch.identity = sysinfo.appendIdentity(t.scratch.identity[:0])
	if t.plug.info != nil && bytes.Equal(t.plug.identity, t.scratch.identity) {
		return
	}
	t.plug.info = sysinfo.info()
	t.plug.identity = append(t.plug.identity[:0], t.scratch.identity...)
}

func (t *turn) read(ctx context.Context) (Measurement, error) {
	if t.plug.info == nil {
		at, err := t.identify(ctx)
		if err != nil {
			return Measurement{}, err
		}
		if !t.plug.info.HasMeter {
			return t.measure(at, false)
		}
	}
	outlet, err := t.plug.info.outlet(t.target.Outlet)
	if err != nil {
		return Measurement{}, err
	}
	metered := t.plug.info.HasMeter
	t.scratch.request = appendReadRequest(t.scratch.request[:0], outlet.id, metered)
	at, err := t.askSysinfo(ctx)
	if err != nil {
		return Measurement{}, err
	}
	return t.measure(at, metered)
}

// measure makes a measurement of the answer in the scratch.
func (t *turn) measure(at time.Time, metered bool) (Measurement, error) {
	if err := t.recognize(); err != nil {
		return Measurement{}, err
	}
	info, reply := t.plug.info, &t.scratch.reply
	outlet, err := info.outlet(t.target.Outlet)
	if err != nil {
		return Measurement{}, err
	}
	m, err := reply.sysinfo.measure(outlet.index)
	if err != nil {
		return Measurement{}, err
	}
	m.At, m.Info = at, info
	if metered {
		m.Meter, m.MeterErr = t.meter()
	}
	return m, nil
}

func (t *turn) meter() (*Meter, error) {
	reply := &t.scratch.reply
	err := reply.failure(reply.emeter, reply.realtime.status, "emeter.get_realtime")
	if err != nil {
		return nil, addressed(err, t.target)
	}
	meter, err := reply.realtime.meter()
	if err != nil {
		return nil, addressed(err, t.target)
	}
	return meter, nil
}

// meet makes sure, before a command, that it is known what the plug is; and, where
// it is known which is meant, that this one has the address still. On the connection
// on which a plug was met there is no other.
func (t *turn) meet(ctx context.Context) error {
	if t.plug.info != nil && (t.target.MAC == "" || t.isMet()) {
		return t.recognize()
	}
	if _, err := t.identify(ctx); err != nil {
		return err
	}
	return t.recognize()
}

// recognize is an error where another plug answers than the one that is meant. One
// that does not tell its MAC is taken for it.
func (t *turn) recognize() error {
	want, got := t.target.MAC, t.plug.info.MAC
	if want == "" || got == "" || got == want {
		return nil
	}
	return &Error{
		Class:   ClassOtherPlug,
		Message: fmt.Sprintf("another plug (MAC %s) answers at this address, not the device's own (%s), which was not reached", got, want),
	}
}

func (t *turn) isMet() bool { return t.plug.conn != nil && t.plug.conn == t.plug.met }

// command sends a request to the plug that is meant. compose writes the request, by
// what is known of the plug then.
func (t *turn) command(ctx context.Context, compose func() error) error {
	if err := t.meet(ctx); err != nil {
		return sent(err, false) // the question went out, the command did not
	}
	if err := compose(); err != nil {
		return err
	}
	err := t.askMet(ctx)
	if !errors.Is(err, errUnbound) {
		return err
	}
	known, ok := errors.AsType[*Error](err)
	mayHaveActed := ok && known.Sent
	if err := t.meet(ctx); err != nil {
		return sent(err, mayHaveActed)
	}
	if err := compose(); err != nil {
		return sent(err, mayHaveActed)
	}
	return t.askMet(ctx)
}

// askMet is ask over no other connection than that on which the plug that is meant
// was met, if there is one.
func (t *turn) askMet(ctx context.Context) error {
	t.plug.bound = t.target.MAC != "" && t.isMet()
	defer func() { t.plug.bound = false }()
	_, err := t.ask(ctx)
	return err
}

func (t *turn) setRelay(ctx context.Context, on bool) error {
	err := t.command(ctx, func() error {
		outlet, err := t.plug.info.outlet(t.target.Outlet)
		if err == nil {
			t.scratch.request = appendRelayRequest(t.scratch.request[:0], outlet.id, on)
		}
		return err
	})
	if err != nil {
		return err
	}
	reply := &t.scratch.reply
	return sent(reply.failure(reply.system, reply.relaySet, "system.set_relay_state"), true)
}

func (t *turn) setLED(ctx context.Context, on bool) error {
	err := t.command(ctx, func() error {
		if info := t.plug.info; !info.HasLED {
			return unsupported("%s has no light that can be switched", info.describe())
		}
		t.scratch.request = appendLEDRequest(t.scratch.request[:0], on)
		return nil
	})
	if err != nil {
		return err
	}
	reply := &t.scratch.reply
	return sent(reply.failure(reply.system, reply.ledSet, "system.set_led_off"), true)
}
