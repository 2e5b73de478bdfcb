package bus_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/bus"
	"github.com/wattline/wattline/internal/bus/bustest"
	"github.com/wattline/wattline/internal/testserver"
	"github.com/wattline/wattline/internal/tlsfiles"
)

// runUnconnected runs a bus that is not expected to connect.
func runUnconnected(t *testing.T, options bus.Options) *bus.Bus {
	t.Helper()
	b, err := bus.New(options)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := b.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
	return b
}

// refusingBroker accepts connections and refuses subscriptions to replies.
func refusingBroker(t *testing.T) string {
	t.Helper()
	var network net.ListenConfig
	listener, err := network.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	t.Cleanup(func() {
		_ = listener.Close()
		serving.Wait()
	})
	serving.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { refuse(conn) })
		}
	})
	return "mqtt://" + listener.Addr().String()
}

func refuse(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	for {
		packet, err := packets.ReadPacket(conn)
		if err != nil {
			return
		}
		var answer packets.ControlPacket
		switch packet := packet.(type) {
		case *packets.ConnectPacket:
			answer = packets.NewControlPacket(packets.Connack)
		case *packets.SubscribePacket:
			suback := &packets.SubackPacket{FixedHeader: packets.FixedHeader{MessageType: packets.Suback}, MessageID: packet.MessageID}
			for _, filter := range packet.Topics {
				code := byte(0)
				if strings.Contains(filter, "/reply/") {
					code = 0x80
				}
				suback.ReturnCodes = append(suback.ReturnCodes, code)
			}
			answer = suback
		default:
			continue
		}
		if answer.Write(conn) != nil {
			return
		}
	}
}

func TestARefusedSubscriptionIsAnErrorAndNotReady(t *testing.T) {
	log := &logBook{}
	b := runUnconnected(t, bus.Options{Brokers: []string{refusingBroker(t)}, Instance: "node", Log: log.Logger(slog.LevelDebug)})
	log.wait(t, `level=ERROR msg="the broker refuses a subscription"`)
	log.wait(t, "filter=wattline/reply/node/+")
	if b.Connected() {
		t.Error("it takes itself for connected")
	}
	_, err := b.Ask(t.Context(), bus.Ask{Topic: query("", "any")})
	wantCode(t, err, wattline.CodeBrokerDown)
}

func TestABrokerThatIsNotThereYet(t *testing.T) {
	server := testserver.Mosquitto(t, testserver.MosquittoOptions{})
	server.Kill()
	log := &logBook{}
	b := runUnconnected(t, bus.Options{Brokers: []string{server.URL()}, Instance: "node", Log: log.Logger(slog.LevelDebug)})
	log.wait(t, "level=DEBUG msg=\"no connection to the broker\"") // it has tried more than once
	wantCode(t, b.Publish(t.Context(), event("x"), 1), wattline.CodeBrokerDown)
	device := wattline.Topic{Kind: wattline.TopicDevice, Device: "d"}
	if err := b.Retain(t.Context(), device, "kept for later"); err != nil {
		t.Fatal(err)
	}
	server.Start()
	bustest.WaitConnected(t, b)
	got := make(chan bus.Message, 1)
	if _, err := b.Subscribe(bus.SubscribeOptions{Filter: device}, func(_ context.Context, m bus.Message) { got <- m }); err != nil {
		t.Fatal(err)
	}
	if message := <-got; string(message.Payload) != `"kept for later"` {
		t.Errorf("the broker has %s", message.Payload)
	}
	if warnings := strings.Count(log.String(), "level=WARN"); warnings != 1 {
		t.Errorf("%d warnings, want one:\n%s", warnings, log)
	}
}

func TestOfSeveralBrokersTheNextOneIsTried(t *testing.T) {
	first := testserver.Mosquitto(t, testserver.MosquittoOptions{})
	second := testserver.Mosquitto(t, testserver.MosquittoOptions{})
	log := &logBook{}
	node := bustest.StartWith(t, root, bus.Options{
		Brokers: []string{first.URL(), second.URL()}, Instance: "node", Log: log.Logger(slog.LevelDebug),
	})
	log.wait(t, "msg=connected instance=node broker="+first.URL())
	first.Kill()
	log.wait(t, "msg=connected instance=node broker="+second.URL())
	bustest.WaitConnected(t, node.Bus)
	first.Start()
	second.Kill()
	testserver.Eventually(t, patience, func() error {
		if strings.Count(log.String(), "msg=connected instance=node broker="+first.URL()) < 2 {
			return io.ErrNoProgress
		}
		return nil
	})
}

func TestPasswords(t *testing.T) {
	file := filepath.Join(t.TempDir(), "passwords")
	// mosquitto_passwd's own form of alice:right-secret
	server := testserver.Mosquitto(t, testserver.MosquittoOptions{Lines: []string{
		"per_listener_settings false", "allow_anonymous false", "password_file " + passwords(t, file, "alice", "right-secret"),
	}})
	url := strings.Replace(server.URL(), "mqtt://", "mqtt://alice@", 1)
	t.Run("that are right let in", func(t *testing.T) {
		bustest.StartWith(t, root, bus.Options{Brokers: []string{url}, Password: "right-secret", Instance: "node"})
	})
	t.Run("that are wrong are said to be, and not shown", func(t *testing.T) {
		log := &logBook{}
		b := runUnconnected(t, bus.Options{Brokers: []string{url}, Password: "wrong-secret", Instance: "node", Log: log.Logger(slog.LevelDebug)})
		log.wait(t, "not Authorized")
		if b.Connected() || strings.Contains(log.String(), "secret") {
			t.Errorf("connected: %v, the log:\n%s", b.Connected(), log)
		}
	})
}

func passwords(t *testing.T, file, user, password string) string {
	t.Helper()
	if err := os.WriteFile(file, []byte(user+":"+password+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, "mosquitto_passwd", "-U", file)
	return file
}

func TestWaitingForAConnectionSaysWhyThereIsNone(t *testing.T) {
	server := testserver.Mosquitto(t, testserver.MosquittoOptions{Lines: []string{"allow_anonymous false"}})
	b := runUnconnected(t, bus.Options{Brokers: []string{server.URL()}, Instance: "node"})
	testserver.Eventually(t, patience, func() error {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		if err := b.WaitConnected(ctx); err == nil || !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "not Authorized") {
			return fmt.Errorf("waiting gives %w", err)
		}
		return nil
	})
}

func TestTLS(t *testing.T) {
	authority := testserver.NewAuthority(t)
	url := mosquittoTLS(t, authority)
	trusted := &tls.Config{RootCAs: authority.Pool(), MinVersion: tls.VersionTLS12}
	t.Run("that is trusted connects", func(t *testing.T) {
		bustest.StartWith(t, root, bus.Options{Brokers: []string{url}, Instance: "node", TLS: trusted})
	})
	t.Run("that is not trusted does not", func(t *testing.T) {
		checkNoTLS(t, bus.Options{Brokers: []string{url}, Instance: "node"}, "x509: certificate")
	})
	url = mosquittoTLS(t, authority, "require_certificate true")
	t.Run("with a certificate of its own, where the broker demands one", func(t *testing.T) {
		cert, key := authority.Issue(t.TempDir(), "node")
		own, err := tlsfiles.Load(tlsfiles.Options{Cert: cert, Key: key})
		if err != nil {
			t.Fatal(err)
		}
		bustest.StartWith(t, root, bus.Options{Brokers: []string{url}, Instance: "node", TLS: own.Client(authority.Pool())})
	})
	t.Run("not without one", func(t *testing.T) {
		checkNoTLS(t, bus.Options{Brokers: []string{url}, Instance: "node", TLS: trusted}, "certificate required")
	})
}

// mosquittoTLS starts a mosquitto with a certificate of an authority's.
func mosquittoTLS(t *testing.T, authority *testserver.Authority, lines ...string) string {
	t.Helper()
	port := testserver.FreePort(t)
	cert, key := authority.Issue(t.TempDir(), "mosquitto")
	testserver.Mosquitto(t, testserver.MosquittoOptions{Lines: append([]string{
		fmt.Sprintf("listener %d 127.0.0.1", port), "cafile " + authority.File, "certfile " + cert, "keyfile " + key,
	}, lines...)})
	return fmt.Sprintf("mqtts://127.0.0.1:%d", port)
}

// checkNoTLS expects no connection, and why in the log.
func checkNoTLS(t *testing.T, options bus.Options, why string) {
	t.Helper()
	log := &logBook{}
	options.Log = log.Logger(slog.LevelDebug)
	b := runUnconnected(t, options)
	log.wait(t, why)
	if b.Connected() {
		t.Error("it is connected")
	}
}

func TestTwoProcessesOfOneNameAreToldOfIt(t *testing.T) {
	server := testserver.Mosquitto(t, testserver.MosquittoOptions{})
	log := &logBook{}
	for range 2 {
		runUnconnected(t, bus.Options{Brokers: []string{server.URL()}, Instance: "node", Log: log.Logger(slog.LevelDebug)})
	}
	log.wait(t, `level=ERROR msg="the broker ends every connection soon after it was made`)
}

func TestAnAskThroughARestartIsAnsweredAsSoonAsBothAreBack(t *testing.T) {
	server := testserver.Mosquitto(t, testserver.MosquittoOptions{})
	for _, name := range []string{"asker", "responder"} {
		t.Run("the "+name+" first", func(t *testing.T) { throughRestart(t, server, name) })
	}
}

func throughRestart(t *testing.T, server *testserver.MosquittoServer, first string) {
	wires := make(map[string]*bustest.Wire)
	nodes := make(map[string]bustest.Node)
	for _, name := range []string{"asker", "responder"} {
		wires[name] = bustest.NewWire(t, server.URL())
		nodes[name] = bustest.Start(t, []string{wires[name].URL()}, root, name)
	}
	asker, responder := nodes["asker"], nodes["responder"]
	responder.Announce(component)
	waitLive(t, asker, component)
	taken, release := make(chan struct{}, 1), make(chan struct{})
	if _, err := responder.Respond(bus.RespondOptions{Filter: query("responder", "")},
		func(context.Context, bus.Request) (any, error) { taken <- struct{}{}; <-release; return nil, nil }); err != nil {
		t.Fatal(err)
	}
	outcome := make(chan error, 1)
	go func() {
		// The repeats by time come after the test has lost its patience.
		_, err := asker.Ask(t.Context(), bus.Ask{Topic: query("", "any"), Timeout: 10 * patience})
		outcome <- err
	}()
	<-taken
	for _, wire := range wires {
		wire.Cut()
	}
	testserver.Eventually(t, patience, func() error {
		if asker.Connected() || responder.Connected() {
			return io.ErrNoProgress
		}
		return nil
	})
	close(release) // its reply gets lost
	wires[first].Mend()
	bustest.WaitConnected(t, nodes[first].Bus)
	for _, wire := range wires {
		wire.Mend()
	}
	select {
	case err := <-outcome:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(patience):
		t.Error("no reply")
	}
}
