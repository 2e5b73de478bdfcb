// Package openapitest holds requests and responses against the description of
// the HTTP API, in tests.
package openapitest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"

	"github.com/wattline/wattline/openapi"
)

// Validator knows the description. It takes every object to have no other
// fields than those described, so that an undocumented field is a fault.
type Validator struct {
	document *openapi3.T
	router   routers.Router
}

// New reads the embedded description.
func New() (*Validator, error) {
	loader := openapi3.NewLoader()
	document, err := loader.LoadFromData(openapi.Document())
	if err != nil {
		return nil, fmt.Errorf("read the description: %w", err)
	}
	if err := document.Validate(context.Background()); err != nil {
		return nil, fmt.Errorf("the description is not valid: %w", err)
	}
	for _, schema := range document.Components.Schemas {
		closeObject(schema.Value)
	}
	for _, path := range document.Paths.Map() {
		for _, operation := range path.Operations() {
			anything(operation)
		}
	}
	router, err := gorillamux.NewRouter(document)
	if err != nil {
		return nil, fmt.Errorf("the description's paths: %w", err)
	}
	return &Validator{document: document, router: router}, nil
}

// anything lets an answer of which nothing is known be null: the library takes only
// what says so itself, which OpenAPI 3.0 does not allow without a type.
func anything(operation *openapi3.Operation) {
	for _, response := range operation.Responses.Map() {
		for _, media := range response.Value.Content {
			if media.Schema != nil && media.Schema.Ref == "" && media.Schema.Value.Type == nil {
				media.Schema.Value.Nullable = true
			}
		}
	}
}

func closeObject(schema *openapi3.Schema) {
	if schema.Type.Is("object") && schema.AdditionalProperties.Schema == nil {
		closed := false
		schema.AdditionalProperties.Has = &closed
	}
}

// Operation is a method and a path of the description, with the statuses that
// it may answer.
type Operation struct {
	Method, Path, ID string
	Statuses         []string
}

// Operations are all of them, by path and method.
func (v *Validator) Operations() []Operation {
	var operations []Operation
	for _, path := range slices.Sorted(maps.Keys(v.document.Paths.Map())) {
		methods := v.document.Paths.Value(path).Operations()
		for _, method := range slices.Sorted(maps.Keys(methods)) {
			operations = append(operations, operationOf(method, path, methods[method]))
		}
	}
	return operations
}

func operationOf(method, path string, described *openapi3.Operation) Operation {
	return Operation{
		Method: method, Path: path, ID: described.OperationID,
		Statuses: slices.Sorted(maps.Keys(described.Responses.Map())),
	}
}

// WithoutExample are the answers that have a body and show none: operation, status and
// media type. Parquet is no text, and shows the rows that the other formats do.
func (v *Validator) WithoutExample() []string {
	var bare []string
	for _, operation := range v.Operations() {
		described := v.document.Paths.Value(operation.Path).GetOperation(operation.Method)
		for _, status := range operation.Statuses {
			for kind, media := range described.Responses.Value(status).Value.Content {
				if media.Example == nil && len(media.Examples) == 0 && kind != "application/vnd.apache.parquet" {
					bare = append(bare, operation.ID+" "+status+" "+kind)
				}
			}
		}
	}
	slices.Sort(bare)
	return bare
}

func sortedNames[T any](of map[string]T) []string { return slices.Sorted(maps.Keys(of)) }

// Find is the operation that a request is for; false where there is none.
func (v *Validator) Find(request *http.Request) (Operation, bool) {
	route, _, err := v.router.FindRoute(request)
	if err != nil {
		return Operation{}, false
	}
	return operationOf(route.Method, route.Path, route.Operation), true
}

// Request tells in what a request differs from the description.
func (v *Validator) Request(request *http.Request, body []byte) error {
	input, err := v.input(request, body)
	if err != nil {
		return err
	}
	return openapi3filter.ValidateRequest(context.Background(), input)
}

// Response tells in what a response differs from the description; a status that
// it does not name is a difference. Lines of JSON are held against the rows of the same
// answer in JSON. Of events only the status and the header are looked at; see Schema.
func (v *Validator) Response(request *http.Request, status int, header http.Header, body []byte) error {
	input, err := v.input(request, nil)
	if err != nil {
		return err
	}
	kind, _, _ := strings.Cut(header.Get("Content-Type"), ";")
	if kind == linesType {
		if err := v.rows(input.Route.Operation, body); err != nil {
			return err
		}
	}
	return openapi3filter.ValidateResponse(context.Background(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: input, Status: status, Header: header,
		Body: io.NopCloser(bytes.NewReader(body)),
		Options: &openapi3filter.Options{
			IncludeResponseStatus: true,
			ExcludeResponseBody:   kind == linesType || kind == "text/event-stream",
		},
	})
}

const linesType = "application/x-ndjson"

// rows holds lines of JSON against the one list that the answer in JSON has.
func (v *Validator) rows(operation *openapi3.Operation, body []byte) error {
	page := operation.Responses.Value("200").Value.Content["application/json"].Schema.Value
	var row *openapi3.Schema
	for _, property := range page.Properties {
		if property.Value.Type.Is("array") {
			row = property.Value.Items.Value
		}
	}
	if row == nil {
		return fmt.Errorf("%s has no list whose rows could be lines", operation.OperationID)
	}
	for line := range bytes.Lines(body) {
		var value any
		if err := json.Unmarshal(line, &value); err != nil {
			return fmt.Errorf("the line %.200q: %w", line, err)
		}
		if err := row.VisitJSON(value); err != nil {
			return fmt.Errorf("the line %.200q: %w", line, err)
		}
	}
	return nil
}

func (v *Validator) input(request *http.Request, body []byte) (*openapi3filter.RequestValidationInput, error) {
	route, path, err := v.router.FindRoute(request)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", request.Method, request.URL.Path, err)
	}
	copied := request.Clone(context.Background())
	copied.Body = io.NopCloser(bytes.NewReader(body))
	// Who may ask is not for the description to decide.
	options := &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc}
	return &openapi3filter.RequestValidationInput{Request: copied, PathParams: path, Route: route, Options: options}, nil
}

// Schema holds a JSON value against a named schema.
func (v *Validator) Schema(name string, value any) error {
	schema := v.document.Components.Schemas[name]
	if schema == nil {
		return fmt.Errorf("no schema %q", name)
	}
	return schema.Value.VisitJSON(value)
}
