// Package access decides who may do what to which device. It is pure: who somebody
// is comes from elsewhere (tokens, sessions), and what is refused is said elsewhere.
package access

import (
	"fmt"

	"github.com/wattline/wattline"
)

// Role is what somebody may do with the devices of their scope. Each role may do
// what the ones before it may.
type Role string

// The roles.
const (
	// Viewer sees devices, readings and states.
	Viewer Role = "viewer"
	// Operator switches devices as well.
	Operator Role = "operator"
	// Admin changes and removes devices as well and, with a scope of everything, all
	// that belongs to no device: tokens, users, the audit, the system.
	Admin Role = "admin"
)

// ParseRole is the role of a name.
func ParseRole(name string) (Role, error) {
	switch role := Role(name); role {
	case Viewer, Operator, Admin:
		return role, nil
	}
	return "", fmt.Errorf("must be %s, %s or %s", Viewer, Operator, Admin)
}

func (r Role) rank() int {
	switch r {
	case Viewer:
		return 1
	case Operator:
		return 2
	case Admin:
		return 3
	}
	return 0
}

// Principal is somebody who asks: a token or a signed-in user. The zero value is
// nobody, who may do nothing.
type Principal struct {
	// Name is the kind and the name, such as token:research or user:ana.
	Name  string
	Role  Role
	Scope Scope
}

// Action is what is to be done.
type Action int

// The actions. Those on a device are decided for each one; Enter and Administer are
// about no device.
const (
	// Enter is to use the API at all, and to see what tells nothing of a device.
	Enter Action = iota
	// See is to learn anything of a device, that it exists included.
	See
	// Switch is to command a device.
	Switch
	// Change is to add, change or remove a device.
	Change
	// Operate is to command devices at all, whichever they are.
	Operate
	// Manage is to add, change or remove devices at all, whichever they are.
	Manage
	// Survey is to see what belongs to all devices together and cannot be told apart,
	// such as the answer of somebody's component.
	Survey
	// Administer is everything else: tokens, users, the audit, the system.
	Administer
)

// needs is the least role for an action.
func (a Action) needs() Role {
	switch a {
	case Enter, See, Survey:
		return Viewer
	case Switch, Operate:
		return Operator
	case Change, Manage, Administer:
	}
	return Admin
}

// Verdict is what was decided.
type Verdict int

// The verdicts.
const (
	// Unauthenticated: it is not known who asks.
	Unauthenticated Verdict = iota
	// Hidden: for who asks there is no such device.
	Hidden
	// Forbidden: the role or the scope does not allow it.
	Forbidden
	// Allowed is as it says.
	Allowed
)

// Decide is the one place where rights are decided. A device out of scope is Hidden
// whatever the role, so that nobody learns that it exists. The device is needed for
// See, Switch and Change, and not looked at otherwise.
func Decide(who Principal, action Action, device wattline.Device) Verdict {
	if who.Role.rank() == 0 {
		return Unauthenticated
	}
	switch action {
	case See, Switch, Change:
		if !who.Scope.Holds(device) {
			return Hidden
		}
	case Survey, Administer:
		if !who.Scope.IsEverything() {
			return Forbidden
		}
	case Enter, Operate, Manage:
	}
	if who.Role.rank() < action.needs().rank() {
		return Forbidden
	}
	return Allowed
}
