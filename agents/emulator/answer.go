package emulator

import (
	"bytes"
	"encoding/json"
)

// Answer is what the plug answers to a request in plain JSON, or ok false where
// it says nothing. Faults of the wire do not touch it; DevError and Spike do.
func (p *Plug) Answer(payload []byte) (reply []byte, ok bool) {
	reply, _, ok = p.answer(nil, payload, false)
	return reply, ok
}

// answer appends the reply to dst and says which fault strikes it.
func (p *Plug) answer(dst, payload []byte, datagram bool) (reply []byte, struck Fault, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	req, err := p.parse(payload)
	if err != nil {
		p.stats.Unanswered++
		return dst, Fault{}, false
	}
	p.advance()
	p.stats.Requests++
	p.answers.begin()
	struck = p.strike(req.calls)
	if struck.Kind == Hang {
		return dst, struck, false
	}
	e := exchange{Plug: p, w: writer{dst}, req: req, fault: struck, datagram: datagram}
	e.run()
	return e.w.b, struck, true
}

// parse remembers the latest request: polls are all alike.
func (p *Plug) parse(payload []byte) (request, error) {
	if len(p.asked) > 0 && bytes.Equal(p.asked, payload) {
		return p.request, nil
	}
	req, err := parseRequest(payload)
	if err == nil && len(payload) <= keepRequest {
		p.asked, p.request = bytes.Clone(payload), req
	}
	return req, err
}

// keepRequest is how long a request may be to be remembered.
const keepRequest = 256

// exchange is one request being answered, under p.mu.
type exchange struct {
	*Plug
	w        writer
	req      request
	fault    Fault
	datagram bool
}

func (e *exchange) run() {
	e.w.open('{')
	for calls := e.req.calls; len(calls) > 0; {
		n := 1
		for n < len(calls) && calls[n].module == calls[0].module {
			n++
		}
		e.module(calls[:n])
		calls = calls[n:]
	}
	e.w.close('}')
}

// module answers neighbouring calls of one module. An error of the module as a
// whole stands at its level or at each method's, by model.
func (e *exchange) module(calls []call) {
	e.w.keyOf(calls[0].module)
	start := len(e.w.b)
	worst := errModule
	if e.knows(calls[0].module) {
		worst = errMember
	}
	e.w.open('{')
	found := false
	for _, c := range calls {
		if c.method == "" {
			continue
		}
		if e.method(c) {
			found = true
		}
	}
	if !found && (e.traits.errorsAtModule || calls[0].method == "") {
		e.w.b = append(e.w.b[:start], '{')
		e.w.status(worst)
	}
	e.w.close('}')
}

// method answers one call and tells whether there is such a method.
func (e *exchange) method(c call) bool {
	e.w.keyOf(c.method)
	start := len(e.w.b)
	e.w.open('{')
	code := e.dispatch(c)
	if code != okCode {
		e.w.b = append(e.w.b[:start], '{')
	}
	e.w.status(code)
	e.w.close('}')
	return code != errModule && code != errMember
}

func (e *exchange) knows(module string) bool {
	switch module {
	case "system", "time", "cnCloud", "schedule", "count_down", "anti_theft", "netif":
		return true
	case "emeter":
		return e.traits.metered
	}
	return false
}

// dispatch writes the fields of a method's answer and gives its err_code.
func (e *exchange) dispatch(c call) int {
	if !e.knows(c.module) {
		return errModule
	}
	if e.fault.Kind == DevError {
		if e.fault.Code != 0 {
			return e.fault.Code
		}
		return defaultCode
	}
	switch c.module {
	case "system":
		return e.system(c)
	case "emeter":
		return e.emeter(c)
	case "time":
		return e.time(c)
	case "count_down":
		return e.countdown(c)
	case "schedule":
		return e.schedule(c)
	}
	return e.misc(c)
}

// decode reads a method's arguments. Null and {} are none; a value of another
// type than the plugs take is "invalid argument", a year as a string included.
func decode[T any](c call) (args T, ok bool) {
	if len(c.args) == 0 {
		return args, true
	}
	return args, json.Unmarshal(c.args, &args) == nil
}

// scope is the outlets that a method acts on: those of the context, or by
// default all of them for switching and the first for everything else.
func (e *exchange) scope(allByDefault bool) (outlets []int, code int) {
	if len(e.outlets) == 1 || !e.req.hasScope {
		n := 1
		if allByDefault {
			n = len(e.outlets)
		}
		for i := range n {
			outlets = append(outlets, i)
		}
		return outlets, okCode
	}
	var ids []string
	if json.Unmarshal(e.req.childIDs, &ids) != nil || ids == nil {
		return nil, errArgument
	}
	for _, id := range ids {
		outlet, ok := e.self.outlet(id)
		if !ok || outlet >= len(e.outlets) {
			return nil, errNoEntry
		}
		outlets = append(outlets, outlet)
	}
	return outlets, okCode
}

// one is the outlet that a method acts on which takes only the first.
func (e *exchange) one() (*outlet, int, int) {
	outlets, code := e.scope(false)
	if code != okCode {
		return nil, 0, code
	}
	if len(outlets) == 0 {
		return nil, 0, errNoEntry
	}
	return &e.outlets[outlets[0]], outlets[0], okCode
}
