package kasa

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// MaxFrame is the largest payload that a frame may carry here. Plugs stay below
// 16 KiB; the rest is room for strips.
const MaxFrame = 64 << 10

const (
	minFrame   = 2 // {} is the shortest JSON object
	headerSize = 4
	initialKey = 171
)

var (
	// ErrShort says that the frame ended before its length said so, or that its
	// length is too small for any JSON.
	ErrShort = errors.New("short frame")
	// ErrOversize says that the frame's length is above the bound; only that has
	// been read.
	ErrOversize = errors.New("oversize frame")
)

// Encrypt applies the plug's autokey XOR cipher. Over UDP a datagram is just
// this; over TCP see [AppendFrame].
func Encrypt(plain []byte) []byte {
	return appendEncrypted(make([]byte, 0, len(plain)), plain)
}

func appendEncrypted(dst, plain []byte) []byte {
	key := byte(initialKey)
	for _, p := range plain {
		key ^= p
		dst = append(dst, key)
	}
	return dst
}

// Decrypt undoes [Encrypt].
func Decrypt(cipher []byte) []byte {
	plain := append(make([]byte, 0, len(cipher)), cipher...)
	decryptInPlace(plain)
	return plain
}

// decryptInPlace goes from the end, because each byte's key is the ciphertext
// byte before it.
func decryptInPlace(text []byte) {
	for i := len(text) - 1; i > 0; i-- {
		text[i] ^= text[i-1]
	}
	if len(text) > 0 {
		text[0] ^= initialKey
	}
}

// AppendFrame appends a TCP frame: the payload's length as four bytes, big
// endian, and the ciphertext. A frame must go out in one write, for some plugs
// take each segment for a message of its own.
func AppendFrame(dst, payload []byte) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(payload)))
	return appendEncrypted(dst, payload)
}

// ReadFrame reads one frame, however it is split, and returns its payload
// decrypted. It reads not a byte more. maxBytes bounds the payload.
//
// It returns io.EOF if the peer closed before the first byte, [ErrShort] if it
// closed within the frame or the length is below 2, [ErrOversize] if the length
// is above the bound, and otherwise the reader's own error.
func ReadFrame(r io.Reader, maxBytes int) ([]byte, error) {
	payload, _, err := readFrame(r, nil, maxBytes)
	return payload, err
}

// readFrame is ReadFrame into buf, which grows as needed. It also tells how many
// bytes of the frame had arrived.
func readFrame(r io.Reader, buf []byte, maxBytes int) (payload []byte, got int, err error) {
	buf = resize(buf, headerSize)
	got, err = io.ReadFull(r, buf)
	if err != nil {
		return nil, got, shortError(err, got, "header")
	}
	size := int64(binary.BigEndian.Uint32(buf))
	if size < minFrame {
		return nil, got, fmt.Errorf("%w: its length is %d", ErrShort, size)
	}
	if size > int64(maxBytes) {
		return nil, got, fmt.Errorf("%w: %d bytes, at most %d", ErrOversize, size, maxBytes)
	}
	buf = resize(buf, int(size))
	n, err := io.ReadFull(r, buf)
	got += n
	if err != nil {
		return nil, got, shortError(err, got, "payload")
	}
	decryptInPlace(buf)
	return buf, got, nil
}

// shortError keeps a clean end apart from one within the frame.
func shortError(err error, got int, part string) error {
	if got > 0 && (errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)) {
		return fmt.Errorf("%w: it ended after %d bytes, in its %s", ErrShort, got, part)
	}
	return err
}

func resize(buf []byte, size int) []byte {
	if cap(buf) < size {
		return make([]byte, size)
	}
	return buf[:size]
}
