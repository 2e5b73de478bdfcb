package config

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"github.com/wattline/wattline"
)

// ParseDevices reads a list of devices to apply, in YAML or JSON: as it stands under
// devices in a configuration, with or without that key. Devices that name no site are
// at the given one. The error is CodeInvalid and has every fault with its line.
//
// The text may be anybody's: it is bounded in depth, and nothing in it can refer to
// something else in it.
func ParseDevices(data []byte, site string) ([]Listed, error) {
	l := &list{site: site}
	if structured(data) > maxStructure {
		return nil, wattline.Invalid(wattline.FieldError{Field: "body", Reason: fmt.Sprintf("has more parts than %d devices have", maxListed)})
	}
	if err := plainYAML(data); err != nil {
		return nil, wattline.Invalid(*err)
	}
	items, fault := itemsOf(data)
	if fault != nil {
		return nil, wattline.Invalid(*fault)
	}
	if len(items) > maxListed {
		l.fail(lineOf(items[maxListed]), "devices", "must be at most %d", maxListed)
		items = nil
	}
	for i, item := range items {
		l.addNode(i, item)
	}
	return l.result()
}

// addNode takes an entry into the list, field by field, so that every fault shows.
func (l *list) addNode(i int, item ast.Node) {
	entry, isMap := item.(ast.MapNode)
	if !isMap {
		l.fail(lineOf(item), fmt.Sprintf("devices[%d]", i), "must be a group of keys")
		return
	}
	var device Device
	for fields := entry.MapRange(); fields.Next(); {
		key, line := nameOf(fields.Key()), lineOf(fields.Key())
		field := device.field(key)
		if field == nil {
			reason := "is no known key"
			if near := nearestKey(key, reflect.TypeFor[Device]()); near != "" {
				reason += fmt.Sprintf("; did you mean %q?", near)
			}
			l.fail(line, fmt.Sprintf("devices[%d].%s", i, shortName(key)), "%s", reason)
			continue
		}
		if err := decodeNode(fields.Value(), field); err != nil {
			message, _ := explain(err, reflect.TypeFor[Device]())
			if _, isDuration := field.(*time.Duration); isDuration {
				message = errDuration.Error()
			}
			l.fail(line, fmt.Sprintf("devices[%d].%s", i, key), "%s", message)
		}
	}
	l.add(i, device, linesOf(entry))
}

// maxStructure is more than the brackets, braces and dashes that as many devices as
// are taken need, each with a few in its texts.
const maxStructure = 10 * maxListed

// structured counts what makes parts of YAML and JSON. It costs nothing, while to
// take a text apart that has nothing else in it costs a thousand times its length.
func structured(data []byte) int {
	return bytes.Count(data, []byte("[")) + bytes.Count(data, []byte("{")) + bytes.Count(data, []byte("- "))
}

// How deep a list goes at most: the list, a device, its labels, and one to spare.
const (
	maxFlow  = 4
	maxDash  = 2
	maxYAML  = "is nested more deeply than a list of devices is"
	onlyText = "is not taken here: anchors, aliases, tags and the like have no place in a list of devices"
)

// plainYAML refuses what a list of devices has no need of, before anything is built
// of it: depth that exhausts the stack, and references that exhaust the memory.
func plainYAML(data []byte) *wattline.FieldError {
	depth, line, dashes := 0, 0, 0
	for _, t := range lexer.Tokenize(string(data)) {
		at := t.Position.Line
		if at != line {
			line, dashes = at, 0
		}
		switch t.Type {
		case token.MappingStartType, token.SequenceStartType:
			depth++
		case token.MappingEndType, token.SequenceEndType:
			depth--
		case token.SequenceEntryType:
			dashes++
		case token.AnchorType, token.AliasType, token.TagType, token.MappingKeyType, token.MergeKeyType, token.DirectiveType:
			return &wattline.FieldError{Field: "body", Reason: fmt.Sprintf("%.20q ", t.Value) + onlyText, Line: at}
		}
		if depth > maxFlow || dashes > maxDash {
			return &wattline.FieldError{Field: "body", Reason: maxYAML, Line: at}
		}
	}
	return nil
}

// itemsOf is the entries of the list.
func itemsOf(data []byte) ([]ast.Node, *wattline.FieldError) {
	file, err := parseYAML(data)
	if err != nil {
		message, line := explain(err, reflect.TypeFor[Device]())
		return nil, &wattline.FieldError{Field: "body", Reason: message, Line: line}
	}
	var body ast.Node
	for _, document := range file.Docs {
		if document.Body == nil {
			continue
		}
		if body != nil {
			return nil, &wattline.FieldError{Field: "body", Reason: "has a second document after ---; one is all that is read", Line: lineOf(document.Body)}
		}
		body = document.Body
	}
	if node, isMap := body.(ast.MapNode); isMap {
		fields := node.MapRange()
		body = nil
		for fields.Next() {
			if key := nameOf(fields.Key()); key != "devices" || body != nil {
				return nil, &wattline.FieldError{Field: "body", Reason: fmt.Sprintf("has the key %.80q; devices is all that is read", key), Line: lineOf(fields.Key())}
			}
			body = fields.Value()
		}
	}
	sequence, isList := body.(*ast.SequenceNode)
	if !isList {
		return nil, &wattline.FieldError{Field: "body", Reason: "must be a list of devices, or devices: and such a list", Line: lineOf(body)}
	}
	return sequence.Values, nil
}

// parseYAML outlives the panics of the library, as decode does.
func parseYAML(data []byte) (file *ast.File, err error) {
	defer func() {
		if recover() != nil {
			err = errors.New("this YAML cannot be read")
		}
	}()
	return parser.ParseBytes(data, 0)
}

func decodeNode(node ast.Node, into any) (err error) {
	defer func() {
		if recover() != nil {
			err = errors.New("this YAML cannot be read")
		}
	}()
	return yaml.NodeToValue(node, into, yaml.Strict())
}

// linesOf is where a device's fields are.
func linesOf(device ast.MapNode) map[string]int {
	lines := map[string]int{}
	for fields := device.MapRange(); fields.Next(); {
		at := lineOf(fields.Key())
		key := nameOf(fields.Key())
		lines[key] = at
		if key == "poll" {
			lines["poll_s"] = at
		}
		if lines[""] == 0 || at < lines[""] {
			lines[""] = at
		}
		if labels, isMap := fields.Value().(ast.MapNode); isMap && key == "labels" {
			for names := labels.MapRange(); names.Next(); {
				lines["labels."+nameOf(names.Key())] = lineOf(names.Key())
			}
		}
	}
	return lines
}

// nameOf is a key without quotes.
func nameOf(key ast.Node) string { return key.GetToken().Value }

func lineOf(node ast.Node) int {
	if node == nil || reflect.ValueOf(node).IsNil() || node.GetToken() == nil {
		return 0
	}
	return node.GetToken().Position.Line
}
