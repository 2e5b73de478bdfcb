package wattline

import (
	"fmt"
	"net/netip"
)

// VerbDiscover is the verb of searching plugs, of a collector: DiscoverQuery → Discovery.
const VerbDiscover = "discover"

// maxDiscoverNetworks bounds the networks of one search.
const maxDiscoverNetworks = 64

// DiscoverQuery starts a search, or asks how far one has come. A collector does one
// at a time and remembers the last few.
type DiscoverQuery struct {
	// Job is the search's id, the asker's to make.
	Job string `json:"job"`
	// Start begins it. A search of that id that has begun is left alone.
	Start bool `json:"start,omitempty"`
	// Networks are searched, in CIDR form or single addresses: parts of those that the
	// collector is configured for, which are all searched if none is named.
	Networks []string `json:"networks,omitempty"`
	// After is how many of the found plugs are left out; those beyond it are on the
	// page, Limit at most.
	After int `json:"after,omitempty"`
	Limit int `json:"limit,omitempty"`
}

// Validate reports every fault as a CodeInvalid error.
func (q DiscoverQuery) Validate() error {
	var found Faults
	found.Check("job", CheckID(q.Job))
	if len(q.Networks) > maxDiscoverNetworks {
		found.Add("networks", "must be at most %d", maxDiscoverNetworks)
	}
	for i, network := range q.Networks[:min(len(q.Networks), maxDiscoverNetworks)] {
		prefix, err := netip.ParsePrefix(network)
		if _, single := netip.ParseAddr(network); single != nil && (err != nil || prefix != prefix.Masked()) {
			found.Add(fmt.Sprintf("networks[%d]", i), "must be a network such as 10.1.0.0/22, or an address")
		}
	}
	if q.After < 0 {
		found.Add("after", "must not be negative")
	}
	if q.Limit < 0 || q.Limit > MaxPage {
		found.Add("limit", "must lie between 1 and %d", MaxPage)
	}
	return found.Err()
}

// DiscoveryState is how a search stands.
type DiscoveryState string

// The states of a search.
const (
	DiscoveryRunning DiscoveryState = "running"
	DiscoveryDone    DiscoveryState = "done"
	DiscoveryFailed  DiscoveryState = "failed"
)

// Discovery is how far a search has come, and what it found so far.
type Discovery struct {
	Job   string         `json:"job"`
	Site  string         `json:"site"`
	State DiscoveryState `json:"state"`
	// Error is why it failed.
	Error     string `json:"error,omitempty"`
	StartedAt Time   `json:"started_at"`
	EndedAt   Time   `json:"ended_at,omitzero" validate:"optional"`
	// Tried and Total count the addresses that are tried one by one; answers to
	// broadcasts come besides.
	Tried int `json:"tried"`
	Total int `json:"total"`
	// Found are the plugs, in the order in which they were found.
	Found []FoundPlug `json:"found"`
	// Next goes into After for the page that follows; absent on the last one so far.
	Next int `json:"next,omitempty"`
}

// FoundPlug is a plug that a search found.
type FoundPlug struct {
	// Address is where it is, as a device's address.
	Address string `json:"address"`
	// DeviceID and MAC tell it from any other.
	DeviceID string `json:"device_id,omitempty"`
	MAC      string `json:"mac,omitempty"`
	Model    string `json:"model,omitempty"`
	Hardware string `json:"hardware,omitempty"`
	Firmware string `json:"firmware,omitempty"`
	// Alias is the name that its owner gave it.
	Alias string `json:"alias,omitempty"`
	// Meter: it measures energy.
	Meter bool `json:"meter"`
	// KLAP: its firmware has given up the local protocol, and it cannot be read.
	KLAP bool `json:"klap"`
	// Outlets are the addresses of a strip's outlets, each a device of its own.
	Outlets []FoundOutlet `json:"outlets,omitempty"`
	// Devices are the ids under which it is registered.
	Devices []string `json:"devices,omitempty"`
}

// FoundOutlet is one outlet of a strip.
type FoundOutlet struct {
	Address string `json:"address"`
	Alias   string `json:"alias,omitempty"`
}

// MovedQuery tells the registry that a device's plug was found, by its identity, at
// another address. It goes to whereabouts, with the device's site as the verb. A device
// that is declared in the configuration file keeps the address declared there beside
// the one found, until the file has another.
type MovedQuery struct {
	Device string `json:"device"`
	// From is the address that the device had then. If it has another one by now the
	// answer is CodeConflict.
	From    string `json:"from"`
	Address string `json:"address"`
}
