package bus

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"net"
)

var (
	errMalformedFrame = errors.New("the broker sent a malformed MQTT packet")
	errFrameTooLarge  = errors.New("the broker sent an MQTT packet that is too large")
)

// frames is the connection to the broker as the MQTT client sees it. It reads
// ahead, which saves four system calls a packet, and it bounds what the client
// would otherwise allocate on the word of a length field (up to 256 MB): the
// payload of a PUBLISH that is too large is passed over and replaced by a NUL
// byte, which nothing decodes.
//
// It reports a loss as soon as it sees it. The client takes its time to, and
// not at all where the connection was closed from this side.
type frames struct {
	net.Conn
	in        *bufio.Reader
	limit     int
	lost      func(error)
	oversized func()
	head      []byte // to be handed out first
	body      int    // bytes of the packet that follow from in as they are
}

const readAhead = 16 << 10

func newFrames(conn net.Conn, limit int, lost func(error), oversized func()) *frames {
	return &frames{Conn: conn, in: bufio.NewReaderSize(promptly(conn), readAhead), limit: limit, lost: lost, oversized: oversized}
}

// Write is the connection's own.
func (f *frames) Write(p []byte) (int, error) {
	n, err := f.Conn.Write(p)
	if err != nil {
		f.lost(err)
	}
	return n, err
}

// Read hands out packets whole and in order, those too large with another
// payload. Only one goroutine may read.
func (f *frames) Read(p []byte) (int, error) {
	n, err := f.read(p)
	if err != nil {
		f.lost(err)
	}
	return n, err
}

func (f *frames) read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if len(f.head) == 0 && f.body == 0 {
		if err := f.next(); err != nil {
			return 0, err
		}
	}
	if len(f.head) > 0 {
		n := copy(p, f.head)
		f.head = f.head[n:]
		return n, nil
	}
	n, err := f.in.Read(p[:min(len(p), f.body)])
	f.body -= n
	return n, err
}

// next reads the fixed header of a packet (MQTT 3.1.1, 2.2).
func (f *frames) next() error {
	first, err := f.in.ReadByte()
	if err != nil {
		return err
	}
	length, head := 0, []byte{first}
	for shift := 0; ; shift += 7 {
		if shift > 21 {
			return errMalformedFrame
		}
		digit, err := f.in.ReadByte()
		if err != nil {
			return err
		}
		head = append(head, digit)
		length |= int(digit&0x7f) << shift
		if digit&0x80 == 0 {
			break
		}
	}
	if length <= f.limit {
		f.head, f.body = head, length
		return nil
	}
	const publish = 3
	if first>>4 != publish {
		return errFrameTooLarge
	}
	return f.shorten(first, length)
}

// shorten passes over the payload of a PUBLISH and keeps the rest, so that one
// that asks for an acknowledgement still gets it.
func (f *frames) shorten(first byte, length int) error {
	kept := make([]byte, 2)
	if _, err := io.ReadFull(f.in, kept); err != nil {
		return err
	}
	rest := int(binary.BigEndian.Uint16(kept))
	if first&0x06 != 0 {
		rest += 2 // the packet identifier
	}
	if 2+rest > length {
		return errMalformedFrame
	}
	kept = append(kept, make([]byte, rest)...)
	if _, err := io.ReadFull(f.in, kept[2:]); err != nil {
		return err
	}
	if _, err := f.in.Discard(length - len(kept)); err != nil {
		return err
	}
	kept = append(kept, 0)
	f.head = append(binary.AppendUvarint([]byte{first}, uint64(len(kept))), kept...)
	f.oversized()
	return nil
}
