package main

import "github.com/getkin/kin-openapi/openapi3"

// nullableLabels says that null takes a label away. Swagger 2 knows no null within a map.
func nullableLabels(document *openapi3.T) {
	if patch := document.Components.Schemas["DevicePatch"]; patch != nil {
		patch.Value.Properties["labels"].Value.AdditionalProperties.Schema.Value.Nullable = true
	}
}

// lists says that a list of devices as JSON is an array, and in other formats a text.
// Swagger 2 knows one schema for all of them.
func lists(document *openapi3.T, operation *openapi3.Operation) {
	if operation.OperationID != "applyDevices" {
		return
	}
	document.Components.Schemas["ListedDevice"] = listed(document.Components.Schemas["DeviceRequest"].Value).NewRef()
	item := openapi3.NewSchemaRef("#/components/schemas/ListedDevice", document.Components.Schemas["ListedDevice"].Value)
	list := openapi3.NewArraySchema()
	list.Items = item
	operation.RequestBody.Value.Content["application/json"].Schema = list.NewRef()
}

// listed is a device as a list has it, which is as the configuration file does: its
// interval is a text with a unit, and only the list itself can name it.
func listed(request *openapi3.Schema) *openapi3.Schema {
	device := openapi3.NewObjectSchema().WithRequired([]string{"id", "kind", "location", "address"})
	device.Description = "A device of a list, as under devices in the configuration file."
	for name, property := range request.Properties {
		if name != "poll_s" {
			device.WithPropertyRef(name, property)
		}
	}
	poll := openapi3.NewStringSchema()
	poll.Description, poll.Example = "Its own polling interval.", "5s"
	return device.WithProperty("poll", poll).WithoutAdditionalProperties()
}
