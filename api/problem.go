package api

import (
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/throttle"
)

// Problem is the body of every error (RFC 9457), as application/problem+json.
type Problem struct {
	// Type is urn:wattline:problem: and the code.
	Type string `json:"type" example:"urn:wattline:problem:invalid"`
	// Title is the same for every problem of the type.
	Title string `json:"title" example:"Invalid request"`
	// Status is the HTTP status.
	Status int `json:"status" example:"400"`
	// Detail says what was wrong this time.
	Detail string `json:"detail" example:"limit must be a whole number between 1 and 1000"`
	// Code says what kind of error it is, the same on MQTT.
	Code wattline.Code `json:"code" example:"invalid"`
	// Fields are the faults of the request, each with its reason.
	Fields []wattline.FieldError `json:"fields,omitempty"`
	// RequestID is under which the log has more.
	RequestID string `json:"request_id" example:"QJX4RZ5RWHMBYWZB6KCYVNVT2V"`
	// CommandID is the command's id, where one was sent.
	CommandID string `json:"command_id,omitempty"`
}

// commandError is the error of a command that has an id by now.
type commandError struct {
	id  string
	err error
}

func (e *commandError) Error() string { return "command " + e.id + ": " + e.err.Error() }
func (e *commandError) Unwrap() error { return e.err }

const (
	jsonType    = "application/json"
	problemType = "application/problem+json"
	maxDetail   = 2000
	maxFields   = 100
)

// problemOf puts an error into the form that clients get. Errors of other
// people's components pass through here too: what they say is bounded, and a
// code that is not ours is internal.
func problemOf(err error, requestID string) Problem {
	known := wattline.AsError(err)
	code := known.Code
	title, ours := titleOf(code)
	if !ours {
		code = wattline.CodeInternal
		title, _ = titleOf(code)
	}
	problem := Problem{
		Type:      "urn:wattline:problem:" + string(code),
		Title:     title,
		Status:    code.HTTPStatus(),
		Detail:    known.Message,
		Code:      code,
		Fields:    boundedFields(known.Fields),
		RequestID: requestID,
	}
	if len(problem.Detail) > maxDetail {
		problem.Detail = strings.ToValidUTF8(problem.Detail[:maxDetail], "") + "…"
	}
	if command, is := errors.AsType[*commandError](err); is {
		problem.CommandID = command.id
	}
	return problem
}

func boundedFields(given []wattline.FieldError) []wattline.FieldError {
	var fields []wattline.FieldError
	for _, field := range given[:min(len(given), maxFields)] {
		fields = append(fields, wattline.FieldError{Field: shortened(field.Field), Reason: shortened(field.Reason), Line: field.Line})
	}
	return fields
}

// titleOf is a code's title; false for a code that is not ours.
func titleOf(code wattline.Code) (string, bool) {
	switch code {
	case wattline.CodeInvalid:
		return "Invalid request", true
	case wattline.CodeUnauthenticated:
		return "Not signed in", true
	case wattline.CodeForbidden:
		return "Not allowed", true
	case wattline.CodeNotFound:
		return "Not found", true
	case wattline.CodeMethodNotAllowed:
		return "Method not allowed", true
	case wattline.CodeNotAcceptable:
		return "Not acceptable", true
	case wattline.CodeConflict:
		return "Conflict", true
	case wattline.CodeKeyReused:
		return "Idempotency key reused", true
	case wattline.CodeTooLarge:
		return "Request too large", true
	case wattline.CodeUnsupportedMediaType:
		return "Unsupported media type", true
	case wattline.CodeUnsupported:
		return "Not supported by the device", true
	case wattline.CodeProtected:
		return "Device is protected", true
	case wattline.CodeBusy:
		return "Busy", true
	case wattline.CodeInternal:
		return "Internal error", true
	case wattline.CodeDeviceUnreachable:
		return "Device unreachable", true
	case wattline.CodeDeviceError:
		return "Device error", true
	case wattline.CodeNoResponder:
		return "Nobody to answer", true
	case wattline.CodeBrokerDown:
		return "Broker unreachable", true
	case wattline.CodeStoreDown:
		return "Store unreachable", true
	case wattline.CodeTimeout:
		return "Timeout", true
	}
	return "", false
}

// retryAfter is in seconds; empty where trying again soon is no help, or where
// it is not known what became of the first try.
func retryAfter(code wattline.Code) string {
	switch code {
	case wattline.CodeBusy:
		return "1"
	case wattline.CodeNoResponder, wattline.CodeBrokerDown, wattline.CodeStoreDown:
		return "5"
	}
	return ""
}

// writeProblem answers with an error. What is internal is logged with its cause,
// which the client does not get.
func (g *Gateway) writeProblem(c *gin.Context, err error) {
	problem := problemOf(err, idOf(c))
	if problem.Code == wattline.CodeInternal {
		cause := errors.Unwrap(wattline.AsError(err))
		if cause == nil {
			cause = err
		}
		g.log.Error("a request ended in an internal error", "request_id", problem.RequestID,
			"route", c.FullPath(), "error", cause)
	}
	if seconds := retryAfter(problem.Code); seconds != "" {
		c.Header("Retry-After", seconds)
	}
	if exceeded, is := errors.AsType[*throttle.Exceeded](err); is {
		c.Header("Retry-After", strconv.Itoa(int(math.Ceil(exceeded.Wait.Seconds()))))
	}
	body, err := json.Marshal(problem)
	if err != nil {
		body = []byte(`{}`) // strings and numbers cannot fail
	}
	c.Data(problem.Status, problemType, body)
}

// writeJSON answers 200 with a value.
func writeJSON(c *gin.Context, value any) error { return writeJSONStatus(c, http.StatusOK, value) }

func writeJSONStatus(c *gin.Context, status int, value any) error {
	body, err := json.Marshal(value)
	if err != nil {
		return err
	}
	writeBody(c, status, body)
	return nil
}

func writeBody(c *gin.Context, status int, body []byte) {
	c.Header("Content-Type", jsonType)
	c.Status(status)
	_, _ = c.Writer.Write(body) // a client that has gone is not our error
}
