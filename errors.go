package wattline

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// Code names what went wrong, the same on MQTT and over HTTP.
type Code string

// The codes, and when each is used.
const (
	// CodeInvalid: the request does not parse or validate; Fields lists every fault.
	CodeInvalid Code = "invalid"
	// CodeUnauthenticated: who asks is not known.
	CodeUnauthenticated Code = "unauthenticated"
	// CodeForbidden: who asks may not do this.
	CodeForbidden Code = "forbidden"
	// CodeNotFound: no such device, component, route.
	CodeNotFound Code = "not_found"
	// CodeMethodNotAllowed: the route exists, with other methods.
	CodeMethodNotAllowed Code = "method_not_allowed"
	// CodeNotAcceptable: the client takes none of the formats that there are.
	CodeNotAcceptable Code = "not_acceptable"
	// CodeConflict: it exists already, or changed since the version given.
	CodeConflict Code = "conflict"
	// CodeKeyReused: the idempotency key was used for another request.
	CodeKeyReused Code = "key_reused"
	// CodeTooLarge: the body is larger than the route takes.
	CodeTooLarge Code = "too_large"
	// CodeUnsupportedMediaType: the body is not JSON.
	CodeUnsupportedMediaType Code = "unsupported_media_type"
	// CodeUnsupported: the device cannot do it.
	CodeUnsupported Code = "unsupported"
	// CodeProtected: the device may not be switched.
	CodeProtected Code = "protected"
	// CodeBusy: a queue or a limit is full; try again later.
	CodeBusy Code = "busy"
	// CodeInternal: a fault of ours; the details are in the log only.
	CodeInternal Code = "internal"
	// CodeDeviceUnreachable: the plug did not answer; it was not switched by this.
	CodeDeviceUnreachable Code = "device_unreachable"
	// CodeDeviceError: the plug answered with an error or with something unreadable.
	CodeDeviceError Code = "device_error"
	// CodeNoResponder: nobody alive serves this; nothing was sent.
	CodeNoResponder Code = "no_responder"
	// CodeBrokerDown: no connection to the broker; nothing was sent.
	CodeBrokerDown Code = "broker_down"
	// CodeStoreDown: the store of the readings does not answer.
	CodeStoreDown Code = "store_down"
	// CodeTimeout: no answer within the deadline; a command's outcome is unknown.
	CodeTimeout Code = "timeout"
)

// HTTPStatus is the one mapping of codes to HTTP (RFC 9110, RFC 4918 for 423).
// An unknown code is 500.
func (c Code) HTTPStatus() int {
	switch c {
	case CodeInvalid:
		return http.StatusBadRequest
	case CodeUnauthenticated:
		return http.StatusUnauthorized
	case CodeForbidden:
		return http.StatusForbidden
	case CodeNotFound:
		return http.StatusNotFound
	case CodeMethodNotAllowed:
		return http.StatusMethodNotAllowed
	case CodeNotAcceptable:
		return http.StatusNotAcceptable
	case CodeConflict:
		return http.StatusConflict
	case CodeTooLarge:
		return http.StatusRequestEntityTooLarge
	case CodeUnsupportedMediaType:
		return http.StatusUnsupportedMediaType
	case CodeUnsupported, CodeKeyReused:
		return http.StatusUnprocessableEntity
	case CodeProtected:
		return http.StatusLocked
	case CodeBusy:
		return http.StatusTooManyRequests
	case CodeDeviceUnreachable, CodeDeviceError:
		return http.StatusBadGateway
	case CodeNoResponder, CodeBrokerDown, CodeStoreDown:
		return http.StatusServiceUnavailable
	case CodeTimeout:
		return http.StatusGatewayTimeout
	case CodeInternal:
		return http.StatusInternalServerError
	}
	return http.StatusInternalServerError
}

// FieldError is one fault of a request: which field, and why it is refused.
// Field is a path such as "body.state", "labels.cost-centre" or a query
// parameter's name.
type FieldError struct {
	Field  string `json:"field"`
	Reason string `json:"reason"`
	// Line is where the fault is in a text of several lines, counted from 1.
	Line int `json:"line,omitempty"`
}

// Error is an error that may be shown to whoever asked. Its JSON form travels
// in replies. The wrapped cause never does.
type Error struct {
	Code    Code         `json:"code"`
	Message string       `json:"message"`
	Fields  []FieldError `json:"fields,omitempty"`
	cause   error
}

// Errorf makes an Error; a %w operand becomes its cause.
func Errorf(code Code, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Code: code, Message: err.Error(), cause: errors.Unwrap(err)}
}

// Invalid makes a CodeInvalid error out of its faults.
func Invalid(fields ...FieldError) *Error {
	reasons := make([]string, len(fields))
	for i, field := range fields {
		reasons[i] = strings.TrimPrefix(field.Field+" "+field.Reason, " ")
	}
	return &Error{Code: CodeInvalid, Message: strings.Join(reasons, "; "), Fields: fields}
}

// Error is the message with its code.
func (e *Error) Error() string { return string(e.Code) + ": " + e.Message }

// Unwrap is the cause, if any.
func (e *Error) Unwrap() error { return e.cause }

// AsError finds the Error in a chain. A context that ended is CodeTimeout;
// anything else is CodeInternal without its details, which belong in the log.
// It returns nil for nil.
func AsError(err error) *Error {
	var known *Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &known):
		return known
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return &Error{Code: CodeTimeout, Message: "no answer within the deadline", cause: err}
	}
	return &Error{Code: CodeInternal, Message: "internal error", cause: err}
}

// Faults collects the faults of a validation. The zero value has none.
type Faults []FieldError

// Add is a fault of a field. The reason is a format, and goes on where the name ends:
// "must lie between 1 and 9".
func (f *Faults) Add(field, reason string, args ...any) {
	*f = append(*f, FieldError{Field: field, Reason: fmt.Sprintf(reason, args...)})
}

// Check adds the error of a check of a field, if it is one.
func (f *Faults) Check(field string, err error) {
	if err != nil {
		f.Add(field, "%s", err)
	}
}

// Err is all of them as a CodeInvalid error, nil where there are none: a typed nil must
// not become an error.
func (f Faults) Err() error {
	if len(f) == 0 {
		return nil
	}
	return Invalid(f...)
}
