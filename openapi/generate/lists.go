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
func lists(operation *openapi3.Operation) {
	if operation.OperationID != "applyDevices" {
		return
	}
	anything := openapi3.NewObjectSchema().WithAnyAdditionalProperties()
	operation.RequestBody.Value.Content["application/json"].Schema = openapi3.NewArraySchema().WithItems(anything).NewRef()
}
