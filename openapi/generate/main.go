// Command generate makes an OpenAPI 3 document of swag's Swagger 2, and the REST
// reference of the documentation out of that:
//
//	generate swagger.json examples.json openapi.json rest.md
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"

	"github.com/getkin/kin-openapi/openapi3"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 4 {
		return fmt.Errorf("got %d arguments, want swagger.json examples.json openapi.json rest.md", len(args))
	}
	swagger, err := os.ReadFile(args[0]) //nolint:gosec // a program for whoever builds
	if err != nil {
		return err
	}
	examples, err := os.ReadFile(args[1]) //nolint:gosec // a program for whoever builds
	if err != nil {
		return err
	}
	document, err := convert(swagger, examples)
	if err != nil {
		return err
	}
	text, err := encode(document)
	if err != nil {
		return err
	}
	if err := os.WriteFile(args[2], text, 0o644); err != nil { //nolint:gosec // read by everyone
		return err
	}
	return os.WriteFile(args[3], []byte(reference(document)), 0o644) //nolint:gosec // read by everyone
}

// encode indents, so that a change shows as one.
func encode(document *openapi3.T) ([]byte, error) {
	compact, err := document.MarshalJSON()
	if err != nil {
		return nil, err
	}
	var indented bytes.Buffer
	if err := json.Indent(&indented, compact, "", "  "); err != nil {
		return nil, err
	}
	indented.WriteByte('\n')
	return indented.Bytes(), nil
}
