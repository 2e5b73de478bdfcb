package e2e_test

import (
	"slices"
	"testing"

	"github.com/wattline/wattline/openapi/asyncapi/asyncapitest"
)

// described holds all that a recorder heard below wattline/ against the description
// of the topics, and wants something of every channel but those for trouble.
func described(t *testing.T, heard *recorder) {
	validator, err := asyncapitest.New()
	if err != nil {
		t.Fatal(err)
	}
	silent := validator.Channels()
	for _, m := range heard.messages() {
		channel, err := validator.Check(m.topic, []byte(m.payload))
		if err != nil {
			t.Errorf("%s: %v\n%s", m.topic, err, m.payload)
		}
		silent = slices.DeleteFunc(silent, func(name string) bool { return name == channel })
	}
	for _, name := range silent {
		if name != "droppedEvent" && name != "skewEvent" {
			t.Errorf("nothing was heard on %s", name)
		}
	}
}
