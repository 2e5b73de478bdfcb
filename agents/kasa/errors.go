package kasa

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/fence"
)

// Class is one word for what went wrong; it goes into states and metrics, so the
// words are stable.
type Class string

// The classes.
const (
	// ClassRefused: nothing listens on the port.
	ClassRefused Class = "refused"
	// ClassNoRoute: the host cannot be reached, or its name is not known.
	ClassNoRoute Class = "no_route"
	// ClassOutside: the address is outside the networks that devices may be in.
	ClassOutside Class = "outside"
	// ClassTimeout: no connection, no turn or no answer in time.
	ClassTimeout Class = "timeout"
	// ClassReset: the plug broke the connection.
	ClassReset Class = "reset"
	// ClassClosed: the plug closed the connection without an answer.
	ClassClosed Class = "closed"
	// ClassShort: the answer ended early.
	ClassShort Class = "short"
	// ClassOversize: the answer claims to be larger than any plug's.
	ClassOversize Class = "oversize"
	// ClassGarbage: the answer is not what a plug would say.
	ClassGarbage Class = "garbage"
	// ClassDevice: the plug answered with an error code.
	ClassDevice Class = "device"
	// ClassUnsupported: this plug cannot do that, or has no such outlet.
	ClassUnsupported Class = "unsupported"
	// ClassOtherPlug: another plug answers than the one that is known to be there.
	ClassOtherPlug Class = "other_plug"
	// ClassBusy: too many requests wait already; nothing was sent.
	ClassBusy Class = "busy"
	// ClassCanceled: the caller gave up, or the client was closed.
	ClassCanceled Class = "canceled"
	// ClassLocal: this host could not do its part, such as open a socket.
	ClassLocal Class = "local"
)

// Code is the error code that whoever asked for a device gets for the class.
func (c Class) Code() wattline.Code {
	switch c {
	case ClassRefused, ClassNoRoute, ClassOutside, ClassTimeout, ClassReset, ClassClosed, ClassOtherPlug:
		return wattline.CodeDeviceUnreachable
	case ClassShort, ClassOversize, ClassGarbage, ClassDevice:
		return wattline.CodeDeviceError
	case ClassUnsupported:
		return wattline.CodeUnsupported
	case ClassBusy:
		return wattline.CodeBusy
	case ClassCanceled:
		return wattline.CodeTimeout
	case ClassLocal:
		return wattline.CodeInternal
	}
	return wattline.CodeInternal
}

// ClassOf finds the class of an error of this package; it is empty for any other.
func ClassOf(err error) Class {
	if known, ok := errors.AsType[*Error](err); ok {
		return known.Class
	}
	return ""
}

// Shown is an error of this package as whoever asked for the device is told it, a
// *wattline.Error; any other error is returned as it is.
func Shown(err error) error {
	if known, ok := errors.AsType[*Error](err); ok {
		return wattline.Errorf(known.Class.Code(), "%s", known.Message)
	}
	return err
}

// ErrClosed is wrapped by the errors of a closed Client.
var ErrClosed = errors.New("the client is closed")

// Error is why a request came to nothing. Every method of [Client] returns one.
type Error struct {
	Class Class
	// Address is the target as [Target.String] has it.
	Address string
	// Code is the plug's own err_code, for ClassDevice.
	Code int
	// Message says what happened and what can be done, for people.
	Message string
	// Sent: the request had gone out, so a command may have been carried out.
	Sent bool
	// KLAP: the port is closed and the plug's web port is open, as with firmware
	// that replaced this protocol by KLAP.
	KLAP bool
	// Err is the cause, if there is one.
	Err error
}

// Error is the address and the message.
func (e *Error) Error() string { return e.Address + ": " + e.Message }

// Unwrap is the cause.
func (e *Error) Unwrap() error { return e.Err }

// classify turns a failure of the network or of the framing into an Error
// without an address.
func classify(err error) *Error {
	class, message := ClassLocal, "the request could not be made: "+err.Error()
	var name *net.DNSError
	var network net.Error
	switch {
	case errors.Is(err, ErrClosed):
		class, message = ClassCanceled, ErrClosed.Error()
	case errors.As(err, &name):
		class, message = ClassNoRoute, fmt.Sprintf("the name %q cannot be resolved: check it, or use the plug's IP address", name.Name)
	case errors.Is(err, fence.ErrOutside):
		class, message = ClassOutside, "not tried: the address is outside the networks that devices may be in; add its network to networks in the configuration"
	case errors.Is(err, syscall.ECONNREFUSED):
		class, message = ClassRefused, "connection refused: nothing listens there; check the address, or switch the plug off and on at the wall if it used to work"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTDOWN):
		class, message = ClassNoRoute, "no route: the plug is off, out of range of the Wi-Fi, or in another network"
	case errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &network) && network.Timeout():
		class, message = ClassTimeout, "no answer in time: the plug is off, out of range of the Wi-Fi, or hangs"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, syscall.ECONNABORTED):
		class, message = ClassReset, "the plug broke the connection: it may be restarting, or busy with another client"
	case errors.Is(err, ErrShort):
		class, message = ClassShort, err.Error()+": the plug closed the connection within its answer, or is no plug"
	case errors.Is(err, ErrOversize):
		class, message = ClassOversize, err.Error()+": this is no plug, or its answer was damaged"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrClosedPipe):
		class, message = ClassClosed, "the plug closed the connection without an answer: it may be busy with another client"
	}
	return &Error{Class: class, Message: message, Err: err}
}

// ended is the error of a request whose context has ended.
func ended(ctx context.Context, during string) *Error {
	err := context.Cause(ctx)
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return &Error{Class: ClassTimeout, Message: "no time left while " + during, Err: err}
	}
	return &Error{Class: ClassCanceled, Message: "given up while " + during, Err: err}
}

func garbage(format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Class: ClassGarbage, Message: "the plug's answer " + err.Error(), Err: errors.Unwrap(err)}
}

func unsupported(format string, args ...any) *Error {
	return &Error{Class: ClassUnsupported, Message: fmt.Sprintf(format, args...)}
}

// addressed puts the target's address into an error just made.
func addressed(err error, target Target) error {
	if known, ok := errors.AsType[*Error](err); ok {
		known.Address = target.String()
	}
	return err
}
