package bus

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/eclipse/paho.mqtt.golang/packets"

	"github.com/wattline/wattline"
)

const (
	connectTimeout = 5 * time.Second
	writeTimeout   = 5 * time.Second
	keepAlive      = 15 * time.Second
	pingTimeout    = 5 * time.Second
	// ackTimeout is how long the broker may take to acknowledge before the
	// connection is taken to be dead.
	ackTimeout = 30 * time.Second
	// goodbye is how long the client waits for its own goroutines.
	goodbye = 2 * time.Second
)

var (
	errConnectionLost = errors.New("the connection was lost")
	errNoAck          = errors.New("the broker acknowledges nothing")
	errNoAnswer       = errors.New("the broker does not answer")
)

// session is one connection to a broker, from CONNECT to its loss, with an MQTT
// client of its own that never reconnects and keeps nothing: what belongs to
// one connection cannot leak into the next.
type session struct {
	broker  broker
	client  mqtt.Client
	conn    *frames
	helpers *sync.WaitGroup // the goroutines of all sessions

	lost   chan struct{} // closed when the connection has gone; reason is set before
	reason error
	once   sync.Once

	ready   atomic.Bool
	urgent  *queue[outgoing] // QoS 0
	steady  *queue[outgoing] // QoS 1
	unacked chan unacked     // in the order of sending
	wake    chan struct{}    // there are retained topics to send
	granted map[wattline.Topic]bool
}

// connect makes one attempt at one broker.
func (b *Bus) connect(ctx context.Context, to broker, helpers *sync.WaitGroup) (*session, error) {
	s := &session{
		broker:  to,
		helpers: helpers,
		lost:    make(chan struct{}),
		urgent:  newQueue[outgoing](b.options.Outbound),
		steady:  newQueue[outgoing](b.options.Outbound),
		unacked: make(chan unacked, b.options.InFlight),
		wake:    make(chan struct{}, 1),
		granted: make(map[wattline.Topic]bool),
	}
	will, err := b.presencePayload(wattline.PresenceOffline)
	if err != nil {
		return nil, err
	}
	conn, err := b.dial(ctx, to)
	if err != nil {
		return nil, err
	}
	const topicAndHeader = 64<<10 + 16
	s.conn = newFrames(conn, b.options.MaxMessage+topicAndHeader, s.end, b.metrics.oversized.Inc)
	// The client's handshake knows no context.
	stop := context.AfterFunc(ctx, func() { s.drop(ctx.Err()) })
	defer stop()
	s.client = mqtt.NewClient(b.clientOptions(s, will))
	token := s.client.Connect()
	<-token.Done() // bounded by connectTimeout
	if err := token.Error(); err != nil {
		_ = conn.Close() // it is of no use any more
		return nil, err
	}
	return s, nil
}

func (b *Bus) clientOptions(s *session, will []byte) *mqtt.ClientOptions {
	o := mqtt.NewClientOptions()
	o.Servers = []*url.URL{{Scheme: "tcp", Host: s.broker.address}} // dialled by us
	o.SetCustomOpenConnectionFn(func(*url.URL, mqtt.ClientOptions) (net.Conn, error) { return s.conn, nil })
	o.SetClientID(b.options.Instance)
	o.SetUsername(b.options.Username)
	if s.broker.user != "" {
		o.SetUsername(s.broker.user)
	}
	o.SetPassword(b.options.Password)
	o.SetProtocolVersion(4)
	o.SetCleanSession(true)
	o.SetAutoReconnect(false)
	o.SetConnectRetry(false)
	o.SetMaxReconnectInterval(0)
	o.SetConnectTimeout(connectTimeout)
	o.SetWriteTimeout(writeTimeout)
	o.SetKeepAlive(keepAlive)
	o.SetPingTimeout(pingTimeout)
	o.SetOrderMatters(true)
	o.SetResumeSubs(false)
	o.SetStore(noStore{})
	o.SetBinaryWill(b.presenceTopic, will, deliveryOf(wattline.TopicPresence).qos, true)
	o.SetDefaultPublishHandler(b.receive)
	o.SetConnectionLostHandler(func(_ mqtt.Client, err error) { s.end(err) })
	return o
}

// dial opens the connection itself: the client's own dialling would take a proxy
// from the environment and has no context.
func (b *Bus) dial(ctx context.Context, to broker) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	var dialer interface {
		DialContext(ctx context.Context, network, address string) (net.Conn, error)
	} = &net.Dialer{}
	if to.secure {
		config := b.options.TLS.Clone()
		if config.ServerName == "" {
			config.ServerName = to.host
		}
		dialer = &tls.Dialer{Config: config}
	}
	return dialer.DialContext(ctx, "tcp", to.address)
}

// end notes the loss of the connection, once.
func (s *session) end(reason error) {
	s.once.Do(func() {
		s.reason = reason
		close(s.lost)
	})
}

// drop gives the connection up.
func (s *session) drop(reason error) {
	s.end(reason)
	_ = s.conn.Close() // only to wake whoever reads and writes
}

// disconnect says good-bye to the broker if it can, and ends the client.
func (s *session) disconnect() { s.client.Disconnect(uint(goodbye / time.Millisecond)) }

func (s *session) isLost() bool {
	select {
	case <-s.lost:
		return true
	default:
		return false
	}
}

// send queues a message by its quality of service; it never blocks.
func (s *session) send(message outgoing) bool {
	if message.qos == 0 {
		return s.urgent.push(message)
	}
	return s.steady.push(message)
}

// subscribe asks for filters and returns those that the broker refused. Its
// error means that the session is of no use any more.
func (s *session) subscribe(ctx context.Context, filters map[string]byte) (refused []string, err error) {
	token, err := s.await(ctx, func() mqtt.Token { return s.client.SubscribeMultiple(filters, nil) })
	if err != nil {
		return nil, fmt.Errorf("subscribe: %w", err)
	}
	const refusal = 0x80
	granted, ok := token.(*mqtt.SubscribeToken)
	if !ok {
		return nil, errNoAnswer
	}
	codes := granted.Result()
	for filter := range filters {
		if code, answered := codes[filter]; !answered || code == refusal {
			refused = append(refused, filter)
		}
	}
	return refused, nil
}

func (s *session) unsubscribe(ctx context.Context, filters []string) error {
	if _, err := s.await(ctx, func() mqtt.Token { return s.client.Unsubscribe(filters...) }); err != nil {
		return fmt.Errorf("unsubscribe: %w", err)
	}
	return nil
}

// await makes a call of the client, which blocks for seconds if the connection
// is lost at that moment, and waits for what comes of it.
func (s *session) await(ctx context.Context, begin func() mqtt.Token) (mqtt.Token, error) {
	begun := make(chan mqtt.Token, 1)
	s.helpers.Go(func() {
		token := begin()
		select {
		case <-token.Done():
		case <-s.lost:
		}
		begun <- token
	})
	timer := time.NewTimer(writeTimeout)
	defer timer.Stop()
	select {
	case token := <-begun:
		return token, token.Error()
	case <-s.lost:
		return nil, errConnectionLost
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-timer.C:
		return nil, errNoAnswer
	}
}

// noStore keeps nothing, so that nothing can be sent late by the client.
type noStore struct{}

func (noStore) Open()                             {}
func (noStore) Put(string, packets.ControlPacket) {}
func (noStore) Get(string) packets.ControlPacket  { return nil }
func (noStore) All() []string                     { return nil }
func (noStore) Del(string)                        {}
func (noStore) Close()                            {}
func (noStore) Reset()                            {}
