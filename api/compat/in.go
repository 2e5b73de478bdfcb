package compat

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/strictjson"
)

// The bounds of one PUT.
const (
	maxBody      = 64 << 10
	maxSubtopics = 32
)

// reply is what the older agent answered for one topic.
type reply struct {
	Data  replyData         `json:"data"`
	Error map[string]string `json:"error"`
}

type replyData struct {
	Successful []string `json:"successful"`
}

// In switches: PUT /api/in/ and the path, sp_command/{id}, sp_command/row/{n} or
// sp_command/column/{n}, with a body {"payload": {"status": 1}} and, for several at once,
// "subtopics". An error is one of the request; nothing is written then.
func (l *Layer) In(w http.ResponseWriter, r *http.Request, path string) error {
	base := strings.Trim(path, "/")
	if agent, _, _ := strings.Cut(base, "/"); agent != "sp_command" {
		return wattline.Errorf(wattline.CodeNotFound, "there is no agent %.80q: it is sp_command", agent)
	}
	action, subtopics, err := readOrder(w, r)
	if err != nil {
		return err
	}
	topics := []string{base}
	if len(subtopics) > 0 {
		topics = topics[:0]
		for _, subtopic := range subtopics {
			topics = append(topics, base+"/"+strings.Trim(subtopic, "/"))
		}
	}
	selectors := make([]wattline.Selector, len(topics))
	for i, topic := range topics {
		if selectors[i], err = selectorOf(strings.TrimPrefix(topic, "sp_command")); err != nil {
			return err
		}
	}
	answers := make([]*answer, len(topics))
	var group sync.WaitGroup
	for i := range topics {
		group.Go(func() { answers[i] = l.command(r, selectors[i], action) })
	}
	group.Wait()
	return writeReplies(w, topics, answers)
}

// readOrder reads the body.
func readOrder(w http.ResponseWriter, r *http.Request) (action wattline.Action, subtopics []string, err error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
			return "", nil, wattline.Errorf(wattline.CodeTooLarge, "the body must be at most %d bytes", maxBody)
		}
		return "", nil, invalid("body", "ended too early or came too slowly")
	}
	var order struct {
		Payload   json.RawMessage `json:"payload"`
		Subtopics []string        `json:"subtopics,omitempty"`
	}
	if err := strictjson.Decode(body, &order); err != nil {
		return "", nil, err
	}
	if len(order.Subtopics) > maxSubtopics {
		return "", nil, invalid("subtopics", fmt.Sprintf("must be at most %d", maxSubtopics))
	}
	action, err = actionOf(order.Payload)
	return action, order.Subtopics, err
}

// actionOf reads {"status": 1} or the same as a text, as the older clients send it.
// What is not said never means off.
func actionOf(payload json.RawMessage) (wattline.Action, error) {
	var text string
	if json.Unmarshal(payload, &text) == nil {
		payload = json.RawMessage(text)
	}
	var wanted struct {
		Status json.RawMessage `json:"status"`
	}
	if err := strictjson.Decode(payload, &wanted); err != nil {
		fault := wattline.AsError(err).Fields[0]
		return "", invalid("payload."+fault.Field, fault.Reason)
	}
	switch strings.ToUpper(strings.Trim(string(wanted.Status), `"`)) {
	case "1", "ON":
		return wattline.ActionOn, nil
	case "0", "OFF":
		return wattline.ActionOff, nil
	}
	return "", invalid("payload.status", `must be 1 or 0, or "ON" or "OFF"`)
}

// selectorOf is what comes after sp_command in a topic.
func selectorOf(topic string) (selector wattline.Selector, err error) {
	what, number, numbered := strings.Cut(strings.Trim(topic, "/"), "/")
	switch {
	case what == "row" && numbered && wattline.CheckGridNumber(number) == nil:
		return wattline.Selector{Row: number}, nil
	case what == "column" && numbered && wattline.CheckGridNumber(number) == nil:
		return wattline.Selector{Column: number}, nil
	case !numbered && what != "row" && what != "column" && wattline.CheckID(what) == nil:
		return wattline.Selector{IDs: []string{what}}, nil
	}
	return selector, invalid("path", "must be sp_command/ and an id, row/ and a number, or column/ and a number; or sp_command/ with subtopics")
}

func (l *Layer) command(outer *http.Request, selector wattline.Selector, action wattline.Action) *answer {
	body, err := json.Marshal(map[string]any{"selector": selector, "action": action})
	if err != nil {
		return &answer{status: http.StatusInternalServerError}
	}
	return l.ask(outer, inner{method: http.MethodPost, path: "/api/v1/commands", body: body})
}

// writeReplies answers with one reply for each topic. Where all was done the status is
// 200; else it is that of what went wrong first.
func writeReplies(w http.ResponseWriter, topics []string, answers []*answer) error {
	replies, status := map[string]reply{}, http.StatusOK
	for i, a := range answers {
		if a.status != http.StatusOK && len(answers) == 1 {
			a.pass(w)
			return nil
		}
		one, failed := replyOf(a)
		replies[topics[i]] = one
		if status == http.StatusOK {
			status = failed
		}
	}
	body, err := json.Marshal(replies)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", jsonType)
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // a client that has gone is not our error
	return nil
}

// replyOf puts the outcomes into the older form. Devices are named by id; the older agent
// named them by address.
func replyOf(a *answer) (one reply, status int) {
	one = reply{Data: replyData{Successful: []string{}}, Error: map[string]string{}}
	if a.status != http.StatusOK {
		var problem struct{ Code, Detail string }
		_ = json.Unmarshal(a.body.Bytes(), &problem) // what cannot be read says nothing
		one.Error["request"] = problem.Code + ": " + problem.Detail
		return one, a.status
	}
	var done struct {
		Results []struct {
			Device, Message string
			Outcome         wattline.Outcome
			Code            wattline.Code
		}
	}
	if err := json.Unmarshal(a.body.Bytes(), &done); err != nil {
		one.Error["request"] = "the answer could not be read"
		return one, http.StatusInternalServerError
	}
	status = http.StatusOK
	if len(done.Results) == 0 {
		one.Error["request"] = "not_found: there is no such device"
		status = http.StatusNotFound
	}
	for _, result := range done.Results {
		if result.Outcome == wattline.OutcomeDone {
			one.Data.Successful = append(one.Data.Successful, result.Device)
			continue
		}
		one.Error[result.Device] = string(result.Code) + ": " + result.Message
		if status == http.StatusOK {
			status = result.Code.HTTPStatus()
		}
	}
	return one, status
}
