package kasa_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"

	"github.com/wattline/wattline/agents/kasa"
)

func TestFrameIsThatOfThePublicClients(t *testing.T) {
	const want = "0000001d" + "d0f281f88bff9af7d5ef94b6d1b4c09fec95e68fe187e8caf08bf68bf6"
	got := hex.EncodeToString(kasa.AppendFrame(nil, []byte(`{"system":{"get_sysinfo":{}}}`)))
	if got != want {
		t.Errorf("frame is\n%s, want\n%s", got, want)
	}
}

func TestCipherGoesBothWays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		plain := rapid.SliceOf(rapid.Byte()).Draw(t, "plain")
		kept := bytes.Clone(plain)
		if got := kasa.Decrypt(kasa.Encrypt(plain)); !bytes.Equal(got, plain) || !bytes.Equal(plain, kept) {
			t.Errorf("%x came back as %x", kept, got)
		}
	})
}

func TestReadFrame(t *testing.T) {
	t.Run("takes a frame however it is split, and not a byte more", func(t *testing.T) {
		payload := bytes.Repeat([]byte(`{"a":1}`), 700)
		stream := bytes.NewReader(append(kasa.AppendFrame(nil, payload), "next"...))
		got, err := kasa.ReadFrame(iotest.OneByteReader(stream), kasa.MaxFrame)
		if err != nil || !bytes.Equal(got, payload) || stream.Len() != len("next") {
			t.Errorf("got %d bytes, error %v, %d bytes left", len(got), err, stream.Len())
		}
	})
	for name, test := range map[string]struct {
		data []byte
		want error
	}{
		"tells a clean end":                   {nil, io.EOF},
		"refuses an end within the header":    {frame("{}")[:3], kasa.ErrShort},
		"refuses an end after the header":     {frame("{}")[:4], kasa.ErrShort},
		"refuses an end within the payload":   {frame("{}")[:5], kasa.ErrShort},
		"refuses an empty frame":              {make([]byte, 4), kasa.ErrShort},
		"refuses a payload of one byte":       {frame("{"), kasa.ErrShort},
		"refuses a length above the bound":    {frame(`{"a":1}`), kasa.ErrOversize},
		"refuses the largest length there is": {[]byte{255, 255, 255, 255}, kasa.ErrOversize},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := kasa.ReadFrame(bytes.NewReader(test.data), 6)
			if !errors.Is(err, test.want) {
				t.Errorf("error %v, want %v", err, test.want)
			}
		})
	}
	t.Run("passes on the reader's own error", func(t *testing.T) {
		broken := errors.New("broken")
		reader := io.MultiReader(bytes.NewReader(frame("{}")[:5]), iotest.ErrReader(broken))
		if _, err := kasa.ReadFrame(reader, kasa.MaxFrame); !errors.Is(err, broken) {
			t.Errorf("error %v", err)
		}
	})
}

func FuzzReadFrame(f *testing.F) {
	f.Add(frame(`{"system":{"get_sysinfo":{}}}`), 100)
	f.Add(frame("{}")[:5], 64)
	f.Add([]byte{255, 255, 255, 255, 0}, 64)
	f.Fuzz(func(t *testing.T, data []byte, maxBytes int) {
		payload, err := kasa.ReadFrame(bytes.NewReader(data), maxBytes)
		if err != nil {
			if !errors.Is(err, io.EOF) && !errors.Is(err, kasa.ErrShort) && !errors.Is(err, kasa.ErrOversize) {
				t.Errorf("unforeseen error %v", err)
			}
			return
		}
		if len(payload) > maxBytes || len(payload) != int(binary.BigEndian.Uint32(data)) {
			t.Errorf("%d bytes from a frame of %d, at most %d", len(payload), binary.BigEndian.Uint32(data), maxBytes)
		}
		if again := kasa.AppendFrame(nil, payload); !bytes.HasPrefix(data, again) {
			t.Errorf("%x was read as %x", data, payload)
		}
	})
}
