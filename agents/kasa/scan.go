package kasa

import (
	"encoding/json"
	"errors"
	"fmt"
)

// maxDepth bounds the nesting of an answer; real ones reach six.
const maxDepth = 32

var errTooDeep = errors.New("is nested too deeply")

// scanner walks JSON text once, in place. It exists beside encoding/json because
// a poll's cost is mostly the decoding of its answer (this is about six times
// faster and allocates nothing), because encoding/json matches keys of another
// case, and because quantities are wanted as the text that the plug sent.
type scanner struct {
	data []byte
	pos  int
}

// document calls member for each member of the one object that the text must be.
func (s *scanner) document(member func(key []byte) error) error {
	if err := s.object(0, member); err != nil {
		return err
	}
	s.space()
	if s.pos != len(s.data) {
		return s.unexpected()
	}
	return nil
}

// object calls member for each member of the object that comes next. The
// function must consume the member's value, by object, array or value.
func (s *scanner) object(depth int, member func(key []byte) error) error {
	if depth > maxDepth {
		return errTooDeep
	}
	if !s.take('{') {
		return s.unexpected()
	}
	if s.take('}') {
		return nil
	}
	for {
		s.space()
		key, err := s.text()
		if err != nil {
			return err
		}
		if !s.take(':') {
			return s.unexpected()
		}
		if err := member(unquote(key)); err != nil {
			return err
		}
		if s.take('}') {
			return nil
		}
		if !s.take(',') {
			return s.unexpected()
		}
	}
}

// array calls element for each element, which must consume it.
func (s *scanner) array(depth int, element func() error) error {
	if depth > maxDepth {
		return errTooDeep
	}
	if !s.take('[') {
		return s.unexpected()
	}
	if s.take(']') {
		return nil
	}
	for {
		if err := element(); err != nil {
			return err
		}
		if s.take(']') {
			return nil
		}
		if !s.take(',') {
			return s.unexpected()
		}
	}
}

// value consumes whatever comes next and returns its text, quotes included.
func (s *scanner) value(depth int) ([]byte, error) {
	s.space()
	start := s.pos
	var err error
	switch c := s.peek(); {
	case c == '"':
		return s.text()
	case c == '{':
		err = s.object(depth, func([]byte) error { _, err := s.value(depth + 1); return err })
	case c == '[':
		err = s.array(depth, func() error { _, err := s.value(depth + 1); return err })
	case c == '-' || isDigit(c):
		err = s.number()
	case c == 't':
		err = s.literal("true")
	case c == 'f':
		err = s.literal("false")
	case c == 'n':
		err = s.literal("null")
	default:
		err = s.unexpected()
	}
	if err != nil {
		return nil, err
	}
	return s.data[start:s.pos], nil
}

// text consumes a string and returns it as it stands, quotes included.
func (s *scanner) text() ([]byte, error) {
	if s.peek() != '"' {
		return nil, s.unexpected()
	}
	start := s.pos
	for s.pos++; s.pos < len(s.data); s.pos++ {
		switch c := s.data[s.pos]; {
		case c == '"':
			s.pos++
			return s.data[start:s.pos], nil
		case c < ' ':
			return nil, s.unexpected()
		case c == '\\':
			if err := s.escape(); err != nil {
				return nil, err
			}
		}
	}
	return nil, s.unexpected()
}

// escape leaves pos at the escape's last byte.
func (s *scanner) escape() error {
	s.pos++
	switch s.peek() {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return nil
	case 'u':
		for range 4 {
			s.pos++
			if c := s.peek() | 0x20; !isDigit(s.peek()) && (c < 'a' || c > 'f') {
				return s.unexpected()
			}
		}
		return nil
	}
	return s.unexpected()
}

func (s *scanner) number() error {
	if s.peek() == '-' {
		s.pos++
	}
	if s.peek() == '0' {
		s.pos++
	} else if !s.digits() {
		return s.unexpected()
	}
	if s.peek() == '.' {
		s.pos++
		if !s.digits() {
			return s.unexpected()
		}
	}
	if s.peek()|0x20 == 'e' {
		s.pos++
		if c := s.peek(); c == '+' || c == '-' {
			s.pos++
		}
		if !s.digits() {
			return s.unexpected()
		}
	}
	return nil
}

func (s *scanner) digits() bool {
	start := s.pos
	for isDigit(s.peek()) {
		s.pos++
	}
	return s.pos > start
}

func (s *scanner) literal(word string) error {
	for i := range len(word) {
		if s.peek() != word[i] {
			return s.unexpected()
		}
		s.pos++
	}
	return nil
}

// next tells whether c comes next, space aside.
func (s *scanner) next(c byte) bool {
	s.space()
	return s.peek() == c
}

// take consumes c, and the space before it, if it comes next.
func (s *scanner) take(c byte) bool {
	if !s.next(c) {
		return false
	}
	s.pos++
	return true
}

func (s *scanner) space() {
	for s.pos < len(s.data) {
		switch s.data[s.pos] {
		case ' ', '\t', '\r', '\n':
			s.pos++
		default:
			return
		}
	}
}

// peek is 0 at the end, which is valid nowhere in JSON.
func (s *scanner) peek() byte {
	if s.pos < len(s.data) {
		return s.data[s.pos]
	}
	return 0
}

func (s *scanner) unexpected() error {
	if s.pos >= len(s.data) {
		return fmt.Errorf("ends in the middle, after %d bytes", len(s.data))
	}
	return fmt.Errorf("is not JSON, or not of the shape it should be, at byte %d", s.pos)
}

// unquote gives the content of a string's text. Escapes are rare, so they may
// cost; without them nothing is copied.
func unquote(text []byte) []byte {
	inner := text[1 : len(text)-1]
	for _, c := range inner {
		if c == '\\' {
			var decoded string
			if json.Unmarshal(text, &decoded) != nil {
				return nil // not reached: the text has been scanned
			}
			return []byte(decoded)
		}
	}
	return inner
}
