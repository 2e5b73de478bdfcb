package bus_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/wattline/wattline/internal/bus/bustest"
	"github.com/wattline/wattline/internal/testserver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestOverMosquitto(t *testing.T) {
	bustest.Run(t, func(t *testing.T) bustest.Harness {
		server := testserver.Mosquitto(t, testserver.MosquittoOptions{})
		return bustest.Harness{
			URLs:    []string{server.URL()},
			Kill:    server.Kill,
			Restart: server.Start,
		}
	})
}
