package api

import (
	"maps"
	"slices"

	"github.com/wattline/wattline"
)

// FieldChange is what becomes of one field of a device.
type FieldChange struct {
	// Field is its name, such as location or labels.cost-centre.
	Field string `json:"field" example:"location"`
	// Before and After are its value as a text; absent where it has none.
	Before string `json:"before,omitempty" example:"hq/f1/r101"`
	After  string `json:"after,omitempty" example:"hq/f1/r102"`
}

// differences is what is different in two descriptions, field by field.
func differences(before, after wattline.Device) []FieldChange {
	had, has := fieldsOf(before), fieldsOf(after)
	names := maps.Clone(had)
	maps.Copy(names, has)
	var changes []FieldChange
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if had[name] != has[name] {
			changes = append(changes, FieldChange{Field: name, Before: had[name], After: has[name]})
		}
	}
	return changes
}

// fieldsOf is a description as texts, without what the registry itself keeps of it.
func fieldsOf(device wattline.Device) map[string]string {
	fields := map[string]string{
		"kind": device.Kind, "location": device.Location, "site": device.Site, "address": device.Address,
		"protected": string(device.Protected),
	}
	if device.PollS != 0 {
		fields["poll_s"] = device.PollS.String()
	}
	for name, value := range device.Labels {
		fields["labels."+name] = value
	}
	return fields
}
