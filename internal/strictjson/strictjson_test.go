package strictjson_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/strictjson"
)

type inner struct {
	Kind string `json:"kind"`
}

type document struct {
	State  string            `json:"state"`
	Count  int               `json:"count,omitempty"`
	IDs    []string          `json:"ids,omitempty"`
	Labels map[string]string `json:"labels,omitempty"`
	Power  wattline.Milli    `json:"power_w,omitempty"`
	Time   wattline.Time     `json:"time,omitzero"`
	Inner  *inner            `json:"inner,omitempty"`
	Items  []inner           `json:"items,omitempty"`
	Body   json.RawMessage   `json:"body,omitempty"`
	Bytes  []byte            `json:"bytes,omitempty"`
}

func TestBytesAreATextInBase64(t *testing.T) {
	var got document
	if err := strictjson.Decode([]byte(`{"state":"on","bytes":"AQI="}`), &got); err != nil || string(got.Bytes) != "\x01\x02" {
		t.Errorf("%v, %v", got.Bytes, err)
	}
}

func TestDecodeRefusesWithTheFieldAndTheReason(t *testing.T) {
	for name, c := range map[string]struct{ in, field, reason string }{
		"nothing":                 {``, "body", "is not valid JSON"},
		"no object":               {`[]`, "body", "must be an object, not an array"},
		"null":                    {`null`, "body", "must not be null"},
		"cut off":                 {`{"state":"on"`, "body", "is not valid JSON"},
		"bytes after the end":     {`{"state":"on"} x`, "body", "is not valid JSON"},
		"a second document":       {`{"state":"on"}{}`, "body", "is not valid JSON"},
		"a duplicate key":         {`{"state":"on","state":"off"}`, "state", "is given twice"},
		"an unknown key":          {`{"state":"on","stat":1}`, "stat", "is not a known field"},
		"a key in another case":   {`{"State":"on"}`, "State", "is not a known field"},
		"a missing field":         {`{}`, "state", "is missing"},
		"a null field":            {`{"state":null}`, "state", "must not be null"},
		"a null optional field":   {`{"state":"on","count":null}`, "count", "must not be null"},
		"a number as a string":    {`{"state":"on","count":"3"}`, "count", "must be a whole number, not a string"},
		"a string as a number":    {`{"state":3}`, "state", "must be a string, not this number"},
		"a fraction for an int":   {`{"state":"on","count":1.5}`, "count", "must be a whole number"},
		"NaN":                     {`{"state":"on","power_w":NaN}`, "power_w", "is not valid JSON"},
		"a quantity as a string":  {`{"state":"on","power_w":"1"}`, "power_w", "must be a finite decimal number"},
		"an absurd quantity":      {`{"state":"on","power_w":1e300}`, "power_w", "must be a finite decimal number"},
		"the year 9999":           {`{"state":"on","time":"9999-01-01T00:00:00Z"}`, "time", "must lie between"},
		"no time":                 {`{"state":"on","time":"yesterday"}`, "time", "must be an RFC 3339 time"},
		"a wrong item":            {`{"state":"on","ids":["a",2]}`, "ids[1]", "must be a string, not this number"},
		"a missing field inside":  {`{"state":"on","inner":{}}`, "inner.kind", "is missing"},
		"a missing field in item": {`{"state":"on","items":[{"kind":"a"},{}]}`, "items[1].kind", "is missing"},
		"invalid UTF-8":           {"{\"state\":\"\xff\"}", "state", "is not valid JSON"},
	} {
		t.Run(name, func(t *testing.T) {
			var into document
			err := strictjson.Decode([]byte(c.in), &into)
			var known *wattline.Error
			if !errors.As(err, &known) || known.Code != wattline.CodeInvalid || len(known.Fields) == 0 {
				t.Fatalf("got %v", err)
			}
			got := known.Fields[0]
			if got.Field != c.field || !strings.Contains(got.Reason, c.reason) {
				t.Errorf("got %q %q, want %q %q", got.Field, got.Reason, c.field, c.reason)
			}
		})
	}
}

func TestDecodeReadsWhatIsRight(t *testing.T) {
	var got document
	err := strictjson.Decode([]byte(` {"state":"on","count":3,"ids":["a"],"labels":{"x":"y"},"power_w":1.5,
		"time":"2026-03-29T02:30:00+01:00","inner":null,"items":[{"kind":"k"}],"body":{"any":[1,null]}} `), &got)
	if err != nil {
		t.Fatal(err)
	}
	at, err := wattline.ParseTime("2026-03-29T01:30:00Z")
	if err != nil {
		t.Fatal(err)
	}
	want := document{
		State: "on", Count: 3, IDs: []string{"a"}, Labels: map[string]string{"x": "y"}, Power: 1500, Time: at,
		Items: []inner{{Kind: "k"}}, Body: json.RawMessage(`{"any":[1,null]}`),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestDecodeLooseLetsUnknownNamesPassAndNothingElse(t *testing.T) {
	var got document
	if err := strictjson.DecodeLoose([]byte(`{"state":"on","later":{"a":1}}`), &got); err != nil {
		t.Error(err)
	}
	for _, bad := range []string{`{"later":1}`, `{"state":"on","state":"on"}`, `{"state":"on"}{}`} {
		if err := strictjson.DecodeLoose([]byte(bad), &got); err == nil {
			t.Errorf("%s was accepted", bad)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"state":"on","count":3,"ids":["a"],"inner":{"kind":"k"}}`))
	f.Add([]byte(`{"state":"on","power_w":1.5,"time":"2026-03-29T02:30:00Z"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var first document
		err := strictjson.Decode(data, &first)
		if err != nil {
			var known *wattline.Error
			if !errors.As(err, &known) || len(known.Fields) == 0 {
				t.Fatalf("error without a field: %v", err)
			}
			return
		}
		again, err := json.Marshal(first)
		if err != nil {
			t.Fatal(err)
		}
		var second document
		if err := strictjson.Decode(again, &second); err != nil {
			t.Fatalf("%s does not decode again: %v", again, err)
		}
	})
}
