package openapitest

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
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

// Words are texts to draw from: names that may exist, and what a parameter or a
// property of a name is likely to take; none for those that nothing drawn is right for.
type Words struct {
	Any []string
	Of  map[string][]string
}

// Draw makes a request for an operation out of the description. Half of them are as
// described, the others are wrong in any of many ways.
func (v *Validator) Draw(t *rapid.T, operation Operation, words Words) Drawn {
	described := v.document.Paths.Value(operation.Path).GetOperation(operation.Method)
	d := drawer{t: t, words: words, right: rapid.Bool().Draw(t, "as described")}
	d.words.Any = append([]string{"", "x", "ä", "../..", strings.Repeat("n", 300), "null", "-1", "%"}, words.Any...)
	drawn := Drawn{Operation: operation, Method: operation.Method, Path: operation.Path, Header: map[string]string{}}
	query := url.Values{}
	for _, parameter := range described.Parameters {
		d.parameter(parameter.Value, &drawn, query)
	}
	if !d.right && rapid.IntRange(0, 9).Draw(t, "unknown parameter") == 0 {
		query.Set("unknown", "x")
	}
	drawn.Query = query.Encode()
	if answer := described.Responses.Value("200"); answer != nil && len(answer.Value.Content) > 1 && d.sometimes("a format is preferred") {
		drawn.Header["Accept"] = rapid.SampledFrom(append(sortedNames(answer.Value.Content), "image/png", "*/*;q=0.1", "")).Draw(t, "accept")
	}
	if described.RequestBody != nil {
		drawn.Body, drawn.Header["Content-Type"] = d.body(described.RequestBody.Value)
	}
	return drawn
}

// parameter puts one where it belongs, if it is given.
func (d *drawer) parameter(p *openapi3.Parameter, drawn *Drawn, query url.Values) {
	switch {
	case p.In == openapi3.ParameterInPath:
		drawn.Path = strings.ReplaceAll(drawn.Path, "{"+p.Name+"}", url.PathEscape(d.pathPart(p)))
	case !d.given(p.Name, p.Required):
	case p.In == openapi3.ParameterInHeader:
		drawn.Header[p.Name] = printable(d.text(p))
	case p.Schema.Value.Type.Is("object"): // any names, each with a value
		for name, value := range d.object(p.Schema.Value) {
			query.Add(name, fmt.Sprint(value))
		}
	default:
		query.Add(p.Name, d.text(p))
		if !d.right && d.sometimes("twice") {
			query.Add(p.Name, d.text(p))
		}
	}
}

// drawer draws values by their schemas: only right ones, or any.
type drawer struct {
	t     *rapid.T
	words Words
	right bool
	depth int
}

func (d *drawer) sometimes(what string) bool { return rapid.Bool().Draw(d.t, what) }

// given tells whether a parameter or a property is. Few at once go together.
func (d *drawer) given(name string, required bool) bool {
	if !d.right {
		return d.sometimes(name)
	}
	likely, known := d.words.Of[name]
	unlikely := known && len(likely) == 0
	return required || !unlikely && rapid.IntRange(0, 3).Draw(d.t, name) == 0
}

func (d *drawer) word(name string) string {
	if likely := d.words.Of[name]; len(likely) > 0 && (d.right || d.sometimes("a likely word")) {
		return rapid.SampledFrom(likely).Draw(d.t, name)
	}
	return rapid.SampledFrom(d.words.Any).Draw(d.t, "word")
}

func (d *drawer) pathPart(p *openapi3.Parameter) string {
	if word := d.text(p); word != "" && !strings.ContainsAny(word, "/%") {
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
func (d *drawer) text(p *openapi3.Parameter) string {
	value := p.Example
	if likely := d.words.Of[p.Name]; value == nil || (len(likely) > 0 || !d.right) && d.sometimes("another than the example") {
		value = d.value(p.Name, p.Schema)
	}
	if list, is := value.([]any); is && len(list) > 0 {
		value = list[0]
	}
	if text, is := value.(string); is {
		return text
	}
	return fmt.Sprint(value)
}

// body is one in any of the formats described. YAML and CSV have what JSON has: JSON is
// YAML too.
func (d *drawer) body(described *openapi3.RequestBody) (text, kind string) {
	kind = rapid.SampledFrom(sortedNames(described.Content)).Draw(d.t, "format")
	media := described.Content[kind]
	if asJSON := described.Content["application/json"]; asJSON != nil {
		media = asJSON
	}
	if kind == "text/csv" {
		return d.spoiled(d.csv(media.Schema.Value.Items.Value)), kind
	}
	encoded, err := json.Marshal(d.value("", media.Schema))
	if err != nil {
		d.t.Fatal(err)
	}
	return d.spoiled(string(encoded)), kind
}

// csv is a table of rows with some of a schema's properties.
func (d *drawer) csv(row *openapi3.Schema) string {
	var columns []string
	for _, name := range append(sortedNames(row.Properties), "label:x", d.word("column")) {
		if d.given(name, slices.Contains(row.Required, name)) && name != "labels" {
			columns = append(columns, name)
		}
	}
	var table strings.Builder
	lines := csv.NewWriter(&table)
	_ = lines.Write(columns)
	for range rapid.IntRange(0, 3).Draw(d.t, "rows") {
		cells := make([]string, len(columns))
		for i, name := range columns {
			cells[i] = d.word(name)
			if property := row.Properties[name]; property != nil {
				cells[i] = fmt.Sprint(d.value(name, property))
			}
		}
		_ = lines.Write(cells)
	}
	lines.Flush()
	return table.String()
}

// spoiled is a text that may have been cut, continued or replaced.
func (d *drawer) spoiled(text string) string {
	if d.right {
		return text
	}
	switch rapid.IntRange(0, 9).Draw(d.t, "spoiled") {
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

// value is one of a name that a schema describes, or something else.
func (d *drawer) value(name string, ref *openapi3.SchemaRef) any {
	const deepest = 8
	if d.depth++; d.depth > deepest || ref == nil || ref.Value == nil {
		d.depth--
		return nil
	}
	defer func() { d.depth-- }()
	if !d.right && rapid.IntRange(0, 7).Draw(d.t, "something else") == 0 {
		return rapid.SampledFrom([]any{nil, true, -1, 1e300, 0.0001, "x", "", []any{}, map[string]any{"x": 1}}).Draw(d.t, "else")
	}
	schema := ref.Value
	if schema.Example != nil && d.sometimes("the example") {
		return schema.Example
	}
	switch {
	case len(schema.AllOf) > 0:
		return d.value(name, schema.AllOf[0])
	case len(schema.OneOf) > 0:
		return d.value(name, rapid.SampledFrom(schema.OneOf).Draw(d.t, "one of"))
	case len(schema.Enum) > 0:
		return rapid.SampledFrom(schema.Enum).Draw(d.t, "enum")
	case schema.Type.Is("object"):
		return d.object(schema)
	case schema.Type.Is("array"):
		var list []any
		for range rapid.IntRange(1, 3).Draw(d.t, "length") {
			list = append(list, d.value(name, schema.Items))
		}
		return list
	case schema.Type.Is("boolean"):
		return d.sometimes("boolean")
	case schema.Type.Is("integer"), schema.Type.Is("number"):
		return d.number(schema)
	case schema.Format == "date-time":
		return rapid.SampledFrom([]string{"2026-03-28T00:00:00Z", "2026-03-29T02:30:00.000Z", "2026-02-30T00:00:00Z", "1999-01-01T00:00:00Z"}).Draw(d.t, "time")
	}
	return d.word(name)
}

func (d *drawer) number(schema *openapi3.Schema) any {
	bounds := []float64{1, 60}
	if schema.Min != nil {
		bounds[0] = *schema.Min
	}
	if schema.Max != nil {
		bounds[1] = *schema.Max
	}
	if !d.right {
		bounds = append(bounds, 0, 0.1, 5, 59.999, 1<<40, -1, bounds[0]-1, bounds[1]+1)
	}
	number := rapid.SampledFrom(bounds).Draw(d.t, "number")
	if schema.Type.Is("integer") {
		return int(number)
	}
	return number
}

func (d *drawer) object(schema *openapi3.Schema) map[string]any {
	object := map[string]any{}
	for _, name := range sortedNames(schema.Properties) {
		if d.given(name, slices.Contains(schema.Required, name)) || d.sometimes(name+" after all") {
			object[name] = d.value(name, schema.Properties[name])
		}
	}
	if schema.AdditionalProperties.Schema != nil {
		object[d.word("label")] = d.value("value", schema.AdditionalProperties.Schema)
	}
	return object
}
