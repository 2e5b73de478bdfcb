package strictjson

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/wattline/wattline"
)

// presence walks a document that has already been decoded once, in step with
// the type it was decoded into, and notes what is missing or null.
type presence struct {
	decoder *jsontext.Decoder
	missing *[]wattline.FieldError
}

func (p presence) note(field, reason string) {
	if field == "" {
		field = "body"
	}
	*p.missing = append(*p.missing, wattline.FieldError{Field: field, Reason: reason})
}

func (p presence) value(t reflect.Type, field string) error {
	if p.decoder.PeekKind() == 'n' {
		if t.Kind() != reflect.Pointer && t.Kind() != reflect.Interface {
			p.note(field, "must not be null")
		}
		return p.decoder.SkipValue()
	}
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case implementsOwnSyntax(t):
		return p.decoder.SkipValue()
	case t.Kind() == reflect.Struct:
		return p.object(t, field)
	case t.Kind() == reflect.Map:
		return p.members(field, func(string) (reflect.Type, bool) { return t.Elem(), true })
	case t.Kind() == reflect.Slice:
		return p.array(t.Elem(), field)
	}
	return p.decoder.SkipValue()
}

func (p presence) object(t reflect.Type, field string) error {
	fields := fieldsOf(t)
	err := p.members(field, func(name string) (reflect.Type, bool) {
		for i := range fields {
			if fields[i].name == name {
				fields[i].present = true
				return fields[i].kind, true
			}
		}
		return nil, false
	})
	if err != nil {
		return err
	}
	for _, f := range fields {
		if f.required && !f.present {
			p.note(join(field, f.name), "is missing")
		}
	}
	return nil
}

// members visits an object's values; an unknown name's value is passed over.
func (p presence) members(field string, typeOf func(name string) (reflect.Type, bool)) error {
	if _, err := p.decoder.ReadToken(); err != nil {
		return err
	}
	for p.decoder.PeekKind() != '}' {
		token, err := p.decoder.ReadToken()
		if err != nil {
			return err
		}
		name := token.String()
		if t, known := typeOf(name); known {
			err = p.value(t, join(field, name))
		} else {
			err = p.decoder.SkipValue()
		}
		if err != nil {
			return err
		}
	}
	_, err := p.decoder.ReadToken()
	return err
}

func (p presence) array(t reflect.Type, field string) error {
	if _, err := p.decoder.ReadToken(); err != nil {
		return err
	}
	for i := 0; p.decoder.PeekKind() != ']'; i++ {
		if err := p.value(t, fmt.Sprintf("%s[%d]", field, i)); err != nil {
			return err
		}
	}
	_, err := p.decoder.ReadToken()
	return err
}

type structField struct {
	name     string
	kind     reflect.Type
	required bool
	present  bool
}

func fieldsOf(t reflect.Type) []structField {
	fields := make([]structField, 0, t.NumField())
	for f := range t.Fields() {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if !f.IsExported() || name == "-" {
			continue
		}
		if name == "" {
			name = f.Name
		}
		optional := strings.Contains(options, "omitempty") || strings.Contains(options, "omitzero")
		fields = append(fields, structField{name: name, kind: f.Type, required: !optional})
	}
	return fields
}
