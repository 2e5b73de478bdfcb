package main

import "github.com/getkin/kin-openapi/openapi3"

// answers are the examples of an operation, by status and media type.
type answers map[string]map[string]any

// illustrate gives the answers of an operation their examples.
func illustrate(operation *openapi3.Operation, examples answers) {
	for status, response := range operation.Responses.Map() {
		for kind, media := range response.Value.Content {
			media.Example = examples[status][kind]
		}
	}
}

// illustrateItself shows the beginning of the document as the answer of the path that
// serves it.
func illustrateItself(document *openapi3.T) {
	info := map[string]any{"title": document.Info.Title, "version": document.Info.Version}
	served := document.Paths.Value("/api/v1/openapi.json").Get.Responses.Value("200").Value
	served.Content["application/json"].Example = map[string]any{"openapi": document.OpenAPI, "info": info, "paths": map[string]any{}}
}
