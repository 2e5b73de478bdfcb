package wattline

import (
	"errors"
	"slices"
	"strings"
	"time"
)

// Bounds of a device's description.
const (
	maxSlug          = 63
	maxLocationDepth = 16
	maxLocation      = 255
	maxLabels        = 32
	maxLabelValue    = 255
	maxAddress       = 300
)

// The interval at which a device may be polled.
const (
	MinPoll = time.Second
	MaxPoll = time.Hour
)

// Device is a plug, or one outlet of a strip: what the registry knows of it and
// publishes retained under …/device/{device}.
type Device struct {
	// ID is unique in the whole installation; see CheckID.
	ID string `json:"id"`
	// Kind is what the plug feeds: workstation, meeting-room, printer, …
	Kind string `json:"kind"`
	// Location is a path of slugs, outermost first: hq/f1/r101/desk-1.
	Location string `json:"location"`
	// Site is the network whose agents can reach the device.
	Site string `json:"site"`
	// Address is host, host:port, or either with /outlet for a strip's outlet.
	Address string `json:"address"`
	// DeclaredAddress is what the configuration file says, where the plug was found
	// elsewhere since.
	DeclaredAddress string `json:"declared_address,omitempty"`
	// Labels are free names and values for selecting.
	Labels map[string]string `json:"labels,omitempty"`
	// Protected says what the device is kept from; see Permits.
	Protected Protection `json:"protected,omitempty"`
	// Lifted sets the protection aside for a time.
	Lifted Lift `json:"lifted,omitzero" validate:"optional"`
	// Source is where the device is declared.
	Source Source `json:"source,omitempty"`
	// Version grows with every change of the description and is never used twice.
	Version uint64 `json:"version,omitempty"`
	// PollS is this device's own polling interval in seconds; 0 means the
	// installation's default.
	PollS Milli `json:"poll_s,omitempty"`
}

// Source is where a device is declared.
type Source string

// The sources.
const (
	// SourceConfiguration: in the configuration file, and changed there only.
	SourceConfiguration Source = "configuration"
	// SourceAPI: over the API.
	SourceAPI Source = "api"
)

// Poll is the device's own polling interval, or the default.
func (d Device) Poll(byDefault time.Duration) time.Duration {
	if d.PollS == 0 {
		return byDefault
	}
	return time.Duration(d.PollS) * time.Millisecond
}

// Validate reports every fault of a description as a CodeInvalid error.
func (d Device) Validate() error {
	var found Faults
	found.Check("id", CheckID(d.ID))
	found.Check("kind", CheckID(d.Kind))
	found.Check("location", CheckLocation(d.Location))
	found.Check("site", CheckID(d.Site))
	if d.Address == "" || len(d.Address) > maxAddress || strings.ContainsAny(d.Address, " \t\r\n") {
		found.Add("address", "must be host or host:port")
	}
	if len(d.DeclaredAddress) > maxAddress {
		found.Add("declared_address", "must be at most %d bytes", maxAddress)
	}
	if d.PollS != 0 {
		if poll := d.Poll(0); poll < MinPoll || poll > MaxPoll {
			found.Add("poll_s", "must lie between %v and %v", MinPoll, MaxPoll)
		}
	}
	if !d.Protected.Valid() {
		found.Check("protected", errProtection)
	}
	d.Lifted.check(&found)
	checkLabels(d.Labels, &found)
	return found.Err()
}

// Equal tells whether two descriptions say the same. Their versions are not looked
// at.
func (d Device) Equal(other Device) bool {
	return d.ID == other.ID && d.Kind == other.Kind && d.Location == other.Location &&
		d.Site == other.Site && d.Address == other.Address && d.DeclaredAddress == other.DeclaredAddress && d.Protected == other.Protected &&
		d.Lifted == other.Lifted && d.Source == other.Source && d.PollS == other.PollS && equalLabels(d.Labels, other.Labels)
}

func equalLabels(a, b map[string]string) bool {
	if len(a) != len(b) {
		return false
	}
	for name, value := range a {
		if had, ok := b[name]; !ok || had != value {
			return false
		}
	}
	return true
}

func checkLabels(labels map[string]string, found *Faults) {
	if len(labels) > maxLabels {
		found.Add("labels", "must be at most %d", maxLabels)
		return
	}
	names := make([]string, 0, len(labels))
	for name := range labels {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if err := CheckID(name); err != nil {
			found.Add("labels", "name %.80q %s", name, err)
		}
		if len(labels[name]) > maxLabelValue {
			found.Add("labels."+name, "must be at most %d bytes", maxLabelValue)
		}
	}
}

var (
	errSlug     = errors.New("must be 1 to 63 of a-z, 0-9, dot, hyphen and underscore, and begin with a letter or digit")
	errLocation = errors.New("must be names of a-z, 0-9, dot, hyphen and underscore with a / between them, such as hq/f1/r101")
)

// CheckID tells why a text cannot be a device id, or any other name that stands
// alone in a topic level: [a-z0-9][a-z0-9._-]{0,62}.
func CheckID(id string) error {
	if len(id) == 0 || len(id) > maxSlug {
		return errSlug
	}
	for i := range len(id) {
		c := id[i]
		inner := i > 0 && (c == '.' || c == '_' || c == '-')
		if !inner && (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return errSlug
		}
	}
	return nil
}

// CheckLocation tells why a text cannot be a location: slugs separated by
// slashes, at most 16 deep.
func CheckLocation(location string) error {
	if len(location) > maxLocation {
		return errLocation
	}
	levels := strings.Split(location, "/")
	if len(levels) > maxLocationDepth {
		return errLocation
	}
	for _, level := range levels {
		if CheckID(level) != nil {
			return errLocation
		}
	}
	return nil
}

// Within tells whether a location is the prefix itself or lies below it. It
// compares whole levels: hq/f1 holds hq/f1/r101 but not hq/f10.
func Within(location, prefix string) bool {
	rest, ok := strings.CutPrefix(location, prefix)
	return ok && (rest == "" || rest[0] == '/')
}

// LocationAt is the first depth levels of a location, or all of it where it is
// not that deep.
func LocationAt(location string, depth int) string {
	end := 0
	for ; depth > 0; depth-- {
		next := strings.IndexByte(location[end:], '/')
		if next < 0 {
			return location
		}
		end += next + 1
	}
	return strings.TrimSuffix(location[:end], "/")
}
