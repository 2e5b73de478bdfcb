package emulator_test

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/wattline/wattline/agents/emulator"
	"github.com/wattline/wattline/agents/kasa"
	"github.com/wattline/wattline/internal/testserver"
)

func TestTheConnectionAfterAnAnswer(t *testing.T) {
	t.Parallel()
	for _, model := range emulator.Models() {
		t.Run(string(model), func(t *testing.T) {
			plug := startPlug(t, emulator.Spec{Model: model}, emulator.Options{})
			conn := dial(t, plug)
			if _, err := exchange(conn, sysinfo); err != nil {
				t.Fatal(err)
			}
			if model == emulator.HS110HW1 || model == emulator.HS100 {
				wantEnd(t, conn)
				return
			}
			for range 3 {
				if _, err := exchange(conn, sysinfo); err != nil {
					t.Fatalf("the connection is not kept: %v", err)
				}
			}
			if got := plug.Stats(); got.Connections != 1 || got.Answers != 4 {
				t.Errorf("stats are %+v", got)
			}
		})
	}
}

func TestTheHeader(t *testing.T) {
	t.Parallel()
	body := kasa.Encrypt([]byte(sysinfo))
	headed := func(size int) []byte { return append(binary.BigEndian.AppendUint32(nil, uint32(size)), body...) }
	for name, size := range map[string]int{"zero": 0, "too short": len(body) - 1, "too long": len(body) + 1, "absurd": 1 << 31} {
		t.Run(name+" is ignored by hardware 1", func(t *testing.T) {
			conn := dial(t, startPlug(t, emulator.Spec{Model: emulator.HS110HW1}, emulator.Options{}))
			write(t, conn, headed(size))
			if _, err := kasa.ReadFrame(conn, kasa.MaxFrame); err != nil {
				t.Error(err)
			}
		})
		t.Run(name+" gets no answer from hardware 4", func(t *testing.T) {
			conn := dial(t, startPlug(t, emulator.Spec{Model: emulator.HS110HW4}, emulator.Options{}))
			write(t, conn, headed(size))
			silence(t, conn)
		})
	}
}

func TestARequestInPiecesIsPutTogether(t *testing.T) {
	t.Parallel()
	frame := kasa.AppendFrame(nil, []byte(both))
	for _, model := range emulator.Models() {
		for name, cut := range map[string][]int{"header and body": {4}, "within the header": {2}, "byte by byte": nil} {
			t.Run(string(model)+" "+name, func(t *testing.T) {
				conn := dial(t, startPlug(t, emulator.Spec{Model: model}, emulator.Options{}))
				if cut == nil {
					for i := range frame {
						write(t, conn, frame[i:i+1])
					}
				} else {
					write(t, conn, frame[:cut[0]])
					silence(t, conn)
					write(t, conn, frame[cut[0]:])
				}
				if _, err := kasa.ReadFrame(conn, kasa.MaxFrame); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

func TestWhatIsNotUnderstoodIsNotAnswered(t *testing.T) {
	t.Parallel()
	for _, model := range emulator.Models() {
		t.Run(string(model), func(t *testing.T) {
			plug := startPlug(t, emulator.Spec{Model: model}, emulator.Options{IdleTimeout: 50 * time.Millisecond})
			for _, frame := range [][]byte{
				kasa.AppendFrame(nil, []byte(`{"system":{"get_sysinfo":`)),
				kasa.AppendFrame(nil, []byte(`[1,2]`)),
				[]byte("GET / HTTP/1.1\r\n\r\n"),
			} {
				conn := dial(t, plug)
				_, _ = conn.Write(frame) // it may be idle for too long already
				if n, err := io.ReadFull(conn, make([]byte, 1)); n != 0 {
					t.Errorf("%q is answered", frame)
				} else if errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("after the idle timeout: %v", err)
				}
			}
			testserver.Eventually(t, patience, func() error { // likewise
				_, err := once(t, plug, sysinfo)
				return err
			})
		})
	}
}

func TestAnEndlessRequestIsGivenUp(t *testing.T) {
	t.Parallel()
	for _, model := range emulator.Models() {
		t.Run(string(model), func(t *testing.T) {
			plug := startPlug(t, emulator.Spec{Model: model}, emulator.Options{IdleTimeout: 50 * time.Millisecond})
			conn := dial(t, plug)
			junk := kasa.AppendFrame(nil, []byte(`{"system":"`+strings.Repeat("x", 40<<10)))
			_, _ = conn.Write(junk) // may be cut off in the middle
			if _, err := exchange(dial(t, plug), sysinfo); err != nil {
				t.Errorf("the next client: %v", err)
			}
		})
	}
}

func TestOneClientAtATime(t *testing.T) {
	t.Parallel()
	plug := startPlug(t, emulator.Spec{Model: emulator.HS110HW4}, emulator.Options{})
	first := dial(t, plug)
	if _, err := exchange(first, sysinfo); err != nil {
		t.Fatal(err)
	}
	second := dial(t, plug)
	write(t, second, kasa.AppendFrame(nil, []byte(sysinfo)))
	silence(t, second)
	if _, err := exchange(first, sysinfo); err != nil {
		t.Fatalf("the first client: %v", err)
	}
	_ = first.Close()
	if _, err := kasa.ReadFrame(second, kasa.MaxFrame); err != nil {
		t.Errorf("the second client, when its turn came: %v", err)
	}
}

func TestAnIdleClientLosesItsTurn(t *testing.T) {
	plug := startPlug(t, emulator.Spec{Model: emulator.HS110HW4}, emulator.Options{IdleTimeout: 30 * time.Millisecond})
	wantEnd(t, dial(t, plug))
}

// counted counts the writes that a plug makes.
type counted struct {
	net.Conn
	writes []int
}

func (c *counted) Write(b []byte) (int, error) {
	c.writes = append(c.writes, len(b))
	return c.Conn.Write(b)
}

func TestLargeAnswersLeaveInSegments(t *testing.T) {
	plug := newPlug(t, emulator.Spec{ID: "strip-1", Model: emulator.HS300}, emulator.Options{})
	client, server := net.Pipe()
	segments := &counted{Conn: server}
	done := make(chan struct{})
	go func() { plug.ServeConn(t.Context(), segments); close(done) }()
	request := `{"system":{"get_sysinfo":{}},"emeter":{"get_realtime":{}},"cnCloud":{"get_info":{}},"time":{"get_time":{},"get_timezone":{}}}`
	if _, err := exchange(client, request); err != nil {
		t.Fatal(err)
	}
	_ = client.Close()
	<-done
	if n := len(segments.writes); n != 2 || segments.writes[0] != 1448 {
		t.Errorf("segments of %v bytes", segments.writes)
	}
}

func TestDiscoveryAnswersDatagrams(t *testing.T) {
	for _, model := range emulator.Models() {
		t.Run(string(model), func(t *testing.T) {
			plug := startPlug(t, emulator.Spec{Model: model}, emulator.Options{Discovery: true})
			conn, err := new(net.Dialer).DialContext(t.Context(), "udp", plug.Addr())
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
			_ = conn.SetDeadline(time.Now().Add(patience))
			write(t, conn, []byte("noise"))
			write(t, conn, kasa.Encrypt([]byte(sysinfo)))
			datagram := make([]byte, 4096)
			n, err := conn.Read(datagram)
			if err != nil {
				t.Fatal(err)
			}
			text := string(kasa.Decrypt(datagram[:n]))
			if !strings.HasPrefix(text, `{"system":{"get_sysinfo":{"sw_ver"`) {
				t.Errorf("got %s", text)
			}
			if model == emulator.HS300 && !strings.Contains(text, `{"id":"05",`) {
				t.Errorf("children are not cut to two digits in %s", text)
			}
		})
	}
}
