package wire_test

import (
	"bytes"
	"net"
	"testing"

	"github.com/wattline/wattline/internal/broker/internal/wire"
)

// received is a connection on which bytes have come.
type received struct {
	net.Conn
	*bytes.Reader
}

func (r received) Read(into []byte) (int, error) { return r.Reader.Read(into) }

func FuzzRead(f *testing.F) {
	f.Add([]byte("\x20\x02\x00\x00"))
	f.Add([]byte("\x31\x04\x00\x01ab"))
	f.Add([]byte("\x32\x06\x00\x01a\x00\x01b"))
	f.Add([]byte("\x90\x03\x00\x01\x80"))
	f.Add([]byte("\x40\x02\x00\x01\xd0\x00"))
	f.Add([]byte("\x30\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"))
	f.Fuzz(func(t *testing.T, data []byte) {
		client := wire.New(received{Reader: bytes.NewReader(data)})
		for {
			packet, err := client.Read()
			if err != nil {
				return
			}
			if len(packet.Topic)+len(packet.Payload) > len(data) {
				t.Fatalf("%d bytes made %d of topic and payload", len(data), len(packet.Topic)+len(packet.Payload))
			}
		}
	})
}

func TestReadRefusesWhatIsNotAPacket(t *testing.T) {
	cases := map[string]string{
		"nothing":                      "",
		"no length":                    "\x30",
		"a length without an end":      "\x30\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
		"a length beyond the bound":    "\x30\xff\xff\xff\x7f",
		"fewer bytes than announced":   "\x30\x05\x00\x01a",
		"a topic beyond the packet":    "\x30\x03\x00\x05a",
		"QoS 1 without a packet id":    "\x32\x03\x00\x01a",
		"a CONNACK without a code":     "\x20\x01\x00",
		"a SUBACK without a code":      "\x90\x02\x00\x01",
		"a PUBACK without a packet id": "\x40\x01\x00",
	}
	for name, data := range cases {
		t.Run(name, func(t *testing.T) {
			client := wire.New(received{Reader: bytes.NewReader([]byte(data))})
			if packet, err := client.Read(); err == nil {
				t.Errorf("read %+v", packet)
			}
		})
	}
}
