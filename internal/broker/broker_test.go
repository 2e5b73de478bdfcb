package broker_test

import (
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/wattline/wattline/internal/broker"
)

func TestStart(t *testing.T) {
	for range 5 {
		dir := t.TempDir()
		for range 2 {
			began := time.Now()
			b, err := broker.Start(t.Context(), broker.Options{DataDir: dir, Log: slog.New(slog.NewTextHandler(os.Stderr, nil))})
			if err != nil {
				t.Fatal(err)
			}
			t.Log(b.URL(), time.Since(began))
			began = time.Now()
			if err := b.Close(); err != nil {
				t.Fatal(err)
			}
			t.Log("closed", time.Since(began))
		}
	}
}
