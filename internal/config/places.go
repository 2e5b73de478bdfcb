package config

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/wattline/wattline"
)

// Place is what becomes of an id of the system that an export comes from. What is
// empty is made of the id.
type Place struct {
	Device   string `yaml:"device"`
	Location string `yaml:"location"`
	Kind     string `yaml:"kind"`
}

// LoadPlaces reads a map file: a Place for each id.
func LoadPlaces(path string) (map[string]Place, error) {
	data, err := read(path)
	if err != nil {
		return nil, fmt.Errorf("map file: %w", err)
	}
	places := map[string]Place{}
	if err := parse(data, &places); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	var found checker
	for _, id := range slices.Sorted(maps.Keys(places)) {
		place := places[id]
		if place.Device != "" {
			found.check(id+".device", wattline.CheckID(place.Device))
		}
		if place.Location != "" {
			found.check(id+".location", wattline.CheckLocation(place.Location))
		}
		if place.Kind != "" {
			found.check(id+".kind", wattline.CheckID(place.Kind))
		}
	}
	if len(found.faults) > 0 {
		return nil, fmt.Errorf("%s: %w", path, errors.New(strings.Join(found.faults, "\n")))
	}
	return places, nil
}
