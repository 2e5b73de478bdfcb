package mqttrights

import (
	"fmt"
	"slices"
	"strings"

	"github.com/wattline/wattline"
)

// The roles besides those that presence knows (wattline.RoleGateway, …).
const (
	// RoleComponent is somebody's component: component:NAME.
	RoleComponent = "component"
	// RoleObserver reads what is published and says nothing.
	RoleObserver = "observer"
)

// Role is what a holder is, as people write it: one of our roles, component:NAME,
// hook (listens) or hook:NAME (also stores readings, and says so under that name).
type Role string

// ParseRole checks a role. The error says what is possible.
func ParseRole(text string) (Role, error) {
	kind, of := Role(text).parts()
	named := strings.Contains(text, ":")
	if !slices.Contains(kinds(), kind) {
		return "", fmt.Errorf("role %.80q is none of %s", text, strings.Join(Names(), ", "))
	}
	switch {
	case kind == RoleComponent && !named:
		return "", fmt.Errorf("role %s needs the component's name: %s:NAME", kind, kind)
	case named && kind != RoleComponent && kind != wattline.RoleHook:
		return "", fmt.Errorf("role %.80q: only %s and %s take a name", text, RoleComponent, wattline.RoleHook)
	case kind == RoleComponent && (slices.Contains(kinds(), of) || of == wattline.RoleWhereabouts):
		return "", fmt.Errorf("role %.80q: that name is a role of its own", text)
	case named:
		if err := wattline.CheckID(of); err != nil {
			return "", fmt.Errorf("role %.80q: the name %w", text, err)
		}
	}
	return Role(text), nil
}

// parts are the kind and the name that some kinds have.
func (r Role) parts() (kind, of string) {
	kind, of, _ = strings.Cut(string(r), ":")
	return kind, of
}

// Names are the roles as a person may write them.
func Names() []string {
	return []string{
		wattline.RoleGateway, wattline.RoleCollector, wattline.RoleController, wattline.RoleRegistry,
		wattline.RoleHistory, wattline.RoleHook, wattline.RoleHook + ":NAME", RoleComponent + ":NAME", RoleObserver,
	}
}

func kinds() []string {
	return []string{
		wattline.RoleGateway, wattline.RoleCollector, wattline.RoleController, wattline.RoleRegistry,
		wattline.RoleHistory, wattline.RoleHook, RoleComponent, RoleObserver,
	}
}
