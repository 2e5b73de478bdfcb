package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// reference is the document as a page for people.
func reference(document *openapi3.T) string {
	var page strings.Builder
	page.WriteString("# REST reference\n\n<!-- Written by openapi/generate.sh; change the comments in api/ instead. -->\n\n")
	page.WriteString(document.Info.Description + "\n\n")
	page.WriteString("A running gateway serves this description as OpenAPI 3 under `/api/v1/openapi.json`, and a page to read and try it under `/docs`.\n")
	for _, tag := range document.Tags {
		fmt.Fprintf(&page, "\n## %s\n\n%s\n", title(tag.Name), tag.Description)
		writeTag(&page, document, tag.Name)
	}
	page.WriteString("\n## Schemas\n")
	for _, name := range slices.Sorted(maps.Keys(document.Components.Schemas)) {
		writeSchema(&page, name, document.Components.Schemas[name].Value)
	}
	return page.String()
}

func title(word string) string { return strings.ToUpper(word[:1]) + word[1:] }

func writeTag(page *strings.Builder, document *openapi3.T, tag string) {
	for _, path := range slices.Sorted(maps.Keys(document.Paths.Map())) {
		operations := document.Paths.Value(path).Operations()
		for _, method := range slices.Sorted(maps.Keys(operations)) {
			if operation := operations[method]; slices.Contains(operation.Tags, tag) {
				writeOperation(page, method, path, operation)
			}
		}
	}
}

func writeOperation(page *strings.Builder, method, path string, operation *openapi3.Operation) {
	fmt.Fprintf(page, "\n### `%s %s`\n\n%s.", method, path, operation.Summary)
	if operation.Description != "" {
		fmt.Fprintf(page, " %s", operation.Description)
	}
	page.WriteString("\n")
	if len(operation.Parameters) > 0 {
		page.WriteString("\n| parameter | in | type | |\n|---|---|---|---|\n")
		for _, parameter := range operation.Parameters {
			p := parameter.Value
			note := p.Description
			if p.Schema.Value.Default != nil {
				note += fmt.Sprintf(" (`%v` by default)", p.Schema.Value.Default)
			}
			if p.Example != nil {
				note += fmt.Sprintf(", such as `%v`", p.Example)
			}
			fmt.Fprintf(page, "| `%s` | %s | %s | %s |\n", p.Name, p.In, typeOf(p.Schema), cell(note))
		}
	}
	if operation.RequestBody != nil {
		content := operation.RequestBody.Value.Content
		for _, kind := range slices.Sorted(maps.Keys(content)) {
			fmt.Fprintf(page, "\nBody: %s, `%s`.\n", typeOf(content[kind].Schema), kind)
		}
	}
	page.WriteString("\n| status | body | |\n|---|---|---|\n")
	for _, status := range slices.Sorted(maps.Keys(operation.Responses.Map())) {
		response := operation.Responses.Value(status).Value
		for _, kind := range slices.Sorted(maps.Keys(response.Content)) {
			body := typeOf(response.Content[kind].Schema)
			if kind == "text/csv" || kind == "application/x-ndjson" {
				body = "`" + kind + "`"
			}
			fmt.Fprintf(page, "| %s | %s | %s |\n", status, body, cell(*response.Description))
		}
	}
}

func writeSchema(page *strings.Builder, name string, schema *openapi3.Schema) {
	fmt.Fprintf(page, "\n### %s\n\n", name)
	if len(schema.Properties) == 0 {
		fmt.Fprintf(page, "%s.\n", typeOf(schema.NewRef()))
		return
	}
	page.WriteString("| field | type | |\n|---|---|---|\n")
	for _, field := range slices.Sorted(maps.Keys(schema.Properties)) {
		property := schema.Properties[field]
		note := ""
		if property.Value != nil && property.Ref == "" {
			note = property.Value.Description
		}
		if !slices.Contains(schema.Required, field) {
			note = strings.TrimSuffix("optional. "+note, ". ")
		}
		fmt.Fprintf(page, "| `%s` | %s | %s |\n", field, typeOf(property), cell(note))
	}
}

// typeOf is a schema in a few words, with a link where it is named.
func typeOf(ref *openapi3.SchemaRef) string {
	if name, isRef := strings.CutPrefix(ref.Ref, "#/components/schemas/"); isRef {
		return fmt.Sprintf("[%s](#%s)", name, strings.ToLower(name))
	}
	schema := ref.Value
	switch {
	case len(schema.AllOf) == 1:
		return typeOf(schema.AllOf[0])
	case len(schema.Enum) > 0:
		words := make([]string, len(schema.Enum))
		for i, word := range schema.Enum {
			words[i] = fmt.Sprintf("`%v`", word)
		}
		return strings.Join(words, ", ")
	case schema.Type.Is("array"):
		return "list of " + typeOf(schema.Items)
	case schema.Type.Is("object") && schema.AdditionalProperties.Schema != nil:
		return "names and values"
	case schema.Format != "" && !schema.Type.Is("number"):
		return schema.Format
	case schema.Type == nil:
		return "any JSON"
	}
	return strings.Join(schema.Type.Slice(), " or ")
}

func cell(text string) string {
	return strings.ReplaceAll(strings.ReplaceAll(text, "\n", " "), "|", "\\|")
}
