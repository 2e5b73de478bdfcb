package bus

import (
	"bytes"
	"errors"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/eclipse/paho.mqtt.golang/packets"
	"pgregory.net/rapid"
)

// bytesConn is a connection that gives what it was made of.
type bytesConn struct {
	net.Conn
	io.Reader
}

func (c bytesConn) Read(p []byte) (int, error) { return c.Reader.Read(p) }
func (c bytesConn) Close() error               { return nil }

func framesOf(data []byte, limit int, oversized func()) *frames {
	return newFrames(bytesConn{Reader: bytes.NewReader(data)}, limit, func(error) {}, oversized)
}

func publishPacket(topic string, qos byte, payload []byte) *packets.PublishPacket {
	packet, ok := packets.NewControlPacket(packets.Publish).(*packets.PublishPacket)
	if !ok {
		panic("no publish packet")
	}
	packet.TopicName, packet.Qos, packet.Payload = topic, qos, payload
	if qos > 0 {
		packet.MessageID = 4711
	}
	return packet
}

func TestAMessageThatIsTooLargeArrivesWithAnotherPayloadAndTheRestAsItIs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const limit = 300
		var wire bytes.Buffer
		var sent []*packets.PublishPacket
		wantOversized := 0
		for range rapid.IntRange(1, 8).Draw(t, "packets") {
			topic := strings.Repeat("t", rapid.IntRange(1, 40).Draw(t, "topic"))
			size := rapid.SampledFrom([]int{0, 1, 100, 127, 128, 400, 20_000}).Draw(t, "size")
			packet := publishPacket(topic, byte(rapid.IntRange(0, 1).Draw(t, "qos")), bytes.Repeat([]byte("x"), size))
			if err := packet.Write(&wire); err != nil {
				t.Fatal(err)
			}
			if packet.RemainingLength > limit {
				wantOversized++
			}
			sent = append(sent, packet)
		}
		oversized := 0
		in := framesOf(wire.Bytes(), limit, func() { oversized++ })
		for _, packet := range sent {
			read, err := packets.ReadPacket(in)
			if err != nil {
				t.Fatal(err)
			}
			got, ok := read.(*packets.PublishPacket)
			if !ok || got.TopicName != packet.TopicName || got.MessageID != packet.MessageID || got.Qos != packet.Qos {
				t.Fatalf("%v arrives as %v", packet, read)
			}
			want := packet.Payload
			if packet.RemainingLength > limit {
				want = []byte{0}
			}
			if !bytes.Equal(got.Payload, want) {
				t.Fatalf("a payload of %d bytes arrives as %d", len(packet.Payload), len(got.Payload))
			}
		}
		if oversized != wantOversized {
			t.Fatalf("%d were counted, want %d", oversized, wantOversized)
		}
		if _, err := packets.ReadPacket(in); !errors.Is(err, io.EOF) {
			t.Fatalf("after the end comes %v", err)
		}
	})
}

func TestMalformedPacketsEndTheConnection(t *testing.T) {
	for name, c := range map[string]struct {
		data string
		want error
	}{
		"a length of five bytes":            {"\x30\xff\xff\xff\xff\x01", errMalformedFrame},
		"a large packet that is no message": {"\x90\xff\xff\x7f", errFrameTooLarge},
		"a topic longer than its message":   {"\x30\xff\x07\xff\xffabc", errMalformedFrame},
		"an end in the length":              {"\x30\xff", nil}, // ReadAll takes EOF for a good end
		"an end in the topic":               {"\x30\xff\x07\x00\x05ab", io.ErrUnexpectedEOF},
	} {
		if _, err := io.ReadAll(framesOf([]byte(c.data), 300, func() {})); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

func TestALossIsReportedByWhoeverSeesIt(t *testing.T) {
	for name, use := range map[string]func(*frames) (int, error){
		"the reader": func(f *frames) (int, error) { return f.Read(make([]byte, 1)) },
		"the writer": func(f *frames) (int, error) { return f.Write([]byte{1}) },
	} {
		here, there := net.Pipe()
		_ = there.Close()
		var reported error
		if _, err := use(newFrames(here, 300, func(err error) { reported = err }, func() {})); err == nil || !errors.Is(reported, err) {
			t.Errorf("%s sees %v and reports %v", name, err, reported)
		}
		_ = here.Close()
	}
}

func FuzzFrames(f *testing.F) {
	var wire bytes.Buffer
	_ = publishPacket("wattline/event/x", 1, make([]byte, 400)).Write(&wire)
	f.Add(wire.Bytes())
	f.Add([]byte("\x30\x05\x00\x01ab"))
	f.Add([]byte("\xd0\x00\x30\xff\xff\xff\x7f"))
	f.Fuzz(func(t *testing.T, data []byte) {
		const limit = 300
		out, _ := io.ReadAll(framesOf(data, limit, func() {}))
		const kept = 2 + 65535 + 2 + 1 // what stays of a message: its topic, id and one byte
		if len(out) > len(data)+8 {
			t.Errorf("%d bytes become %d", len(data), len(out))
		}
		in := framesOf(data, limit, func() {})
		for {
			packet, err := packets.ReadPacket(in)
			if err != nil {
				return
			}
			if publish, ok := packet.(*packets.PublishPacket); ok && len(publish.Payload) > max(limit, kept) {
				t.Errorf("a payload of %d bytes gets through", len(publish.Payload))
			}
		}
	})
}
