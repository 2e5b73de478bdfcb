package broker_test

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wattline/wattline/internal/broker"
	"github.com/wattline/wattline/internal/broker/internal/wire"
	"github.com/wattline/wattline/internal/testserver"
)

func TestTheServersLog(t *testing.T) {
	t.Run("levels are mapped, traces are not kept", func(t *testing.T) {
		log := &testserver.Text{}
		server := broker.NewServerLog(log.Logger(slog.LevelDebug), nil)
		server.Noticef("a %s", "notice")
		server.Warnf("a warning")
		server.Errorf("an error")
		server.Tracef("a payload")
		for level, message := range map[string]string{"DEBUG": "a notice", "WARN": "a warning", "ERROR": "an error"} {
			want := fmt.Sprintf("level=%s msg=\"broker's server\" said=%q", level, message)
			if !strings.Contains(log.String(), want) {
				t.Errorf("%s is not in %s", want, log)
			}
		}
		if strings.Contains(log.String(), "payload") {
			t.Errorf("a trace is in %s", log)
		}
	})
	t.Run("a flood of errors is counted", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			log := &testserver.Text{}
			server := broker.NewServerLog(log.Logger(slog.LevelDebug), nil)
			for range 1000 {
				server.Errorf("a bad client")
			}
			if n := strings.Count(log.String(), "a bad client"); n != 20 {
				t.Errorf("%d of 1000 errors are logged, want 20", n)
			}
			time.Sleep(10 * time.Second)
			server.Errorf("a bad client")
			if !strings.Contains(log.String(), "suppressed=980") {
				t.Errorf("what was suppressed is not said: %s", log)
			}
		})
	})
	t.Run("a fatal message keeps its cause and ends nothing", func(t *testing.T) {
		var got error
		server := broker.NewServerLog(slog.New(slog.DiscardHandler), func(err error) { got = err })
		server.Fatalf("unable to listen: %v", &net.OpError{Op: "listen", Err: syscall.EADDRINUSE})
		if !errors.Is(got, syscall.EADDRINUSE) || !strings.HasPrefix(got.Error(), "unable to listen: ") {
			t.Errorf("got %v", got)
		}
	})
}

func TestNothingSecretIsLogged(t *testing.T) {
	log := &testserver.Text{}
	b := start(t, broker.Options{Log: log.Logger(slog.LevelDebug)})
	client := connect(t, b.URL(), wire.Connect{ClientID: "client", Username: "somebody", Password: "the password"})
	publish(t, client, wire.Publish{Topic: "a", Payload: []byte("the payload"), QoS: 1, Retain: true})
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"the password", "the payload"} {
		if strings.Contains(log.String(), secret) {
			t.Errorf("%q is in the log", secret)
		}
	}
	if !strings.Contains(log.String(), "client") {
		t.Error("the client is not in the log at debug level")
	}
}
