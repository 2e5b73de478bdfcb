package e2e_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/wattline/wattline/openapi/openapitest"
)

// TestARunningOfficeAnswersAsDescribed draws requests to each operation from the
// description, right and wrong ones, and holds what a whole running office answers
// against it: what its components tell as well as what the gateway itself does.
func TestARunningOfficeAnswersAsDescribed(t *testing.T) {
	t.Parallel()
	e := startEmulator(t, "--plugs", "2")
	o := newOffice(t, "networks: [127.0.0.0/8]")
	o.declare(e.devices...)
	o.up()
	o.waitUp("desk-1", "desk-2")
	validator, err := openapitest.New()
	if err != nil {
		t.Fatal(err)
	}
	const each = 12
	for _, operation := range validator.Operations() {
		drawn := rapid.Custom(func(rt *rapid.T) openapitest.Drawn { return validator.Draw(rt, operation, officeWords()) })
		for seed := range each {
			asked := drawn.Example(seed)
			got, header, err := o.ask(t, asked)
			if operation.ID == "streamEvents" || operation.ID == "openSocket" { // which have no end
				continue
			}
			if err == nil && got.status != http.StatusNotModified {
				described, _ := http.NewRequestWithContext(t.Context(), asked.Method, asked.Path, http.NoBody)
				err = validator.Response(described, got.status, header, got.body)
			}
			if err != nil || got.status == http.StatusInternalServerError {
				t.Errorf("%s %s?%s %v %q: %d %.300s: %v", asked.Method, asked.Path, asked.Query, asked.Header, asked.Body, got.status, got.body, err)
			}
		}
	}
}

// ask sends a request as it was drawn.
func (o *office) ask(t *testing.T, drawn openapitest.Drawn) (answer, http.Header, error) {
	t.Helper()
	longest := requestPatience
	if drawn.Operation.ID == "streamEvents" {
		longest = 50 * time.Millisecond
	}
	ctx, cancel := context.WithTimeout(t.Context(), longest)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, drawn.Method, o.base+drawn.Path+"?"+drawn.Query, strings.NewReader(drawn.Body))
	if err != nil {
		return answer{}, nil, fmt.Errorf("it cannot be sent: %w", err)
	}
	for name, value := range drawn.Header {
		r.Header.Set(name, value)
	}
	r.Header.Set("Authorization", "Bearer "+o.token)
	r.Close = true
	response, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		return answer{}, nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return answer{response.StatusCode, body}, response.Header, err
}

// officeWords are texts that mean something in the office of two desks.
func officeWords() openapitest.Words {
	return openapitest.Words{
		Any: []string{"desk-1", "desk-2", "lamp-1", "hq", "hq/f1", "workstation", "archive", "wattline"},
		Of: map[string][]string{
			"id": {"desk-1", "desk-2", "lamp-1"}, "ids": {"desk-1", "desk-2"}, "device": {"desk-1", "desk-2"}, "devices": {"desk-1"},
			"kind": {"workstation"}, "location": {"hq", "hq/f1"}, "site": {"hq"}, "address": {"127.0.0.9"}, "label": {"floor:1"}, "value": {"1"},
			"row": {"1"}, "column": {"2"}, "type": {"w", "reading"}, "poll": {"5s"}, "protected": {"locked"}, "reason": {"moved"},
			"name": {"ana", "history", "registry"}, "password": {"correct horse battery"}, "role": {"viewer"}, "scope": {"*"}, "expires": {"90d"},
			"networks": {"127.0.0.0/30"}, "from": {"today", "-1h"}, "to": {"now"}, "op": {"mean", "max", "top", "mode", "sample"},
			"group_by": {"kind", "device", "all", "location:2"}, "tz": {"Europe/Madrid"}, "verb": {"list", "readings"}, "hook": {"archive"},
			"If-Match": {"*"}, "If-None-Match": {"*"}, "cursor": nil, "Last-Event-ID": nil, "last_event_id": nil,
		},
	}
}
