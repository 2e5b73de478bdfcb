package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/getkin/kin-openapi/openapi2"
	"github.com/getkin/kin-openapi/openapi2conv"
	"github.com/getkin/kin-openapi/openapi3"
)

// convert makes OpenAPI 3 of Swagger 2 and says what Swagger 2 or swag cannot.
func convert(swagger, tested []byte) (*openapi3.T, error) {
	var answered map[string]answers
	if err := json.Unmarshal(tested, &answered); err != nil {
		return nil, fmt.Errorf("read the examples: %w", err)
	}
	var old openapi2.T
	if err := json.Unmarshal(swagger, &old); err != nil {
		return nil, fmt.Errorf("read swagger: %w", err)
	}
	examples := parameterExamples(swagger)
	document, err := openapi2conv.ToV3(&old)
	if err != nil {
		return nil, fmt.Errorf("convert: %w", err)
	}
	document.Components.SecuritySchemes = credentials()
	document.Servers = openapi3.Servers{{URL: "/"}}
	for _, schema := range document.Components.Schemas {
		refine(schema)
	}
	nullableLabels(document)
	for _, path := range document.Paths.InMatchingOrder() {
		for _, operation := range document.Paths.Value(path).Operations() {
			guard(document, operation)
			problems(operation)
			streams(operation)
			illustrate(operation, answered[operation.OperationID])
			freeParameters(path, operation)
			for _, parameter := range operation.Parameters {
				refine(parameter.Value.Schema)
				parameter.Value.Example = examples[operation.OperationID+" "+parameter.Value.Name]
			}
			if err := closeBody(document, operation); err != nil {
				return nil, fmt.Errorf("%s: %w", path, err)
			}
			lists(document, operation)
		}
	}
	illustrateItself(document)
	if err := document.Validate(context.Background()); err != nil {
		return nil, fmt.Errorf("the result is not valid: %w", err)
	}
	return document, nil
}

// parameterExamples are those that swag gives, by operation and parameter.
// Swagger 2 has no place for them, so the library does not read them.
func parameterExamples(swagger []byte) map[string]any {
	var document struct {
		Paths map[string]map[string]struct {
			OperationID string `json:"operationId"`
			Parameters  []struct {
				Name    string `json:"name"`
				Example any    `json:"example"`
			} `json:"parameters"`
		} `json:"paths"`
	}
	examples := map[string]any{}
	if json.Unmarshal(swagger, &document) != nil {
		return examples // the library has read it, and says what is wrong
	}
	for _, operations := range document.Paths {
		for _, operation := range operations {
			for _, parameter := range operation.Parameters {
				examples[operation.OperationID+" "+parameter.Name] = parameter.Example
			}
		}
	}
	return examples
}

// refine mends a schema and all within it: times get their format, and names
// that only Go knows go.
func refine(ref *openapi3.SchemaRef) {
	if ref == nil || ref.Value == nil {
		return
	}
	schema := ref.Value
	delete(schema.Extensions, "x-enum-varnames")
	schema.Description = strings.ReplaceAll(schema.Description, "\n", " ")
	if schema.Type.Is("number") {
		schema.Format = "double" // a client's single precision loses watt-hours
	}
	for name, property := range schema.Properties {
		if isTime(name) && property.Value != nil && property.Value.Type.Is("string") {
			property.Value.Format = "date-time"
		}
	}
	for _, property := range schema.Properties {
		refine(property)
	}
	for _, part := range schema.AllOf {
		refine(part)
	}
	refine(schema.Items)
}

// isTime tells whether a field of this name is an instant. swag has string for
// whatever type is called Time, and no place to say more.
func isTime(name string) bool {
	if strings.HasSuffix(name, "_at") {
		return true
	}
	switch name {
	case "time", "since", "start", "end", "from", "to", "until":
		return true
	}
	return false
}

// problems gives error documents their own media type.
func problems(operation *openapi3.Operation) {
	for _, response := range operation.Responses.Map() {
		for kind, media := range response.Value.Content {
			if media.Schema != nil && media.Schema.Ref == "#/components/schemas/Problem" && kind != problemType {
				delete(response.Value.Content, kind)
				response.Value.Content[problemType] = media
			}
		}
	}
}

const problemType = "application/problem+json"

// streams says what an answer of rows is in another format than JSON. Swagger 2 knows
// one schema for all of them.
func streams(operation *openapi3.Operation) {
	for _, response := range operation.Responses.Map() {
		for kind, media := range response.Value.Content {
			switch kind {
			case "text/csv", "application/x-ndjson":
				media.Schema = openapi3.NewStringSchema().NewRef()
			case "application/senml+json", "application/sensml+json":
				media.Schema = openapi3.NewArraySchema().WithItems(openapi3.NewObjectSchema()).NewRef()
			case "application/vnd.apache.parquet":
				media.Schema = openapi3.NewStringSchema().WithFormat("binary").NewRef()
			}
		}
	}
}

// freeParameters says that a query to a component takes any parameters.
func freeParameters(path string, operation *openapi3.Operation) {
	if path != "/api/v1/components/{name}/{verb}" {
		return
	}
	explode := true
	free := openapi3.NewObjectSchema().WithAdditionalProperties(openapi3.NewStringSchema())
	operation.AddParameter(&openapi3.Parameter{
		Name: "parameters", In: "query", Style: "form", Explode: &explode,
		Description: "Whatever the component takes, each name once.", Schema: free.NewRef(),
	})
}

// closeBody says that the body of a request has no other fields than these.
func closeBody(document *openapi3.T, operation *openapi3.Operation) error {
	if operation.RequestBody == nil {
		return nil
	}
	for _, media := range operation.RequestBody.Value.Content {
		if err := closeSchema(document, media.Schema); err != nil {
			return err
		}
	}
	return nil
}

func closeSchema(document *openapi3.T, ref *openapi3.SchemaRef) error {
	schema := ref.Value
	if name, isRef := strings.CutPrefix(ref.Ref, "#/components/schemas/"); isRef {
		target := document.Components.Schemas[name]
		if target == nil {
			return fmt.Errorf("no schema %q", name)
		}
		schema = target.Value
	}
	if schema.Type.Is("object") && schema.AdditionalProperties.Schema == nil {
		closed := false
		schema.AdditionalProperties.Has = &closed
	}
	for _, property := range schema.Properties {
		if err := closeSchema(document, property); err != nil {
			return err
		}
	}
	for _, part := range schema.AllOf {
		if err := closeSchema(document, part); err != nil {
			return err
		}
	}
	return nil
}
