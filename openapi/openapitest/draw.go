package openapitest

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"pgregory.net/rapid"
)

// Drawn is a request that the description suggests, and that may be wrong in any way.
type Drawn struct {
	Operation    Operation
	Method, Path string // as they are sent
	Query        string
	Body         string
	Header       map[string]string
}

// Draw makes a request out of the description: about half of what is given is as
// described. Words are names that may exist.
func (v *Validator) Draw(t *rapid.T, words []string) Drawn {
	operation := rapid.SampledFrom(v.Operations()).Draw(t, "operation")
	described := v.document.Paths.Value(operation.Path).GetOperation(operation.Method)
	d := drawer{t: t, words: append([]string{"", "x", "ä", "../..", strings.Repeat("n", 300), "null", "-1", "%"}, words...)}
	drawn := Drawn{Operation: operation, Method: operation.Method, Path: operation.Path, Header: map[string]string{}}
	query := url.Values{}
	for _, parameter := range described.Parameters {
		p := parameter.Value
		switch {
		case p.In == openapi3.ParameterInPath:
			drawn.Path = strings.ReplaceAll(drawn.Path, "{"+p.Name+"}", url.PathEscape(d.pathPart()))
		case !d.sometimes(p.Name + " is given"):
		case p.In == openapi3.ParameterInHeader:
			drawn.Header[p.Name] = printable(d.text(p.Schema))
		default:
			for range rapid.IntRange(1, 2).Draw(t, "times") {
				query.Add(p.Name, d.text(p.Schema))
			}
		}
	}
	if rapid.IntRange(0, 9).Draw(t, "unknown parameter") == 0 {
		query.Set("unknown", "x")
	}
	drawn.Query = query.Encode()
	if described.RequestBody != nil {
		drawn.Body, drawn.Header["Content-Type"] = d.body(described.RequestBody.Value)
	}
	return drawn
}

// drawer draws values by their schemas.
type drawer struct {
	t     *rapid.T
	words []string
	depth int
}

func (d *drawer) sometimes(what string) bool { return rapid.Bool().Draw(d.t, what) }

func (d *drawer) word() string { return rapid.SampledFrom(d.words).Draw(d.t, "word") }

func (d *drawer) pathPart() string {
	if word := d.word(); word != "" && !strings.ContainsAny(word, "/%") {
		return word
	}
	return "none"
}

// printable is what may stand in a header.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return -1
		}
		return r
	}, text)
}

// text is a parameter's value.
func (d *drawer) text(schema *openapi3.SchemaRef) string {
	value := d.value(schema)
	if list, is := value.([]any); is && len(list) > 0 {
		value = list[0]
	}
	if text, is := value.(string); is {
		return text
	}
	return fmt.Sprint(value)
}

func (d *drawer) body(described *openapi3.RequestBody) (text, kind string) {
	for kind, media := range described.Content {
		value := d.value(media.Schema)
		if !strings.Contains(kind, "json") {
			return fmt.Sprint(value), kind
		}
		encoded, err := json.Marshal(value)
		if err != nil {
			d.t.Fatal(err)
		}
		return d.spoiled(string(encoded)), kind
	}
	return "", "application/json"
}

// spoiled is a text that may have been cut, continued or replaced.
func (d *drawer) spoiled(text string) string {
	switch rapid.IntRange(0, 19).Draw(d.t, "spoiled") {
	case 0:
		return text[:len(text)/2]
	case 1:
		return text + text
	case 2:
		return ""
	case 3:
		return strings.Repeat("[", 10_000)
	}
	return text
}

// value is one that a schema describes, or something else.
func (d *drawer) value(ref *openapi3.SchemaRef) any {
	const deepest = 8
	if d.depth++; d.depth > deepest || ref == nil || ref.Value == nil {
		d.depth--
		return nil
	}
	defer func() { d.depth-- }()
	if rapid.IntRange(0, 11).Draw(d.t, "something else") == 0 {
		return rapid.SampledFrom([]any{nil, true, -1, 1e300, 0.0001, "x", "", []any{}, map[string]any{"x": 1}}).Draw(d.t, "else")
	}
	schema := ref.Value
	switch {
	case len(schema.AllOf) > 0:
		return d.value(schema.AllOf[0])
	case len(schema.OneOf) > 0:
		return d.value(rapid.SampledFrom(schema.OneOf).Draw(d.t, "one of"))
	case len(schema.Enum) > 0:
		return rapid.SampledFrom(schema.Enum).Draw(d.t, "enum")
	case schema.Type.Is("object"):
		return d.object(schema)
	case schema.Type.Is("array"):
		var list []any
		for range rapid.IntRange(0, 3).Draw(d.t, "length") {
			list = append(list, d.value(schema.Items))
		}
		return list
	case schema.Type.Is("boolean"):
		return d.sometimes("boolean")
	case schema.Type.Is("integer"):
		return rapid.SampledFrom([]int{0, 1, 2, 5, 1000, 1 << 40, -1}).Draw(d.t, "integer")
	case schema.Type.Is("number"):
		return rapid.SampledFrom([]float64{0, 0.1, 1, 5, 59.999, 1e6, -1}).Draw(d.t, "number")
	case schema.Format == "date-time":
		return rapid.SampledFrom([]string{"2026-03-28T00:00:00Z", "2026-03-29T02:30:00.000Z", "2026-02-30T00:00:00Z", "1999-01-01T00:00:00Z"}).Draw(d.t, "time")
	}
	return d.word()
}

func (d *drawer) object(schema *openapi3.Schema) any {
	object := map[string]any{}
	for _, name := range sortedNames(schema.Properties) {
		if d.sometimes(name) || d.sometimes(name+" again") {
			object[name] = d.value(schema.Properties[name])
		}
	}
	if schema.AdditionalProperties.Schema != nil {
		object[d.word()] = d.value(schema.AdditionalProperties.Schema)
	}
	return object
}
