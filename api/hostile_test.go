package api_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/api"
	"github.com/wattline/wattline/internal/testserver"
)

// hostilePatience bounds every wait; what is waited for takes a small part of it.
const hostilePatience = 20 * time.Second

// besieged is a gateway that gives those who are slow little time.
func besieged(t *testing.T) *office {
	t.Helper()
	return open(t, func(options *api.Options) {
		options.Limits.HeaderTimeout, options.Limits.BodyTimeout = 400*time.Millisecond, 400*time.Millisecond
		options.Limits.ConnectionsOfOne = 200
	})
}

// dialFrom connects from an address of this machine, with an end to every wait.
func (o *office) dialFrom(t *testing.T, from string) net.Conn {
	t.Helper()
	dialer := net.Dialer{Timeout: hostilePatience, LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	conn, err := dialer.DialContext(t.Context(), "tcp", o.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(hostilePatience)); err != nil {
		t.Fatal(err)
	}
	return conn
}

// say sends bytes as they are, and returns all that comes back until the end of the
// connection.
func (o *office) say(t *testing.T, text string) string {
	t.Helper()
	conn := o.dialFrom(t, "127.0.0.1")
	// A server that has heard enough may close before all is sent.
	_, _ = io.WriteString(conn, text)
	heard, err := io.ReadAll(conn)
	if timeout := net.Error(nil); errors.As(err, &timeout) && timeout.Timeout() {
		t.Fatalf("the connection stays open after %.200q; heard %.200q", text, heard)
	}
	return string(heard)
}

// servesOthers makes requests on a connection from elsewhere.
func (o *office) servesOthers(t *testing.T) {
	t.Helper()
	conn := o.dialFrom(t, "127.0.0.2")
	defer conn.Close()
	for _, path := range []string{"/-/healthy", "/api/v1/devices/desk-1"} {
		fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", path)
		answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatalf("others are not served: %v", err)
		}
		if answer.StatusCode != http.StatusOK {
			t.Errorf("others get %s for %s", answer.Status, path)
		}
		_, _ = io.Copy(io.Discard, answer.Body)
		_ = answer.Body.Close()
	}
}

func TestSlowClientsAreCutOff(t *testing.T) {
	o := besieged(t)
	for name, beginning := range map[string]string{
		"at the header": "GET / HTTP/1.1\r\nHost: localhost\r\nX-", "before the header": "",
		"at the body": "PUT /api/v1/devices/desk-1/relay HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{",
	} {
		t.Run(name, func(t *testing.T) {
			const clients = 50
			var slow sync.WaitGroup
			for range clients {
				conn := o.dialFrom(t, "127.0.0.1")
				if _, err := io.WriteString(conn, beginning); err != nil {
					t.Fatal(err)
				}
				ctx, stop := context.WithCancel(t.Context())
				slow.Go(func() { dribble(ctx, conn) })
				slow.Go(func() {
					defer stop()
					_, err := io.Copy(io.Discard, conn)
					if timeout := net.Error(nil); errors.As(err, &timeout) && timeout.Timeout() {
						t.Error("it is still connected")
					}
				})
			}
			o.servesOthers(t)
			slow.Wait()
		})
	}
}

// dribble sends a byte now and then, for as long as it can.
func dribble(ctx context.Context, conn net.Conn) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if _, err := conn.Write([]byte("a")); err != nil {
				return
			}
		}
	}
}

func TestTenThousandIdleConnectionsOfOneClientLeaveRoomForOthers(t *testing.T) {
	o := open(t, func(options *api.Options) {
		options.Limits.ConnectionsOfOne = 500
		options.Limits.HeaderTimeout, options.Limits.BodyTimeout = time.Minute, time.Minute // none is cut off meanwhile
	})
	const idle = 10_000
	for i := range idle {
		o.dialFrom(t, "127.0.0.1")
		if i%2_500 == 0 {
			o.servesOthers(t)
		}
	}
	o.servesOthers(t)
	metrics := string(o.get(t, "/metrics").body)
	if !strings.Contains(metrics, fmt.Sprintf("wattline_api_connections_refused_total %d", idle-500)) {
		t.Error("not all beyond the bound were refused")
	}
}

func TestAClientThatClosesConnectionsMayOpenOthers(t *testing.T) {
	o := open(t, func(options *api.Options) {
		options.Limits.ConnectionsOfOne = 2
		options.Proxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.3/32")}
	})
	served := func(from string) (net.Conn, error) {
		conn := o.dialFrom(t, from)
		_, _ = io.WriteString(conn, "GET /-/healthy HTTP/1.1\r\nHost: localhost\r\n\r\n") // a refused one is closed by now
		answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err == nil {
			_ = answer.Body.Close()
		}
		return conn, err
	}
	var open []net.Conn
	for range 2 {
		conn, err := served("127.0.0.1")
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, conn)
	}
	if _, err := served("127.0.0.1"); err == nil {
		t.Error("a third is served")
	}
	_ = open[0].Close()
	testserver.Eventually(t, hostilePatience, func() error {
		_, err := served("127.0.0.1")
		return err
	})
	for range 5 {
		if _, err := served("127.0.0.3"); err != nil {
			t.Errorf("a trusted proxy is bounded: %v", err)
		}
	}
}

func TestOversizedRequestsAreRefused(t *testing.T) {
	o := besieged(t)
	const size = 64 << 10
	for name, text := range map[string]string{
		"a header of 64 KB": "GET /-/healthy HTTP/1.1\r\nHost: localhost\r\nX-A: " + strings.Repeat("a", size) + "\r\n\r\n",
		"a path of 64 KB":   "GET /" + strings.Repeat("a", size) + " HTTP/1.1\r\nHost: localhost\r\n\r\n",
		"many headers":      "GET /-/healthy HTTP/1.1\r\nHost: localhost\r\n" + strings.Repeat("X-A: a\r\n", size/8) + "\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			if got := o.say(t, text); !strings.HasPrefix(got, "HTTP/1.1 431 ") {
				t.Errorf("answers %.200q", got)
			}
			o.servesOthers(t)
		})
	}
	t.Run("a body of 2 MB", func(t *testing.T) {
		a := o.do(t, http.MethodPost, "/api/v1/commands", strings.Repeat(" ", 2<<20))
		wantProblem(t, a, wattline.CodeTooLarge, "")
	})
}

// Whatever the path is written like, nobody gets past the door or to a file.
func TestPathTricksLeadNowhere(t *testing.T) {
	o := besieged(t)
	for _, target := range []string{
		"/api/v1/devices/../devices", "/-/../api/v1/devices", "/-/healthy/../../api/v1/devices", "/api/v1//devices", "//api/v1/devices",
		"/./api/v1/devices", "/api/v1/devices%2f", "/api%2fv1%2fdevices", "/-/healthy%2f..%2f..%2fapi%2fv1%2fdevices",
		"/api/v1/devices/..%2f..%2f..%2fetc%2fpasswd", "/docs/../../../../etc/passwd", "/docs/..%2f..%2f..%2fgo.mod", "/docs/%2e%2e/%2e%2e/go.mod",
		`/docs/..\..\go.mod`, "/docs/..%5c..%5cgo.mod", "/api/v1/devices/desk-1%00", "/api/v1/devices/desk-1;a=b", "/api/v1/devices/%ff%fe",
		"/API/V1/DEVICES", "/api/v1/devices?", "/api/v1/devices/desk-1%2frelay", "http://localhost/api/v1/devices", "https://evil.example/api/v1/devices",
		"*", "/%", "/%zz", "/metrics/", "/metrics%20", "/metrics", "/docs/rapidoc-min.js/..", "/docs/web/docs.html",
	} {
		t.Run(target, func(t *testing.T) {
			got := o.say(t, "GET "+target+" HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer nobody\r\nConnection: close\r\n\r\n")
			if !strings.HasPrefix(got, "HTTP/1.1 4") {
				t.Errorf("answers %.300q", got)
			}
			for _, secret := range []string{"root:", "module github.com", "desk-1\"", "wattline_api"} {
				if strings.Contains(got, secret) {
					t.Errorf("tells %q", secret)
				}
			}
		})
	}
}

func TestHeadersCannotBeSplit(t *testing.T) {
	o := besieged(t)
	t.Run("into an answer", func(t *testing.T) {
		const split = "x%0d%0aSet-Cookie:%20stolen=1%0d%0a%0d%0a<html>"
		for _, target := range []string{
			"/" + split, "/api/v1/devices?kind=" + split, "/api/v1/devices/" + split, "/api/v1/readings?device=desk-1&format=csv&tz=" + split,
			"/api/v1/components/weather/" + split,
		} {
			got := o.say(t, "GET "+target+" HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: a\rSet-Cookie: stolen=1\r\nConnection: close\r\n\r\n") +
				o.say(t, "GET "+target+" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
			if strings.Contains(got, "\r\nSet-Cookie") || strings.Contains(got, "<html>") {
				t.Errorf("%s answers %.500q", target, got)
			}
		}
	})
	for name, head := range map[string]string{
		"two lengths":               "Content-Length: 0\r\nContent-Length: 40\r\n\r\n",
		"a length and chunks":       "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"chunks written otherwise":  "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
		"chunks of another version": "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
		"a space before the colon":  "Content-Length : 0\r\n\r\n",
		"two hosts":                 "Host: evil.example\r\n\r\n",
	} {
		t.Run("nor a second request smuggled in by "+name, func(t *testing.T) {
			got := o.say(t, "POST /api/v1/commands HTTP/1.1\r\nHost: localhost\r\n"+head+
				"GET /-/healthy HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
			if strings.Count(got, "HTTP/1.1 ") != 1 {
				t.Errorf("two requests were served: %.400q", got)
			}
		})
	}
	o.servesOthers(t)
}

func TestCompressedBombsAreNotOpened(t *testing.T) {
	o := besieged(t)
	var bomb bytes.Buffer
	pack := gzip.NewWriter(&bomb)
	for range 100 {
		_, _ = pack.Write(make([]byte, 1<<20))
	}
	_ = pack.Close()
	for _, encoding := range []string{"gzip", "x-gzip", "deflate", "br", "zstd", "gzip, gzip", "identity, gzip"} {
		r := request(http.MethodPost, "/api/v1/commands", bomb.String())
		r.Header.Set("Content-Encoding", encoding)
		a := o.send(t, r)
		wantProblem(t, a, wattline.CodeUnsupportedMediaType, "")
		if reason := a.problem(t).Detail; !strings.Contains(reason, "must not be compressed") {
			t.Errorf("%s: %s", encoding, reason)
		}
	}
}
