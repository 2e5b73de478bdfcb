package wattline

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
)

// Protection is how far a device is kept from being switched.
type Protection string

// The protections.
const (
	// ProtectionNone: it is switched like any other.
	ProtectionNone Protection = ""
	// ProtectionAlwaysOn: it is never switched off; it may be switched on.
	ProtectionAlwaysOn Protection = "always_on"
	// ProtectionLocked: it is never switched.
	ProtectionLocked Protection = "locked"
)

var errProtection = errors.New("must be always_on, locked, or empty for none")

// Valid tells whether it is one of the three.
func (p Protection) Valid() bool {
	return p == ProtectionNone || p == ProtectionAlwaysOn || p == ProtectionLocked
}

// UnmarshalText reads a protection, and true or false, which mean locked and none.
func (p *Protection) UnmarshalText(text []byte) error {
	switch given := Protection(text); {
	case given == "true":
		*p = ProtectionLocked
	case given == "false":
		*p = ProtectionNone
	case given.Valid():
		*p = given
	default:
		return errProtection
	}
	return nil
}

// UnmarshalJSON reads a text or, as it was written before there were texts, a
// boolean. Null is an error.
func (p *Protection) UnmarshalJSON(data []byte) error {
	if text := string(data); text == "true" || text == "false" {
		return p.UnmarshalText(data)
	}
	var text string
	if err := json.Unmarshal(data, &text); err != nil || len(data) == 0 || data[0] != '"' || !Protection(text).Valid() {
		return errProtection
	}
	*p = Protection(text)
	return nil
}

// For how long a protection may be lifted.
const (
	MinLift = time.Minute
	MaxLift = 24 * time.Hour
)

const maxReason = 200

// Lift is a protection set aside for a time. The zero value is none.
type Lift struct {
	// Until is when the protection holds again.
	Until Time `json:"until"`
	// Reason is why, in the words of whoever lifted it.
	Reason string `json:"reason"`
	// By is who lifted it.
	By string `json:"by"`
}

// Holds tells whether the protection is lifted at an instant.
func (l Lift) Holds(now time.Time) bool { return now.Before(l.Until.Time) }

// CheckReason tells why a text cannot be the reason for a lift.
func CheckReason(reason string) error {
	if strings.TrimSpace(reason) == "" || len(reason) > maxReason || strings.ContainsFunc(reason, unicode.IsControl) {
		return fmt.Errorf("must be 1 to %d bytes of text on one line", maxReason)
	}
	return nil
}

func (l Lift) check(found *Faults) {
	if l == (Lift{}) {
		return
	}
	found.Check("lifted.reason", CheckReason(l.Reason))
	if len(l.By) > maxActor {
		found.Add("lifted.by", "must be at most %d bytes", maxActor)
	}
}

// Permits is the one place where it is decided whether a device's protection lets
// an action pass at an instant: nil, or a CodeProtected error that says why not.
// The light is not protected.
func (d Device) Permits(action Action, now time.Time) error {
	if !action.Switches() || d.Lifted.Holds(now) {
		return nil
	}
	switch {
	case d.Protected == ProtectionNone, d.Protected == ProtectionAlwaysOn && action == ActionOn:
		return nil
	case d.Protected == ProtectionAlwaysOn:
		return Errorf(CodeProtected, "device %q is protected: it is always on, and not switched off until an admin lifts that", d.ID)
	}
	return Errorf(CodeProtected, "device %q is protected: it is locked, and not switched until an admin lifts that", d.ID)
}
