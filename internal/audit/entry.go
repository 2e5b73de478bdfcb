package audit

import (
	"crypto/sha256"
	"encoding/binary"

	"github.com/wattline/wattline"
)

// Entry is what is to be kept of something that was done or tried. All but Action and
// Outcome may be empty.
type Entry struct {
	// Time is when; now if it is zero.
	Time wattline.Time
	// Who did it: token:NAME, user:NAME, cli:NAME, or system.
	Who string
	// Address is from where.
	Address string
	// Action is what was done, such as command.off, token.create or device.change.
	Action string
	// Device is to which.
	Device string
	// Outcome is what became of it.
	Outcome Status
	// Code is that of the error that it ended in.
	Code wattline.Code
	// RequestID is under which the log has more.
	RequestID string
	// Detail is what else should be known: which token, why, from what to what.
	// It holds no secret.
	Detail string
}

// Status is what became of something.
type Status string

// The outcomes.
const (
	// Attempted: it was begun; what became of it is in a later record of the same
	// request, or was not known any more when the process ended.
	Attempted Status = "attempted"
	// Done as asked.
	Done Status = "done"
	// Refused: rights, protection or a limit did not allow it; nothing was done.
	Refused Status = "refused"
	// Failed: it was tried and not done.
	Failed Status = "failed"
	// Unknown: it may have been done.
	Unknown Status = "unknown"
)

// OutcomeOf is that of an error: nil is Done.
func OutcomeOf(err error) (Status, wattline.Code) {
	if err == nil {
		return Done, ""
	}
	code := wattline.AsError(err).Code
	switch code {
	case wattline.CodeTimeout, wattline.CodeInternal:
		return Unknown, code
	case wattline.CodeDeviceError, wattline.CodeDeviceUnreachable, wattline.CodeBrokerDown,
		wattline.CodeNoResponder, wattline.CodeStoreDown:
		return Failed, code
	}
	return Refused, code
}

// Record is an entry in its place in the chain.
type Record struct {
	// Seq is 1, 2, 3… without a gap.
	Seq int64 `json:"seq"`
	// Time is when it was done.
	Time wattline.Time `json:"time"`
	// Who did it: token:NAME, user:NAME, cli:NAME or system; empty where it is not known.
	Who string `json:"who" example:"token:research"`
	// Address is from where; empty from this machine's command line.
	Address string `json:"address" example:"192.0.2.7"`
	// Action is what was done or tried.
	Action string `json:"action" example:"command.off"`
	// Device is to which.
	Device string `json:"device,omitempty" example:"desk-1"`
	// Outcome is what became of it.
	Outcome Status `json:"outcome"`
	// Code is that of the error that it ended in.
	Code wattline.Code `json:"code,omitempty"`
	// RequestID is under which the log has more.
	RequestID string `json:"request_id,omitempty"`
	// Detail is what else should be known.
	Detail string `json:"detail,omitempty"`
	// Hash is that of the record and all before it, in hexadecimal.
	Hash string `json:"hash"`
}

// digest is the hash of a record: SHA-256 over the hash of the record before it, the
// number, the time, and the texts, each with its length.
type digest = [sha256.Size]byte

// seal is the hash of an entry as record seq after a record with a hash. Numbers are
// 8 bytes, the highest first; times are milliseconds since the Unix epoch.
func (e Entry) seal(seq int64, before digest) digest {
	text := binary.BigEndian.AppendUint64(before[:len(before):len(before)], uint64(seq))
	text = binary.BigEndian.AppendUint64(text, uint64(e.Time.UnixMilli()))
	for _, field := range e.texts() {
		text = binary.BigEndian.AppendUint64(text, uint64(len(field)))
		text = append(text, field...)
	}
	return sha256.Sum256(text)
}

// texts are the fields in the order of the columns.
func (e Entry) texts() [8]string {
	return [8]string{e.Who, e.Address, e.Action, e.Device, string(e.Outcome), string(e.Code), e.RequestID, e.Detail}
}

// maxText bounds each text of an entry, in bytes.
const maxText = 1000

// bounded is an entry as it is kept: with its time, and no text too long for a line.
func (e Entry) bounded(now wattline.Time) Entry {
	if e.Time.IsZero() {
		e.Time = now
	}
	for _, text := range []*string{&e.Who, &e.Address, &e.Action, &e.Device, &e.RequestID, &e.Detail} {
		if len(*text) > maxText {
			*text = toValid((*text)[:maxText]) + "…"
		} else {
			*text = toValid(*text)
		}
	}
	return e
}
