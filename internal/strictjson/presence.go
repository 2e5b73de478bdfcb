package strictjson

import (
	"encoding"
	"reflect"
	"strconv"
	"strings"
	"sync"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/wattline/wattline"
)

// presence walks a document that has already been decoded once, in step with
// the type it was decoded into, and notes what is missing or null.
type presence struct {
	decoder *jsontext.Decoder
	shapes  *shapes
	missing []wattline.FieldError
}

// place is where in the document a value stands; its name is made only when
// there is something to say of it.
type place struct {
	in    *place
	token string
	index int
}

func (p *place) String() string {
	switch {
	case p == nil:
		return ""
	case p.token == "":
		return p.in.String() + "[" + strconv.Itoa(p.index) + "]"
	}
	return join(p.in.String(), p.token)
}

func (p *presence) note(at *place, reason string) {
	field := at.String()
	if field == "" {
		field = "body"
	}
	p.missing = append(p.missing, wattline.FieldError{Field: field, Reason: reason})
}

func (p *presence) value(s *shape, at *place) error {
	if p.decoder.PeekKind() == 'n' {
		if !s.nullable {
			p.note(at, "must not be null")
		}
		return p.decoder.SkipValue()
	}
	switch s.form {
	case object:
		return p.object(s, at)
	case members:
		return p.members(at, func(string) *shape { return p.shapes.of(s.element) })
	case array:
		return p.array(s, at)
	}
	return p.decoder.SkipValue()
}

func (p *presence) object(s *shape, at *place) error {
	var seen uint64
	err := p.members(at, func(name string) *shape {
		for i := range s.fields {
			if s.fields[i].name == name {
				seen |= 1 << i
				return p.shapes.of(s.fields[i].kind)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for i, f := range s.fields {
		if f.required && seen&(1<<i) == 0 {
			p.note(&place{in: at, token: f.name}, "is missing")
		}
	}
	return nil
}

// members visits an object's values; an unknown name's value is passed over.
func (p *presence) members(at *place, shapeOf func(name string) *shape) error {
	if _, err := p.decoder.ReadToken(); err != nil {
		return err
	}
	for p.decoder.PeekKind() != '}' {
		token, err := p.decoder.ReadToken()
		if err != nil {
			return err
		}
		name := token.String()
		if s := shapeOf(name); s == nil || s.form == scalar && p.decoder.PeekKind() != 'n' {
			err = p.decoder.SkipValue()
		} else {
			err = p.value(s, &place{in: at, token: name})
		}
		if err != nil {
			return err
		}
	}
	_, err := p.decoder.ReadToken()
	return err
}

func (p *presence) array(s *shape, at *place) error {
	if _, err := p.decoder.ReadToken(); err != nil {
		return err
	}
	element := p.shapes.of(s.element)
	for i := 0; p.decoder.PeekKind() != ']'; i++ {
		if err := p.value(element, &place{in: at, index: i}); err != nil {
			return err
		}
	}
	_, err := p.decoder.ReadToken()
	return err
}

// form is how a value is gone through.
type form int

const (
	scalar form = iota
	object
	members
	array
)

// shape is what there is to know of a type.
type shape struct {
	form     form
	nullable bool
	element  reflect.Type // of members and array
	fields   []structField
}

type structField struct {
	name     string
	kind     reflect.Type
	required bool
}

// maxFields is how many a struct of ours may have.
const maxFields = 64

// shapes remembers the shapes of types, which never change. Safe for concurrent
// use.
type shapes struct {
	mu     sync.RWMutex
	byType map[reflect.Type]*shape
}

func (s *shapes) of(t reflect.Type) *shape {
	s.mu.RLock()
	found := s.byType[t]
	s.mu.RUnlock()
	if found != nil {
		return found
	}
	found = shapeOf(t)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byType == nil {
		s.byType = map[reflect.Type]*shape{}
	}
	s.byType[t] = found
	return found
}

func shapeOf(t reflect.Type) *shape {
	s := &shape{nullable: t.Kind() == reflect.Pointer || t.Kind() == reflect.Interface}
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case implementsOwnSyntax(t):
	case t.Kind() == reflect.Struct:
		s.form, s.fields = object, fieldsOf(t)
	case t.Kind() == reflect.Map:
		s.form, s.element = members, t.Elem()
	case t.Kind() == reflect.Slice && t.Elem().Kind() != reflect.Uint8: // bytes are a text in base64
		s.form, s.element = array, t.Elem()
	}
	return s
}

// implementsOwnSyntax tells whether a type's own decoder reads it, whose errors
// are meant for people.
func implementsOwnSyntax(t reflect.Type) bool {
	if t == nil {
		return false
	}
	pointer := reflect.PointerTo(t)
	return pointer.Implements(reflect.TypeFor[json.Unmarshaler]()) || pointer.Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
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
	if len(fields) > maxFields {
		panic("strictjson: " + t.String() + " has more than 64 fields")
	}
	return fields
}
