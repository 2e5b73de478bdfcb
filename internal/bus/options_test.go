package bus

import (
	"strings"
	"testing"
	"time"

	"github.com/wattline/wattline"
)

func TestBrokersAreTheTwoKindsOfURLAndHoldNoPassword(t *testing.T) {
	for text, want := range map[string]string{
		"mqtt://host":            "mqtt://host:1883",
		"mqtt://host:1884":       "mqtt://host:1884",
		"mqtts://host/":          "mqtts://host:8883",
		"mqtts://user@host:9":    "mqtts://host:9",
		"mqtt://[::1]":           "mqtt://[::1]:1883",
		"mqtt://u:secret@host":   "",
		"mqtt://u:@host":         "",
		"mqtt://u:sec ret@host":  "",
		"mqtt://:%zzsecret@host": "",
		"tcp://host:1883":        "",
		"ws://host":              "",
		"host:1883":              "",
		"mqtt:host":              "",
		"mqtt://":                "",
		"mqtt://:1883":           "",
		"mqtt://host:0":          "",
		"mqtt://host:65536":      "",
		"mqtt://host:x":          "",
		"mqtt://host/path":       "",
		"mqtt://host?a=b":        "",
		"mqtt://host#a":          "",
		"":                       "",
	} {
		got, err := parseBroker(text)
		switch {
		case want == "" && err == nil:
			t.Errorf("%q is taken for %v", text, got)
		case want != "" && (err != nil || got.String() != want):
			t.Errorf("%q is %v, %v, want %s", text, got, err, want)
		case err != nil && strings.Contains(err.Error(), "secret"):
			t.Errorf("the error gives the secret away: %v", err)
		}
	}
	if got, _ := parseBroker("mqtts://user@host"); got.user != "user" || !got.secure || got.host != "host" {
		t.Errorf("it is %+v", got)
	}
}

func TestEveryFaultOfTheOptionsIsTold(t *testing.T) {
	_, err := New(Options{Instance: "A/B", Brokers: []string{"mqtt://ok", "mqtt://u:secret@host"}})
	known := wattline.AsError(err)
	if known == nil || known.Code != wattline.CodeInvalid || len(known.Fields) != 2 ||
		known.Fields[0].Field != "instance" || known.Fields[1].Field != "broker[1]" {
		t.Errorf("the error is %v", err)
	}
	if strings.Contains(err.Error(), "secret") {
		t.Errorf("the error gives the secret away: %v", err)
	}
	if _, err := New(Options{Instance: "a"}); err == nil {
		t.Error("there need be no broker")
	}
}

func TestAComplaintIsMadeOnceAMinute(t *testing.T) {
	var c complaints
	now := time.Now()
	for i, want := range []bool{true, false, false, true, false} {
		if got := c.due("x", now.Add(time.Duration(i)*20*time.Second)); got != want {
			t.Errorf("after %d s: %v", i*20, got)
		}
	}
	if !c.due("y", now) {
		t.Error("another subject has to wait")
	}
}

func TestAQueueIsBoundedInItemsAndInBytes(t *testing.T) {
	q := newQueue[Message](2)
	large := Message{Payload: make([]byte, maxQueuedBytes+1)}
	if !q.push(large) {
		t.Error("an item larger than the room does not get into an empty queue")
	}
	if q.push(Message{Payload: []byte("x")}) {
		t.Error("the bound in bytes does not hold")
	}
	q.taken(<-q.items)
	for i, want := range []bool{true, true, false} {
		if q.push(Message{}) != want {
			t.Errorf("item %d: the bound does not hold", i)
		}
	}
}
