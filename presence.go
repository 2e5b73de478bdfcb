package wattline

import (
	"slices"
	"time"
)

// How presence is kept: announced again at every heartbeat, and taken to have
// ended after three were missed.
const (
	PresenceHeartbeat = 10 * time.Second
	PresenceTimeout   = 3 * PresenceHeartbeat
)

// The roles of our own; a component's role is its name.
const (
	RoleGateway    = "gateway"
	RoleCollector  = "collector"
	RoleController = "controller"
	RoleRegistry   = "registry"
	RoleHistory    = "history"
	RoleHook       = "hook"
	// RoleWhereabouts is the registry's too, as the one that is told where plugs were
	// found. Its verbs are the sites, so that a broker can hold a collector to its own.
	RoleWhereabouts = "whereabouts"
)

// PresenceStatus is whether an instance runs.
type PresenceStatus string

// The two of them.
const (
	PresenceOnline  PresenceStatus = "online"
	PresenceOffline PresenceStatus = "offline"
)

// Presence announces an instance, retained under …/presence/{instance} and as
// its last will.
type Presence struct {
	Instance string         `json:"instance"`
	Status   PresenceStatus `json:"status"`
	// Roles are what the instance does: our roles, and the names of the
	// components whose queries it answers.
	Roles []string `json:"roles,omitempty"`
	// Sites are the networks whose devices it serves; empty for all.
	Sites   []string `json:"sites,omitempty"`
	Version string   `json:"version,omitempty"`
	// Since is when the process started.
	Since Time `json:"since,omitzero"`
	// Clock is the sender's, so that a skew can be seen.
	Clock Time `json:"clock,omitzero"`
	// Stream and Seq name a collector's journal and its newest number.
	Stream string `json:"stream,omitempty"`
	Seq    uint64 `json:"seq,omitempty"`
	// Packs says that a collector publishes all of its readings as Packs too.
	Packs bool `json:"packs,omitempty"`
}

// Validate reports every fault as a CodeInvalid error.
func (p Presence) Validate() error {
	var found Faults
	found.Check("instance", CheckID(p.Instance))
	if p.Status != PresenceOnline && p.Status != PresenceOffline {
		found.Add("status", "must be online or offline")
	}
	for _, role := range p.Roles {
		found.Check("roles", CheckID(role))
	}
	for _, site := range p.Sites {
		found.Check("sites", CheckID(site))
	}
	if p.Stream != "" {
		found.Check("stream", CheckID(p.Stream))
	}
	return found.Err()
}

// Serves tells whether the instance is online in a role and, unless site is
// empty, for a site.
func (p Presence) Serves(role, site string) bool {
	return p.Status == PresenceOnline && contains(p.Roles, role) &&
		(site == "" || len(p.Sites) == 0 || contains(p.Sites, site))
}

func contains(list []string, wanted string) bool {
	return slices.Contains(list, wanted)
}

// Stored is the retained payload of …/stored/{hook}/{stream}: everything up to
// Seq is in that hook's store.
type Stored struct {
	Seq uint64 `json:"seq"`
}
