package access

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/wattline/wattline"
)

// everything is the text of the scope that holds all devices.
const everything = "*"

// maxPlaces bounds a scope.
const maxPlaces = 100

// Scope is a set of devices: those of which at least one place is true. The zero
// value holds none. It does not change once it is made.
type Scope struct {
	all    bool
	places []place
}

// place is a location and all below it, a kind, or a label with its value; one of
// the three.
type place struct {
	location, kind, label, value string
}

// Everything is the scope of all devices.
func Everything() Scope { return Scope{all: true} }

// ParseScope reads places with commas between them: hq/f1 (a location and all below
// it), kind:printer, label:cost-centre:4100; or * for everything.
func ParseScope(text string) (Scope, error) {
	if strings.TrimSpace(text) == everything {
		return Everything(), nil
	}
	parts := strings.Split(text, ",")
	if len(parts) > maxPlaces {
		return Scope{}, fmt.Errorf("must be at most %d places", maxPlaces)
	}
	var scope Scope
	for _, part := range parts {
		p, err := parsePlace(strings.TrimSpace(part))
		if err != nil {
			return Scope{}, err
		}
		if !slices.Contains(scope.places, p) {
			scope.places = append(scope.places, p)
		}
	}
	return scope, nil
}

var errPlace = errors.New("must be *, or locations (hq/f1), kinds (kind:printer) and labels (label:name:value) with commas between them")

func parsePlace(text string) (place, error) {
	if kind, is := strings.CutPrefix(text, "kind:"); is {
		if wattline.CheckID(kind) != nil {
			return place{}, errPlace
		}
		return place{kind: kind}, nil
	}
	if label, is := strings.CutPrefix(text, "label:"); is {
		name, value, valued := strings.Cut(label, ":")
		if !valued || wattline.CheckID(name) != nil {
			return place{}, errPlace
		}
		return place{label: name, value: value}, nil
	}
	if wattline.CheckLocation(text) != nil {
		return place{}, errPlace
	}
	return place{location: text}, nil
}

// Holds tells whether a device is in the scope.
func (s Scope) Holds(device wattline.Device) bool {
	return s.all || slices.ContainsFunc(s.places, func(p place) bool { return p.holds(device) })
}

func (p place) holds(device wattline.Device) bool {
	switch {
	case p.location != "":
		return wattline.Within(device.Location, p.location)
	case p.kind != "":
		return device.Kind == p.kind
	}
	value, has := device.Labels[p.label]
	return p.label != "" && has && value == p.value
}

// IsEverything tells whether the scope holds all devices, those to come included.
func (s Scope) IsEverything() bool { return s.all }

// Union is the scope that holds what either does.
func (s Scope) Union(other Scope) Scope {
	union := Scope{all: s.all || other.all}
	if !union.all {
		for _, p := range slices.Concat(s.places, other.places) {
			if !slices.Contains(union.places, p) {
				union.places = append(union.places, p)
			}
		}
	}
	return union
}

// String is what ParseScope reads; empty for the scope of nothing.
func (s Scope) String() string {
	if s.all {
		return everything
	}
	parts := make([]string, len(s.places))
	for i, p := range s.places {
		switch {
		case p.location != "":
			parts[i] = p.location
		case p.kind != "":
			parts[i] = "kind:" + p.kind
		default:
			parts[i] = "label:" + p.label + ":" + p.value
		}
	}
	return strings.Join(parts, ",")
}

// MarshalText is String.
func (s Scope) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText is ParseScope.
func (s *Scope) UnmarshalText(text []byte) error {
	parsed, err := ParseScope(string(text))
	if err == nil {
		*s = parsed
	}
	return err
}
