package testserver_test

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/wattline/wattline/internal/testserver"
)

func TestMosquitto(t *testing.T) {
	t.Parallel()

	t.Run("takes and gives messages from its start", func(t *testing.T) {
		t.Parallel()
		broker := testserver.Mosquitto(t, testserver.MosquittoOptions{})
		retain(t, broker, "plug/1", "on")
		wantRetained(t, broker, "plug/1", "on")
		if !strings.HasPrefix(broker.URL(), "mqtt://127.0.0.1:") {
			t.Errorf("URL is %q", broker.URL())
		}
	})

	t.Run("comes back empty on the same port after a kill", func(t *testing.T) {
		t.Parallel()
		broker := testserver.Mosquitto(t, testserver.MosquittoOptions{Lines: []string{"set_tcp_nodelay true"}})
		addr := broker.Addr()
		retain(t, broker, "plug/1", "on")
		broker.Kill()
		wantNobody(t, addr)
		broker.Start()
		if broker.Addr() != addr {
			t.Errorf("came back at %s, was at %s", broker.Addr(), addr)
		}
		wantRetained(t, broker, "plug/1", "")
	})

	t.Run("keeps its data over a stop if told to, until they are erased", func(t *testing.T) {
		t.Parallel()
		broker := testserver.Mosquitto(t, testserver.MosquittoOptions{Persistence: true})
		retain(t, broker, "plug/1", "on")
		broker.Stop()
		broker.Start()
		wantRetained(t, broker, "plug/1", "on")
		broker.Stop()
		broker.Erase()
		broker.Start()
		wantRetained(t, broker, "plug/1", "")
	})
}

func retain(t *testing.T, broker *testserver.MosquittoServer, topic, payload string) {
	t.Helper()
	output, err := broker.Client("mosquitto_pub", "-q", "1", "-r", "-t", topic, "-m", payload).CombinedOutput()
	if err != nil {
		t.Fatalf("publish: %v: %s", err, output)
	}
}

// wantRetained asks for one topic more, of the test's own, so that the absence
// of a retained message needs no waiting.
func wantRetained(t *testing.T, broker *testserver.MosquittoServer, topic, want string) {
	t.Helper()
	const mark = "mark"
	retain(t, broker, mark, mark)
	sub := broker.Client("mosquitto_sub", "-W", "10", "-C", "1", "-t", topic, "-t", mark)
	if want == "" {
		want = mark
	}
	got, err := sub.Output()
	if err != nil {
		var exit *exec.ExitError
		errors.As(err, &exit)
		t.Fatalf("subscribe: %v: %s", err, got)
	}
	if first := string(bytes.TrimSpace(got)); first != want {
		t.Errorf("the first retained message is %q, want %q", first, want)
	}
}

func wantNobody(t *testing.T, addr string) {
	t.Helper()
	testserver.Eventually(t, time.Second, func() error {
		var dialer net.Dialer
		conn, err := dialer.DialContext(t.Context(), "tcp", addr)
		if err != nil {
			return nil //nolint:nilerr // to be refused is what is wanted
		}
		return fmt.Errorf("somebody still listens at %s: %w", addr, conn.Close())
	})
}
