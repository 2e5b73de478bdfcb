package broker_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/wattline/wattline/internal/broker"
)

// childEnv makes the test binary a broker with the options that it holds.
const childEnv = "WATTLINE_TEST_BROKER"

func TestMain(m *testing.M) {
	if text := os.Getenv(childEnv); text != "" {
		os.Exit(runChild(text))
	}
	goleak.VerifyTestMain(m)
}

// runChild runs a broker until its standard input ends, and says by a line on its
// standard output that it is ready: the address of its listener for NATS clients.
func runChild(text string) int {
	var options broker.Options
	if err := json.Unmarshal([]byte(text), &options); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	options.Log = slog.New(slog.NewTextHandler(os.Stderr, nil))
	b, err := broker.Start(context.Background(), options)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println(b.NATSAddr())
	_, _ = io.Copy(io.Discard, os.Stdin)
	if err := b.Close(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}
