package broker_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/wattline/wattline/internal/broker"
	"github.com/wattline/wattline/internal/broker/internal/wire"
	"github.com/wattline/wattline/internal/testserver"
)

func TestBadBytesEndTheirOwnConnectionOnly(t *testing.T) {
	b := start(t, broker.Options{})
	healthy := connect(t, b.URL(), wire.Connect{ClientID: "healthy"})
	cases := map[string]string{
		"HTTP":                      "GET / HTTP/1.1\r\n\r\n",
		"a NATS client":             "CONNECT {}\r\nPING\r\n",
		"a packet before CONNECT":   "\x30\x04\x00\x01ab",
		"an endless length":         "\x10\xff\xff\xff\xff\xff",
		"a CONNECT of 256 MB":       "\x10\xff\xff\xff\x7f\x00\x04MQTT\x04\x02\x00\x00\x00\x01a",
		"another protocol":          "\x10\x0d\x00\x04XXXX\x04\x02\x00\x00\x00\x01a",
		"MQTT 5":                    "\x10\x0e\x00\x04MQTT\x05\x02\x00\x00\x00\x00\x01a",
		"flags that may not be set": "\x1f\x0d\x00\x04MQTT\x04\x02\x00\x00\x00\x01a",
	}
	for name, sent := range cases {
		t.Run(name, func(t *testing.T) {
			conn, err := dial(address(b.URL()))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
			if _, err := conn.Write([]byte(sent)); err != nil {
				t.Fatal(err)
			}
			if _, err := io.Copy(io.Discard, conn); err != nil && isTimeout(err) {
				t.Errorf("the connection stays open: %v", err)
			}
		})
	}
	publish(t, healthy, wire.Publish{Topic: "a", QoS: 1})
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

func TestATopicWithASpaceEndsTheConnection(t *testing.T) {
	b := start(t, broker.Options{})
	client := connect(t, b.URL(), wire.Connect{ClientID: "client"})
	if _, err := client.Publish(wire.Publish{Topic: "a b", QoS: 1}); err != nil {
		t.Fatal(err)
	}
	if packet, err := client.Read(); err == nil || isTimeout(err) {
		t.Errorf("read %v, %v; want the end of the connection", packet, err)
	}
}

func TestAClientIDThatIsNotServedIsRefused(t *testing.T) {
	b := start(t, broker.Options{})
	for _, id := range []string{"a b", "a*", "a>", "a\x00"} {
		if _, err := tryConnect(b.URL(), wire.Connect{ClientID: id}); err == nil {
			t.Errorf("%q is let in", id)
		}
	}
}

func TestTheSizeOfAPayloadIsBounded(t *testing.T) {
	b := start(t, broker.Options{})
	subscriber := connect(t, b.URL(), wire.Connect{ClientID: "subscriber"})
	subscribe(t, subscriber, "#", 1)
	t.Run("up to the bound it is served and kept", func(t *testing.T) {
		client := connect(t, b.URL(), wire.Connect{ClientID: "large"})
		// Topic, packet id and what the server stores with it count as well.
		payload := bytes.Repeat([]byte("x"), broker.DefaultMaxPayloadBytes-1024)
		publish(t, client, wire.Publish{Topic: "large", Payload: payload, QoS: 1, Retain: true})
		if got := next(t, subscriber); !bytes.Equal(got.Payload, payload) {
			t.Errorf("%d bytes came", len(got.Payload))
		}
		testserver.Eventually(t, patience, func() error {
			if got := subscribe(t, client, "large", 1); len(got) != 1 || !bytes.Equal(got[0].Payload, payload) {
				return fmt.Errorf("%d retained messages", len(got))
			}
			return nil
		})
	})
	t.Run("beyond it the connection ends", func(t *testing.T) {
		client := connect(t, b.URL(), wire.Connect{ClientID: "too-large"})
		// The connection may end before all is written.
		_, _ = client.Publish(wire.Publish{Topic: "large", Payload: make([]byte, broker.DefaultMaxPayloadBytes+1<<17), QoS: 1})
		if packet, err := client.Read(); err == nil || isTimeout(err) {
			t.Errorf("read %v, %v; want the end of the connection", packet, err)
		}
	})
}

func TestConnectionsAreBounded(t *testing.T) {
	const most = 5
	b := start(t, broker.Options{MaxConnections: most})
	var clients []*wire.Client
	for i := range most {
		clients = append(clients, connect(t, b.URL(), wire.Connect{ClientID: fmt.Sprint("client-", i)}))
	}
	if _, err := tryConnect(b.URL(), wire.Connect{ClientID: "one-too-many"}); err == nil {
		t.Error("one more than the bound got in")
	}
	_ = clients[0].Close()
	testserver.Eventually(t, patience, func() error {
		client, err := tryConnect(b.URL(), wire.Connect{ClientID: "another"})
		if err == nil {
			_ = client.Close()
		}
		return err
	})
}

func TestAClientThatDoesNotReadHarmsNobody(t *testing.T) {
	b := start(t, broker.Options{})
	slow := connect(t, b.URL(), wire.Connect{ClientID: "slow"})
	subscribe(t, slow, "flood", 0)
	healthy := connect(t, b.URL(), wire.Connect{ClientID: "healthy"})
	subscribe(t, healthy, "flood", 0)
	publisher := connect(t, b.URL(), wire.Connect{ClientID: "publisher"})
	payload := make([]byte, 1<<20)
	const messages = 150 // more than may wait for one client
	for i := range messages {
		payload[0] = byte(i)
		publish(t, publisher, wire.Publish{Topic: "flood", Payload: payload})
		if got := next(t, healthy); got.Payload[0] != byte(i) {
			t.Fatalf("message %d is number %d", i, got.Payload[0])
		}
	}
	read := 0
	for ; ; read++ {
		if _, err := slow.Read(); err != nil {
			if isTimeout(err) {
				t.Errorf("the slow client is still connected")
			}
			break
		}
	}
	if read == messages {
		t.Errorf("all %d messages waited for the slow client", messages)
	}
}

func TestClientsDoNotReachTheServersOwnSubjects(t *testing.T) {
	b := start(t, broker.Options{})
	client := connect(t, b.URL(), wire.Connect{ClientID: "hostile"})
	publish(t, client, wire.Publish{Topic: "kept", Payload: []byte("1"), QoS: 1, Retain: true})
	for _, topic := range []string{
		"$JS/API/STREAM/PURGE/$MQTT_rmsgs",
		"$JS/API/STREAM/DELETE/$MQTT_rmsgs",
		"$JS/API/STREAM/DELETE/$MQTT_msgs",
		"$MQTT/rmsgs/kept",
		"$SYS/REQ/SERVER/PING",
	} {
		publish(t, client, wire.Publish{Topic: topic, QoS: 0})
		publish(t, client, wire.Publish{Topic: topic, QoS: 1, Retain: true})
	}
	subscriber := connect(t, b.URL(), wire.Connect{ClientID: "subscriber"})
	testserver.Eventually(t, patience, func() error {
		if got := subscribe(t, subscriber, "#", 1); len(got) != 1 || string(got[0].Payload) != "1" {
			return fmt.Errorf("retained messages are %v", got)
		}
		return nil
	})
	for _, filter := range []string{"$JS/#", "$MQTT/#", "$SYS/#", "$wattline/#"} {
		if _, err := trySubscribe(client, filter, 0); err == nil {
			t.Errorf("subscribed to %s", filter)
		}
	}
}

func TestWhatIsKeptIsBounded(t *testing.T) {
	b := start(t, broker.Options{})
	configs, err := b.StreamConfigs()
	if err != nil {
		t.Fatal(err)
	}
	if len(configs) != 5 {
		t.Errorf("%d streams, want 5: %v", len(configs), configs)
	}
	var sum int64
	for name, config := range configs {
		if config.MaxBytes <= 0 {
			t.Errorf("stream %s is not bounded", name)
		}
		sum += config.MaxBytes
	}
	if sum > 512<<20 {
		t.Errorf("%d bytes may be kept in all", sum)
	}
	if messages := configs["$MQTT_msgs"]; messages.Discard != server.DiscardOld || messages.MaxAge <= 0 {
		t.Errorf("what waits for absent sessions does not give way: %+v", messages)
	}
	if retained := configs["$MQTT_rmsgs"]; retained.Discard != server.DiscardNew || retained.MaxMsgs <= 0 {
		t.Errorf("new retained messages can push others out: %+v", retained)
	}
}
