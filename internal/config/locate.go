package config

import (
	"fmt"
	"reflect"
	"time"

	"github.com/goccy/go-yaml/ast"
)

// located finds the value that cannot be read, where the library does not say which it
// is: one that cannot be read by itself either, while all that is in it can. The message
// is left as it is if there is none.
func located(data []byte, of reflect.Type, message string) (named string, line int) {
	file, err := parseYAML(data)
	if err != nil || len(file.Docs) == 0 || file.Docs[0].Body == nil {
		return message, 0
	}
	fault := value{node: file.Docs[0].Body, of: of}
	for inner, is := fault.misread(); is; inner, is = fault.misread() {
		fault = inner
	}
	err = decodeNode(fault.node, reflect.New(fault.of).Interface())
	if err == nil || fault.key == "" {
		return message, 0
	}
	return fault.key + " " + fault.reason(err), lineOf(fault.node)
}

// value is a part of a file: where it stands, and what it is to be read into.
type value struct {
	key  string
	node ast.Node
	of   reflect.Type
}

// misread is the first part of a group or a list that cannot be read by itself.
func (v value) misread() (part value, is bool) {
	for _, part := range v.parts() {
		if decodeNode(part.node, reflect.New(part.of).Interface()) != nil {
			return part, true
		}
	}
	return value{}, false
}

func (v value) parts() (parts []value) {
	switch node := v.node.(type) {
	case ast.MapNode:
		if v.of.Kind() != reflect.Struct {
			return nil
		}
		for fields := node.MapRange(); fields.Next(); {
			name := nameOf(fields.Key())
			for field := range v.of.Fields() {
				if field.Tag.Get("yaml") == name {
					parts = append(parts, value{within(v.key, name), fields.Value(), field.Type})
				}
			}
		}
	case *ast.SequenceNode:
		if v.of.Kind() != reflect.Slice {
			return nil
		}
		for i, item := range node.Values {
			parts = append(parts, value{fmt.Sprintf("%s[%d]", v.key, i), item, v.of.Elem()})
		}
	}
	return parts
}

func within(group, name string) string {
	if group == "" {
		return name
	}
	return group + "." + name
}

// reason is what is wrong with the value.
func (v value) reason(err error) string {
	if _, one := v.node.(ast.ScalarNode); !one {
		return "must be " + wanted(v.of)
	}
	if v.of == reflect.TypeFor[time.Duration]() {
		return errDuration.Error()
	}
	return err.Error()
}
