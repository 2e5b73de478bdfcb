package config

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/wattline/wattline"
)

// maxListed is how many devices one list may have.
const maxListed = 5000

// Listed is a device of a list that is to be applied, and where it stands there.
type Listed struct {
	wattline.Device
	// lines are where its fields are; "" is the device itself.
	lines map[string]int
	at    int
}

// Fault is one of a field of the device; "" is the device itself.
func (l Listed) Fault(field, reason string) wattline.FieldError {
	line, known := l.lines[field]
	if !known {
		line = l.lines[""]
	}
	place := fmt.Sprintf("devices[%d]", l.at)
	if field != "" {
		place += "." + field
	}
	return wattline.FieldError{Field: place, Reason: reason, Line: line}
}

// list is one that is being read.
type list struct {
	site    string
	devices []Listed
	faults  []wattline.FieldError
}

func (l *list) fail(line int, field, format string, args ...any) {
	l.faults = append(l.faults, wattline.FieldError{Field: field, Reason: fmt.Sprintf(format, args...), Line: line})
}

// result is the devices, or all that is wrong with them.
func (l *list) result() ([]Listed, error) {
	unreadable := map[string]bool{} // of these more need not be said
	for _, fault := range l.faults {
		unreadable[fault.Field] = true
	}
	seen := map[string]Listed{}
	for _, device := range l.devices {
		for _, fault := range faultsOf(device) {
			if !unreadable[fault.Field] {
				l.faults = append(l.faults, fault)
			}
		}
		if first, twice := seen[device.ID]; twice {
			l.faults = append(l.faults, device.Fault("id", fmt.Sprintf("is that of devices[%d], line %d, already", first.at, first.lines[""])))
		}
		seen[device.ID] = device
	}
	if len(l.faults) > 0 {
		return nil, wattline.Invalid(l.faults...)
	}
	return l.devices, nil
}

func (l *list) add(at int, device Device, lines map[string]int) {
	l.devices = append(l.devices, Listed{Device: device.Registered(l.site), lines: lines, at: at})
}

func faultsOf(device Listed) (faults []wattline.FieldError) {
	if err := device.Validate(); err != nil {
		for _, fault := range wattline.AsError(err).Fields {
			faults = append(faults, device.Fault(fault.Field, fault.Reason))
		}
	}
	if _, err := wattline.ParseAddress(device.Address); err != nil && device.Address != "" {
		faults = append(faults, device.Fault("address", err.Error()))
	}
	return faults
}

// field is where a device keeps what a key says; nil for a key that it has not.
func (d *Device) field(key string) any {
	switch key {
	case "id":
		return &d.ID
	case "kind":
		return &d.Kind
	case "location":
		return &d.Location
	case "address":
		return &d.Address
	case "site":
		return &d.Site
	case "labels":
		return &d.Labels
	case "protected":
		return &d.Protected
	case "poll":
		return &d.Poll
	}
	return nil
}

var errDuration = errors.New("must be a duration such as 5s")

// set gives a device the value of a column of CSV.
func (d *Device) set(column, value string) (err error) {
	switch field := d.field(column).(type) {
	case *string:
		*field = value
	case *wattline.Protection:
		return field.UnmarshalText([]byte(value))
	case *time.Duration:
		if *field, err = time.ParseDuration(value); err != nil {
			return errDuration
		}
	default:
		if d.Labels == nil {
			d.Labels = map[string]string{}
		}
		d.Labels[strings.TrimPrefix(column, labelColumn)] = value
	}
	return nil
}

func shortName(name string) string {
	const longest = 80
	if len(name) > longest {
		return strings.ToValidUTF8(name[:longest], "") + "…"
	}
	return name
}
