package emulator

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
)

// Bounds of a request. The plugs' own are not known; requests in use have a
// dozen methods and stay below 1 KB.
const (
	maxRequest = 16 << 10
	maxCalls   = 64
)

// call is one method of a request; args is JSON, nil for none.
type call struct {
	module, method string
	args           json.RawMessage
}

// request is the methods in the order given. For a strip, children are the
// outlets addressed.
type request struct {
	calls    []call
	context  json.RawMessage // the first "context", which is no module
	hasScope bool            // it named child_ids
	childIDs json.RawMessage
}

var errRequest = errors.New("not a request")

// parseRequest reads {"module":{"method":args,…},…}, keeping order and
// duplicates. What is no such object is not answered by the plugs.
func parseRequest(payload []byte) (request, error) {
	var r request
	err := eachMember(payload, func(module string, value json.RawMessage) error {
		if module == "context" && r.context == nil {
			r.context = value
			return nil
		}
		before := len(r.calls)
		err := eachMember(value, func(method string, args json.RawMessage) error {
			if len(r.calls) >= maxCalls {
				return errRequest
			}
			r.calls = append(r.calls, call{module, method, args})
			return nil
		})
		if err == nil && len(r.calls) == before { // {"system":{}} or {"system":null}
			r.calls = append(r.calls, call{module: module})
		}
		return err
	})
	if err != nil || len(r.calls) == 0 && r.context == nil {
		return request{}, errRequest
	}
	r.readContext()
	return r, nil
}

// readContext finds child_ids; any other context has no effect on real plugs.
func (r *request) readContext() {
	if len(r.context) == 0 || r.context[0] != '{' {
		return
	}
	_ = eachMember(r.context, func(name string, value json.RawMessage) error {
		if name == "child_ids" {
			r.hasScope, r.childIDs = true, value
		}
		return nil
	})
}

// eachMember walks an object in order; null is an empty one.
func eachMember(object []byte, visit func(string, json.RawMessage) error) error {
	decoder := json.NewDecoder(bytes.NewReader(object))
	open, err := decoder.Token()
	if err != nil {
		return errRequest
	}
	if open == nil {
		return atEnd(decoder)
	}
	if open != json.Delim('{') {
		return errRequest
	}
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return errRequest
		}
		var value json.RawMessage
		if decoder.Decode(&value) != nil {
			return errRequest
		}
		key, _ := name.(string) // as every member's name is
		if err := visit(key, value); err != nil {
			return err
		}
	}
	if _, err := decoder.Token(); err != nil {
		return errRequest
	}
	return atEnd(decoder)
}

func atEnd(decoder *json.Decoder) error {
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errRequest
	}
	return nil
}

func asksMeter(calls []call) bool {
	for _, c := range calls {
		if c.module == "emeter" && c.method == "get_realtime" {
			return true
		}
	}
	return false
}
