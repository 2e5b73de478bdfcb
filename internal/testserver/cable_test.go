package testserver_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/wattline/wattline/internal/testserver"
)

func TestCable(t *testing.T) {
	t.Parallel()

	t.Run("carries both ways, the ends included", func(t *testing.T) {
		t.Parallel()
		heard := make(chan string, 10)
		conn := dial(t, testserver.NewCable(t, echo(t, heard)))
		say(t, conn, "hello\n")
		wantLine(t, conn, "hello\n")
		if err := conn.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if rest, err := io.ReadAll(conn); err != nil || len(rest) > 0 {
			t.Errorf("after the end came %q, %v", rest, err)
		}
	})

	t.Run("severed, it breaks every connection until it is mended", func(t *testing.T) {
		t.Parallel()
		cable := testserver.NewCable(t, echo(t, make(chan string, 10)))
		before := dial(t, cable)
		say(t, before, "hello\n")
		wantLine(t, before, "hello\n")
		cable.Sever()
		if n, err := before.Read(make([]byte, 1)); n > 0 || !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("read %d, %v, want a reset", n, err)
		}
		if conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", cable.Addr()); err == nil {
			_, err = conn.Read(make([]byte, 1))
			if _ = conn.Close(); !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("a new connection: %v, want a reset", err)
			}
		}
		cable.Mend()
		after := dial(t, cable)
		say(t, after, "again\n")
		wantLine(t, after, "again\n")
	})

	t.Run("stalled, it holds what is sent and lets it go on when mended", func(t *testing.T) {
		t.Parallel()
		heard := make(chan string, 10)
		cable := testserver.NewCable(t, echo(t, heard))
		conn := dial(t, cable)
		say(t, conn, "before\n")
		wantLine(t, conn, "before\n")
		cable.Stall()
		say(t, conn, "held\n")
		wantSilence(t, conn)
		cable.Mend()
		wantLine(t, conn, "held\n")
	})

	t.Run("what is under way is lost when the sender breaks off, and arrives when it closes", func(t *testing.T) {
		t.Parallel()
		heard := make(chan string, 10)
		cable := testserver.NewCable(t, echo(t, heard))
		breaks, closes, witness := dial(t, cable), dial(t, cable), dial(t, cable)
		for _, conn := range []net.Conn{breaks, closes, witness} {
			say(t, conn, "hello\n")
			wantLine(t, conn, "hello\n")
			<-heard
		}
		cable.Stall()
		say(t, breaks, "lost\n")
		say(t, closes, "late\n")
		wantSilence(t, witness) // time for both to be under way
		if err := breaks.SetLinger(0); err != nil {
			t.Fatal(err)
		}
		_, _ = breaks.Close(), closes.Close()
		testserver.Eventually(t, 10*time.Second, func() error {
			if open := cable.Open(); open != 2 {
				return fmt.Errorf("%d connections are open, want the one that closed and the witness", open)
			}
			return nil
		})
		cable.Mend()
		if got := <-heard; got != "late\n" {
			t.Errorf("the server heard %q", got)
		}
		say(t, witness, "end\n")
		if got := <-heard; got != "end\n" {
			t.Errorf("the server heard %q", got)
		}
	})

	t.Run("delays what comes back", func(t *testing.T) {
		t.Parallel()
		cable := testserver.NewCable(t, echo(t, make(chan string, 10)))
		conn := dial(t, cable)
		const delay = 200 * time.Millisecond
		cable.Delay(delay)
		begun := time.Now()
		say(t, conn, "late\n")
		wantLine(t, conn, "late\n")
		if took := time.Since(begun); took < delay {
			t.Errorf("the answer came after %v", took)
		}
	})
}

// echo is a server that answers each line with itself.
func echo(t *testing.T, heard chan<- string) (addr string) {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				for lines := bufio.NewReader(conn); ; {
					line, err := lines.ReadString('\n')
					if err != nil {
						return
					}
					heard <- line
					_, _ = io.WriteString(conn, line)
				}
			}()
		}
	}()
	return listener.Addr().String()
}

func dial(t *testing.T, cable *testserver.Cable) *net.TCPConn {
	t.Helper()
	dialled, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", cable.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = dialled.Close() })
	conn, ok := dialled.(*net.TCPConn)
	if !ok {
		t.Fatalf("%T is no TCP connection", dialled)
	}
	return conn
}

func say(t *testing.T, conn net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
}

func wantLine(t *testing.T, conn net.Conn, want string) {
	t.Helper()
	got := make([]byte, len(want))
	if _, err := io.ReadFull(conn, got); err != nil || string(got) != want {
		t.Errorf("read %q, %v, want %q", got, err, want)
	}
}

func wantSilence(t *testing.T, conn net.Conn) {
	t.Helper()
	if err := conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if n, err := conn.Read(make([]byte, 1)); n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("read %d, %v, want silence", n, err)
	}
	if err := conn.SetReadDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
}
