// Package wire speaks just enough MQTT 3.1.1 for the broker to talk to itself:
// CONNECT, PUBLISH, SUBSCRIBE, PINGREQ and the packets that answer them. It has
// no goroutines, no reconnecting and no sessions; packages that talk to a broker
// use the bus instead.
//
// Source: MQTT Version 3.1.1, OASIS Standard, sections 2 and 3.
package wire

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
)

// Type is the kind of a control packet, as in the high nibble of its first byte.
type Type byte

// The packets known here.
const (
	TypeConnect   Type = 1
	TypeConnack   Type = 2
	TypePublish   Type = 3
	TypePuback    Type = 4
	TypeSubscribe Type = 8
	TypeSuback    Type = 9
	TypePingreq   Type = 12
	TypePingresp  Type = 13
	TypeDisconn   Type = 14
)

// maxPacketBytes bounds what is read: the protocol's own limit is 256 MB.
const maxPacketBytes = 16 << 20

// Packet is one control packet as it was read.
type Packet struct {
	Type Type
	// Retained, Duplicate and QoS are of a PUBLISH.
	Retained  bool
	Duplicate bool
	QoS       byte
	// ID is the packet id, where the packet has one.
	ID uint16
	// Code is the return code of a CONNACK, or the first one of a SUBACK.
	Code    byte
	Topic   string
	Payload []byte
}

// Connect is what a client says of itself. KeepAlive is always 0: the caller's
// deadlines on the connection do that work.
type Connect struct {
	ClientID string
	Username string
	Password string
	// Persistent asks for a session that outlives the connection.
	Persistent bool
	// Will is published by the broker when the connection breaks; nil is none.
	Will *Publish
}

// Publish is a message to publish.
type Publish struct {
	Topic   string
	Payload []byte
	QoS     byte
	Retain  bool
}

// Client is one connection. Its methods are for one goroutine, except that one
// may read while another writes.
type Client struct {
	conn   net.Conn
	reader *bufio.Reader
	writer *bufio.Writer
	lastID uint16
}

// New wraps a connection, on which nothing has been sent yet. Deadlines are set
// by the caller, on conn.
func New(conn net.Conn) *Client {
	return &Client{conn: conn, reader: bufio.NewReader(conn), writer: bufio.NewWriter(conn)}
}

// Close closes the connection without a DISCONNECT, so that a will is published.
func (c *Client) Close() error { return c.conn.Close() }

// Connect introduces the client and waits for the answer. A refusal is an error.
func (c *Client) Connect(connect Connect) error {
	var flags byte
	if !connect.Persistent {
		flags |= 1 << 1
	}
	body := appendString(nil, "MQTT")
	body = append(body, 4, 0, 0, 0) // level, flags (filled in below), keep alive
	body = appendString(body, connect.ClientID)
	if will := connect.Will; will != nil {
		flags |= 1<<2 | will.QoS<<3
		if will.Retain {
			flags |= 1 << 5
		}
		body = appendString(body, will.Topic)
		body = appendString(body, string(will.Payload))
	}
	if connect.Username != "" {
		flags |= 1<<7 | 1<<6
		body = appendString(body, connect.Username)
		body = appendString(body, connect.Password)
	}
	body[7] = flags
	if err := c.send(byte(TypeConnect)<<4, body, nil); err != nil {
		return fmt.Errorf("send connect: %w", err)
	}
	answer, err := c.Read()
	switch {
	case err != nil:
		return fmt.Errorf("await connack: %w", err)
	case answer.Type != TypeConnack:
		return fmt.Errorf("await connack: packet of type %d came", answer.Type)
	case answer.Code != 0:
		return fmt.Errorf("connection refused with code %d", answer.Code)
	}
	return nil
}

// Publish sends a message and returns its packet id, 0 at QoS 0. It does not
// wait for the acknowledgement.
func (c *Client) Publish(publish Publish) (uint16, error) {
	first := byte(TypePublish)<<4 | publish.QoS<<1
	if publish.Retain {
		first |= 1
	}
	body := appendString(nil, publish.Topic)
	var id uint16
	if publish.QoS > 0 {
		id = c.nextID()
		body = binary.BigEndian.AppendUint16(body, id)
	}
	return id, c.send(first, body, publish.Payload)
}

// Subscribe asks for a filter and returns the packet id. It does not wait.
func (c *Client) Subscribe(filter string, qos byte) (uint16, error) {
	id := c.nextID()
	body := binary.BigEndian.AppendUint16(nil, id)
	body = append(appendString(body, filter), qos)
	return id, c.send(byte(TypeSubscribe)<<4|2, body, nil)
}

// Puback acknowledges a message of QoS 1.
func (c *Client) Puback(id uint16) error {
	return c.send(byte(TypePuback)<<4, binary.BigEndian.AppendUint16(nil, id), nil)
}

// Ping sends a PINGREQ. Packets are answered in their order, so its answer says
// that everything sent before has been dealt with.
func (c *Client) Ping() error { return c.send(byte(TypePingreq)<<4, nil, nil) }

// Disconnect says goodbye, so that no will is published, and closes.
func (c *Client) Disconnect() error {
	return errors.Join(c.send(byte(TypeDisconn)<<4, nil, nil), c.conn.Close())
}

// Await reads until a packet of the type comes and hands what comes before it to
// meanwhile, which may be nil.
func (c *Client) Await(want Type, meanwhile func(Packet)) (Packet, error) {
	for {
		packet, err := c.Read()
		if err != nil || packet.Type == want {
			return packet, err
		}
		if meanwhile != nil {
			meanwhile(packet)
		}
	}
}

// Read returns the next packet.
func (c *Client) Read() (Packet, error) {
	first, err := c.reader.ReadByte()
	if err != nil {
		return Packet{}, err
	}
	length, err := binary.ReadUvarint(c.reader)
	if err != nil {
		return Packet{}, fmt.Errorf("length of a packet: %w", err)
	}
	if length > maxPacketBytes {
		return Packet{}, fmt.Errorf("packet of %d bytes, at most %d are taken", length, maxPacketBytes)
	}
	// Memory is taken as bytes come, not as they are announced.
	body, err := io.ReadAll(io.LimitReader(c.reader, int64(length)))
	if err == nil && len(body) < int(length) {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return Packet{}, fmt.Errorf("body of a packet: %w", err)
	}
	return parse(first, body)
}

// parse decodes a packet from its first byte and what follows the length.
func parse(first byte, body []byte) (Packet, error) {
	packet := Packet{Type: Type(first >> 4)}
	short := fmt.Errorf("packet of type %d is too short", packet.Type)
	switch packet.Type {
	case TypeConnack:
		if len(body) < 2 {
			return Packet{}, short
		}
		packet.Code = body[1]
	case TypePuback, TypeSuback:
		if len(body) < 2 {
			return Packet{}, short
		}
		packet.ID = binary.BigEndian.Uint16(body)
		if packet.Type == TypeSuback {
			if len(body) < 3 {
				return Packet{}, short
			}
			packet.Code = body[2]
		}
	case TypePublish:
		packet.Retained, packet.Duplicate, packet.QoS = first&1 != 0, first&8 != 0, first>>1&3
		if len(body) < 2 || len(body)-2 < int(binary.BigEndian.Uint16(body)) {
			return Packet{}, short
		}
		size := int(binary.BigEndian.Uint16(body))
		packet.Topic, body = string(body[2:2+size]), body[2+size:]
		if packet.QoS > 0 {
			if len(body) < 2 {
				return Packet{}, short
			}
			packet.ID, body = binary.BigEndian.Uint16(body), body[2:]
		}
		packet.Payload = body
	}
	return packet, nil
}

// send writes one packet: the first byte, the length, body and payload.
func (c *Client) send(first byte, body, payload []byte) error {
	head := binary.AppendUvarint([]byte{first}, uint64(len(body)+len(payload)))
	// The writer keeps its first error, so Flush reports it.
	for _, part := range [][]byte{head, body, payload} {
		_, _ = c.writer.Write(part)
	}
	return c.writer.Flush()
}

func (c *Client) nextID() uint16 {
	c.lastID++
	if c.lastID == 0 {
		c.lastID = 1
	}
	return c.lastID
}

// appendString appends a length of two bytes and the string, cut to what that
// can say; no caller comes near it.
func appendString(to []byte, s string) []byte {
	s = s[:min(len(s), math.MaxUint16)]
	to = binary.BigEndian.AppendUint16(to, uint16(len(s)))
	return append(to, s...)
}
