package api_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/wattline/wattline/api"
	"github.com/wattline/wattline/internal/access"
)

const attempt = "GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer guest\r\n\r\n"

// hold is what a process has taken: bytes that are in use, and goroutines.
type hold struct {
	bytes      uint64
	goroutines int
}

func held() hold {
	var memory runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&memory)
	return hold{memory.HeapAlloc, runtime.NumGoroutine()}
}

func TestWhoTriesForStreamsWithoutEndTakesNoMoreThanTheirSeats(t *testing.T) {
	const seats, clients, attemptsEach = 10, 4, 5000
	o := open(t, func(options *api.Options) { options.Live.SeatsEach = seats })
	o.guests.let("guest", inScope(t, access.Viewer, "hq"))
	for range seats {
		if got := o.listen(t, "guest", ""); got.StatusCode != http.StatusOK {
			t.Fatalf("status %d", got.StatusCode)
		}
	}
	o.servesOthers(t)
	before := held()
	var connections []net.Conn
	for range clients {
		connections = append(connections, o.dialFrom(t, "127.0.0.1"))
	}
	var trying sync.WaitGroup
	for _, conn := range connections {
		trying.Go(func() {
			if err := tryForStreams(conn, attemptsEach); err != nil {
				t.Error(err)
			}
		})
	}
	o.servesOthers(t)
	trying.Wait()
	o.servesOthers(t)
	after := held()
	if extra := after.goroutines - before.goroutines; extra > 4*clients {
		t.Errorf("%d more goroutines", extra)
	}
	const most = 8 << 20
	if after.bytes > before.bytes+most {
		t.Errorf("%d bytes were in use before and %d are after", before.bytes, after.bytes)
	}
	if got := o.listen(t, "", ""); got.StatusCode != http.StatusOK {
		t.Errorf("another one's stream is answered %d", got.StatusCode)
	}
}

// tryForStreams asks again and again on one connection, and is refused each time.
func tryForStreams(conn net.Conn, attempts int) error {
	answers := bufio.NewReader(conn)
	for range attempts {
		if err := conn.SetDeadline(time.Now().Add(hostilePatience)); err != nil {
			return err
		}
		if _, err := io.WriteString(conn, attempt); err != nil {
			return err
		}
		answer, err := http.ReadResponse(answers, nil)
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, answer.Body)
		if err = errors.Join(err, answer.Body.Close()); err != nil {
			return err
		}
		if answer.StatusCode != http.StatusTooManyRequests || answer.Header.Get("Retry-After") == "" {
			return fmt.Errorf("%s, Retry-After %q", answer.Status, answer.Header.Get("Retry-After"))
		}
	}
	return nil
}

func TestWhoOpensStreamsAndLeavesGivesTheirSeatsBack(t *testing.T) {
	const seats, times = 5, 500
	o := open(t, func(options *api.Options) { options.Live.SeatsEach = seats })
	o.guests.let("guest", inScope(t, access.Viewer, "hq"))
	for range times {
		conn := o.dialFrom(t, "127.0.0.1")
		_, _ = io.WriteString(conn, attempt) // whatever comes of it
		_ = conn.Close()
	}
	o.servesOthers(t)
	for range seats {
		eventually(t, "a seat", func() bool { return o.listen(t, "guest", "").StatusCode == http.StatusOK })
	}
}
