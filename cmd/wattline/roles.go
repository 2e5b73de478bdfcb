package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/config"
)

// allRoles are the roles in the order in which they start: what others write to
// comes first.
func allRoles() []string {
	return []string{
		wattline.RoleHook, wattline.RoleHistory, wattline.RoleRegistry,
		wattline.RoleController, wattline.RoleCollector, wattline.RoleGateway,
	}
}

// roles is some of allRoles, in their order, each once.
type roles []string

func parseRoles(names []string) (roles, error) {
	var chosen roles
	for _, role := range allRoles() {
		if slices.Contains(names, role) {
			chosen = append(chosen, role)
		}
	}
	for _, name := range names {
		if !slices.Contains(allRoles(), name) {
			return nil, usageError{fmt.Errorf("unknown role %q: the roles are %s", name, strings.Join(allRoles(), ", "))}
		}
	}
	return chosen, nil
}

func (r roles) has(role string) bool { return slices.Contains(r, role) }

// usesStore tells whether a role needs the store opened.
func (r roles) usesStore() bool { return r.has(wattline.RoleHook) || r.has(wattline.RoleHistory) }

// check refuses roles that cannot work with the configuration.
func (r roles) check(c config.Config) error {
	if c.Store == config.StoreArchive && r.has(wattline.RoleHook) != r.has(wattline.RoleHistory) {
		return fmt.Errorf("with store: archive the roles %s and %s must run in one process, because the archive belongs to one",
			wattline.RoleHook, wattline.RoleHistory)
	}
	if c.Store == config.StoreArchive && c.BrokerCluster.Listen != "" && r.has(wattline.RoleHook) {
		return errors.New("with broker_cluster the members need one store between them: set store: influx, because each archive would hold a part")
	}
	return nil
}
