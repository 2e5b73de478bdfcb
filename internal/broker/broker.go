// Package broker runs an MQTT broker inside the process: the NATS server with its
// MQTT listener, its data on disk. It is the only importer of that server.
//
// What it is, and is not, beside the MQTT 3.1.1 standard:
//   - A client is served only once all retained messages can be found.
//   - Acknowledged messages survive a killed process; a power cut may cost the
//     last ten seconds. Nothing should be built on either (see syncInterval).
//   - A message of QoS 1 that is not acknowledged comes again after AckWait, on
//     the same connection as well as after a reconnect: behind what was published
//     after it, if its client left at that moment.
//   - What is kept is bounded (see limits.go): messages for absent sessions go
//     after a day or when newer ones need the room; a retained message over the
//     bound is logged and not kept, though acknowledged.
//   - Topics and filters may not contain white space or DEL: the client is
//     disconnected. Dots and empty levels are served; a level that is * or > alone
//     is not retained. A client id with white space, *, > or NUL is refused.
//   - A new retained topic is found by subscribers a moment after the publisher's
//     acknowledgement; a new value of a known topic at once.
//   - A packet beyond MaxPayloadBytes, or a bad login, ends the connection without
//     a code. A client that is replaced by one of the same id leaves no will, nor
//     does one whose broker ends. Publishing to a topic below $JS, $SYS, $NRG or
//     $MQTT is acknowledged and dropped.
//   - A client that asks for no keep-alive and vanishes without a word stays
//     connected until something is sent to it.
//   - Shared subscriptions ($share) are not offered.
//   - In a cluster that lost a member, clients of the others may be handed stale
//     retained messages, a retained message may be acknowledged and yet not be
//     kept until the others have agreed on who leads (about ten seconds), and the
//     wills of the lost member's clients are not published.
package broker

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/wattline/wattline/internal/datalock"
	"github.com/wattline/wattline/internal/tlsfiles"
)

// Broker is a running broker. Its methods may be called from any goroutine.
type Broker struct {
	server  *server.Server
	gate    *gate
	lock    io.Closer
	log     *slog.Logger
	address string
	tls     *tlsfiles.Certificates
	// replicas is on how many members of a cluster messages are kept.
	replicas int

	// failed is closed when the server has become useless, for failure.
	failed   chan struct{}
	failure  error
	failOnce sync.Once

	// stop ends what runs beside the server, which running counts.
	stop    context.CancelFunc
	running sync.WaitGroup

	closeOnce sync.Once
	closeErr  error
}

// Start starts a broker and returns once it serves clients: at once with an empty
// folder, later the more retained messages it has to load. The context is for the
// start alone; Close ends the broker. Errors name the option, the address in use
// or the folder in use.
func Start(ctx context.Context, options Options) (*Broker, error) {
	o := options.withDefaults()
	if err := o.validate(); err != nil {
		return nil, err
	}
	guests, err := readGuests(o)
	if err != nil {
		return nil, fmt.Errorf("broker credentials in %s: %w", o.Credentials, err)
	}
	lock, err := datalock.Take(o.DataDir, "broker")
	if err != nil {
		return nil, err
	}
	b := &Broker{gate: newGate(o, guests), lock: lock, log: o.Log, tls: o.TLS, failed: make(chan struct{}), stop: func() {}}
	b.gate.clientID = b.clientID
	if err := b.start(ctx, o); err != nil {
		return nil, errors.Join(explain(err), b.Close())
	}
	return b, nil
}

func (b *Broker) start(ctx context.Context, o Options) error {
	opts := serverOptions(o, b.gate)
	srv, err := server.NewServer(opts)
	if err != nil {
		return fmt.Errorf("configure the broker: %w", err)
	}
	b.server, b.replicas = srv, opts.MQTT.StreamReplicas
	log := newServerLog(o.Log, b.fail)
	srv.SetLoggerV2(log, log.debugging(), false, false)
	began := time.Now()
	// Start returns when the data are read and the listener is there, or has
	// called fail.
	srv.Start()
	if err := b.failedWith(); err != nil {
		return err
	}
	host, _, _ := splitAddress(o.Listen)
	b.address = net.JoinHostPort(reachableHost(host), strconv.Itoa(opts.MQTT.Port))
	ctx, cancel := b.untilFailed(ctx, o)
	defer cancel()
	if err := b.warm(ctx); err != nil {
		return cmp.Or(b.failedWith(), err)
	}
	b.gate.open()
	b.log.Info("broker ready", "url", b.URL(), "took", time.Since(began).Round(time.Millisecond))
	if !isLoopback(host) && o.TLS == nil {
		b.log.Warn("the broker can be reached by other machines without TLS: secrets and readings can be overheard; "+
			"set broker_tls, or let only a trusted network reach it", "listen", o.Listen)
	}
	if o.Credentials != "" {
		following, stop := context.WithCancel(context.WithoutCancel(ctx))
		b.stop = stop
		b.running.Go(func() { b.followCredentials(following, o.Credentials) })
	}
	return nil
}

// Login is the user and the password by which the process that runs the broker
// connects to it.
func (b *Broker) Login() (user, password string) { return b.gate.self.name, b.gate.self.secret }

// ClientTLS is for the process that runs the broker; nil if there is no TLS.
func (b *Broker) ClientTLS() *tls.Config {
	if b.tls == nil {
		return nil
	}
	return b.tls.Self()
}

// untilFailed bounds the start: by the time for a broker that stands alone, and
// by the server's failure.
func (b *Broker) untilFailed(ctx context.Context, o Options) (context.Context, context.CancelFunc) {
	timeout := func() {}
	if !o.Cluster.enabled() {
		ctx, timeout = context.WithTimeout(ctx, o.StartTimeout)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		select {
		case <-b.failed:
			cancel(b.failure)
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(nil); timeout() }
}

// URL is the address at which this process reaches the broker: mqtt://host:port, or
// mqtts://host:port with TLS.
func (b *Broker) URL() string {
	if b.tls != nil {
		return "mqtts://" + b.address
	}
	return "mqtt://" + b.address
}

// Wait returns nil when the context ends, or the reason why the broker has
// stopped serving on its own before that. A broker that stands alone and whose
// disk once refused to write has: its server does not write again even if the disk
// does, and keeps its clients waiting meanwhile. It has to be started anew.
func (b *Broker) Wait(ctx context.Context) error {
	look := time.NewTicker(storageLook)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-b.failed:
			return fmt.Errorf("broker: %w", b.failure)
		case <-look.C:
			if err := b.storageError(); err != nil {
				b.fail(err)
			}
		}
	}
}

// storageLook lies between two looks at whether the broker can still write.
const storageLook = 2 * time.Second

// storageError is why the broker cannot write any more. The members of a cluster
// have their own ways out of that.
func (b *Broker) storageError() error {
	if b.replicas > 1 || b.server.JetStreamIsClustered() {
		return nil
	}
	health := b.server.Healthz(&server.HealthzOptions{Details: true})
	for _, found := range health.Errors {
		if found.Type == server.HealthzErrorStream {
			return fmt.Errorf("it cannot store any more (is the disk full?): %s", found.Error)
		}
	}
	return nil
}

// Healthy returns nil while the broker serves and stores, otherwise why it does not.
func (b *Broker) Healthy() error {
	switch err := b.failedWith(); {
	case err != nil:
		return fmt.Errorf("broker: %w", err)
	case !b.server.Running():
		return errors.New("broker: closed")
	case !b.server.JetStreamEnabled():
		return errors.New("broker: it cannot store any more (is the disk full?)")
	}
	if err := b.storageError(); err != nil {
		return fmt.Errorf("broker: %w", err)
	}
	return nil
}

// Close disconnects the clients, writes everything to disk and returns when the
// broker has ended and its folder can be used again. It may be called twice.
func (b *Broker) Close() error {
	b.closeOnce.Do(func() {
		b.gate.close()
		b.stop()
		b.running.Wait()
		if b.server != nil {
			b.server.Shutdown()
			b.server.WaitForShutdown()
		}
		b.closeErr = b.lock.Close()
	})
	return b.closeErr
}

// fail keeps the first reason for which the server has become useless.
func (b *Broker) fail(err error) {
	b.failOnce.Do(func() {
		b.failure = explain(err)
		close(b.failed)
		b.log.Error("broker failed", "error", err)
	})
}

func (b *Broker) failedWith() error {
	select {
	case <-b.failed:
		return b.failure
	default:
		return nil
	}
}

// explain says of an address in use what to do about it.
func explain(err error) error {
	var op *net.OpError
	if !errors.Is(err, syscall.EADDRINUSE) || !errors.As(err, &op) || op.Addr == nil {
		return err
	}
	return fmt.Errorf("listen on %s: the address is in use; stop the program that has it "+
		"(another broker?) or choose another address", op.Addr)
}
