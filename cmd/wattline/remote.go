package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// placeFlags choose devices, as the API's parameters do.
type placeFlags struct {
	location, kind string
	labels         []string
}

func (f *placeFlags) bind(command *cobra.Command) {
	command.Flags().StringVar(&f.location, "location", "", "those at this location and below, such as hq/f1")
	command.Flags().StringVar(&f.kind, "kind", "", "those of this kind, such as printer")
	command.Flags().StringArrayVar(&f.labels, "label", nil, "those with this label, name:value; again for several")
}

func (f *placeFlags) given() bool { return f.location != "" || f.kind != "" || len(f.labels) > 0 }

// labelled is the labels as names and values.
func (f *placeFlags) labelled() (map[string]string, error) {
	labels := map[string]string{}
	for _, pair := range f.labels {
		name, value, ok := strings.Cut(pair, ":")
		if !ok {
			return nil, usageError{fmt.Errorf("--label must be name:value, not %q", pair)}
		}
		labels[name] = value
	}
	return labels, nil
}

// given is a flag's value, nil where it is empty.
func given[T ~string](value T) *T {
	if value == "" {
		return nil
	}
	return &value
}

func several(values []string) *[]string {
	if len(values) == 0 {
		return nil
	}
	return &values
}
