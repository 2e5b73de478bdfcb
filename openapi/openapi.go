// Package openapi holds the description of the HTTP API as OpenAPI 3.
//
// It is generated from the comments of the handlers in package api by
// openapi/generate.sh, which `make openapi` runs; a test fails when it is out of
// date.
package openapi

import _ "embed"

//go:generate ./generate.sh

//go:embed openapi.json
var document []byte

// Document is the description as JSON. It is not to be changed.
func Document() []byte { return document }
