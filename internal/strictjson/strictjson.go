// Package strictjson decodes JSON from outside. What encoding/json lets pass is
// an error here: duplicate and unknown names, names in another case, missing
// fields, null where a value is meant, bytes after the end, invalid UTF-8.
//
// A struct field is required unless its tag says omitempty or omitzero. Only a
// pointer takes null.
package strictjson

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/wattline/wattline"
)

// Decode reads one JSON value into the struct that into points to. The error is
// a *wattline.Error with CodeInvalid that names each field and its fault.
func Decode(data []byte, into any) error {
	return decode(data, into, json.RejectUnknownMembers(true))
}

// DecodeLoose is Decode but lets unknown names pass, for messages that later
// versions or other people's programs may extend.
func DecodeLoose(data []byte, into any) error {
	return decode(data, into, json.RejectUnknownMembers(false))
}

// known saves looking at a type's tags for each message; see shapes.
var known shapes //nolint:gochecknoglobals // a memo of what cannot change

func decode(data []byte, into any, unknown json.Options) error {
	if err := json.Unmarshal(data, into, unknown); err != nil {
		return wattline.Invalid(faultOf(err))
	}
	// Of a bytes.Buffer, and of nothing else, the decoder makes no copy.
	checker := presence{decoder: jsontext.NewDecoder(bytes.NewBuffer(data)), shapes: &known}
	if err := checker.value(known.of(reflect.TypeOf(into).Elem()), nil); err != nil {
		return wattline.Invalid(faultOf(err))
	}
	if len(checker.missing) > 0 {
		return wattline.Invalid(checker.missing...)
	}
	return nil
}

// faultOf puts the library's error into our words.
func faultOf(err error) wattline.FieldError {
	if semantic, ok := errors.AsType[*json.SemanticError](err); ok {
		return wattline.FieldError{Field: fieldOf(semantic.JSONPointer), Reason: semanticReason(semantic)}
	}
	if syntactic, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		if errors.Is(err, jsontext.ErrDuplicateName) {
			return wattline.FieldError{Field: fieldOf(syntactic.JSONPointer), Reason: "is given twice"}
		}
		return wattline.FieldError{
			Field:  fieldOf(syntactic.JSONPointer),
			Reason: fmt.Sprintf("is not valid JSON at byte %d: %v", syntactic.ByteOffset, syntactic.Err),
		}
	}
	return wattline.FieldError{Field: "body", Reason: "is not valid JSON: the text ends too early"}
}

func semanticReason(err *json.SemanticError) string {
	switch {
	case errors.Is(err.Err, json.ErrUnknownName):
		return "is not a known field"
	case err.Err != nil && implementsOwnSyntax(err.GoType):
		return err.Err.Error()
	case err.GoType == nil:
		return "has the wrong type"
	}
	return "must be " + kindName(err.GoType) + ", not " + givenName(err.JSONKind)
}

func kindName(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Pointer:
		return kindName(t.Elem())
	case reflect.Bool:
		return "true or false"
	case reflect.String:
		return "a string"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return "a whole number"
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "a whole number of at least 0"
	case reflect.Float32, reflect.Float64:
		return "a number"
	case reflect.Slice, reflect.Array:
		return "an array"
	}
	return "an object"
}

func givenName(kind jsontext.Kind) string {
	switch kind {
	case 'n':
		return "null"
	case 't', 'f':
		return "a boolean"
	case '"':
		return "a string"
	case '0':
		return "this number"
	case '[':
		return "an array"
	case '{':
		return "an object"
	}
	return "this"
}

// fieldOf turns a JSON pointer (RFC 6901) into a path such as "ids[3]" or
// "selector.kind".
func fieldOf(pointer jsontext.Pointer) string {
	field := ""
	for token := range pointer.Tokens() {
		field = join(field, token)
	}
	if field == "" {
		return "body"
	}
	return field
}

func join(field, token string) string {
	const maxField, maxToken = 400, 80
	if len(field) > maxField { // nested deeper than anything of ours
		return field
	}
	if len(token) > maxToken {
		token = strings.ToValidUTF8(token[:maxToken], "") + "…"
	}
	switch {
	case token != "" && strings.Trim(token, "0123456789") == "":
		return field + "[" + token + "]"
	case field == "":
		return token
	}
	return field + "." + token
}
