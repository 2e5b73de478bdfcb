package broker_test

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/wattline/wattline/internal/broker"
	"github.com/wattline/wattline/internal/broker/internal/wire"
)

func TestABrokerWhoseDiskRefusesToWriteEndsWithTheReason(t *testing.T) {
	server := newChild(t, broker.Options{})
	server.start()
	client := connect(t, server.url(), wire.Connect{ClientID: "owner"})
	if _, err := io.WriteString(server.stdin, diskFull+"\n"); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- server.cmd.Wait() }()
	// What is published now is refused by the disk at the latest when a file's
	// block is full; the publisher is kept waiting from then on.
	go func() {
		for i := 0; ; i++ {
			topic := fmt.Sprintf("wattline/data/hq/desk-%d", i)
			if _, err := client.Publish(wire.Publish{Topic: topic, Payload: make([]byte, 512), QoS: 1, Retain: true}); err != nil {
				return
			}
		}
	}()
	select {
	case err := <-ended:
		if err == nil {
			t.Error("the broker ended without a fault")
		}
	case <-time.After(patience):
		t.Fatal("the broker goes on")
	}
	if text := server.stderr.String(); !strings.Contains(text, "it cannot store any more") {
		t.Error(text)
	}
}
