package main

import (
	"maps"

	"github.com/getkin/kin-openapi/openapi3"
)

// open marks the operations that anybody may ask: @x-open true.
const open = "x-open"

// The names of the ways in which a client says who it is.
const (
	byToken   = "token"
	bySession = "session"
)

func credentials() openapi3.SecuritySchemes {
	token := openapi3.NewSecurityScheme().WithType("http").WithScheme("bearer").
		WithDescription("A token: Authorization: Bearer wl_…")
	session := openapi3.NewSecurityScheme().WithType("apiKey").WithIn("cookie").WithName("wattline_session").
		WithDescription("The cookie of somebody who has signed in, for browsers.")
	return openapi3.SecuritySchemes{byToken: {Value: token}, bySession: {Value: session}}
}

// guard says that an operation needs a token or a session, and what is answered
// without a valid one, without the rights, to somebody who asks too often, and where
// the fault is ours.
func guard(document *openapi3.T, operation *openapi3.Operation) {
	if _, isOpen := operation.Extensions[open]; isOpen {
		delete(operation.Extensions, open)
		operation.Security = openapi3.NewSecurityRequirements()
		return
	}
	operation.Security = openapi3.NewSecurityRequirements().
		With(openapi3.NewSecurityRequirement().Authenticate(byToken)).
		With(openapi3.NewSecurityRequirement().Authenticate(bySession))
	codes := map[string]string{"401": "unauthenticated", "403": "forbidden", "429": "busy", "500": "internal"}
	maps.DeleteFunc(codes, func(status, _ string) bool { return operation.Responses.Value(status) != nil })
	for status, code := range codes {
		problem := openapi3.NewSchemaRef("#/components/schemas/Problem", document.Components.Schemas["Problem"].Value)
		operation.Responses.Set(status, &openapi3.ResponseRef{Value: openapi3.NewResponse().
			WithDescription(code).WithContent(openapi3.Content{problemType: openapi3.NewMediaType().WithSchemaRef(problem)})})
	}
}
