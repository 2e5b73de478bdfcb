package broker_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"syscall"
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

// diskFull is the line on its standard input that lets no file of a child grow.
const diskFull = "disk full"

// runChild runs a broker until its standard input ends or it fails, and says by a
// line on its standard output that it is ready: the address of its listener for
// NATS clients.
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
	go func() {
		if err := b.Wait(context.Background()); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}()
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		if lines.Text() != diskFull {
			continue
		}
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 4096, Max: 4096}); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	if err := b.Close(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}
