package export

import (
	"encoding/hex"
	"encoding/json"
	"io"
	"strconv"
	"strings"

	"github.com/wattline/wattline"
)

// senmlVersion is 10 of RFC 8428 and 16 for the secondary units (RFC 9100, 4).
const senmlVersion = 26

// senmlWriter writes a SenML pack: an array of records. A row's first record has the
// base name and time, which hold for those after it.
type senmlWriter[T any] struct {
	to    io.Writer
	table Table[T]
	text  []byte
	begun bool
}

func newSenML[T any](w io.Writer, table Table[T]) *senmlWriter[T] {
	return &senmlWriter[T]{to: w, table: table, text: []byte("[")}
}

func (s *senmlWriter[T]) Write(rows []T) error {
	if err := s.table.lines(rows, s.row); err != nil {
		return err
	}
	return s.flush()
}

func (s *senmlWriter[T]) row(row *T) error {
	name, at := s.table.Subject(row)
	first := true
	for i := range s.table.Columns {
		column := &s.table.Columns[i]
		value := column.Of(row)
		if column.Subject || !value.known || column.Kind == Text && value.text == "" {
			continue
		}
		s.open()
		if first {
			s.base(name, at)
			first = false
		}
		s.record(column.Name, column.Unit, column.Kind, value)
	}
	if len(s.text) < chunk {
		return nil
	}
	return s.flush()
}

// open begins a record.
func (s *senmlWriter[T]) open() {
	if s.begun {
		s.text = append(s.text, ",\n{"...)
		return
	}
	s.begun = true
	s.text = append(s.text, `{"bver":`...)
	s.text = append(strconv.AppendInt(s.text, senmlVersion, 10), ',')
}

func (s *senmlWriter[T]) base(name string, at wattline.Time) {
	s.text = append(s.text, `"bn":"`...)
	s.text = append(s.text, senmlName(name)...)
	s.text = append(s.text, `/","bt":`...)
	s.text = append(wattline.Milli(at.UnixMilli()).Append(s.text), ',')
}

func (s *senmlWriter[T]) record(name, unit string, kind Kind, value Value) {
	s.text = append(s.text, `"n":"`...)
	s.text = append(s.text, name...)
	if unit != "" {
		s.text = append(s.text, `","u":"`...)
		s.text = append(s.text, unit...)
	}
	switch kind {
	case Boolean, Switch:
		s.text = append(s.text, `","vb":`...)
		s.text = strconv.AppendBool(s.text, value.number != 0)
	case Text:
		quoted, _ := json.Marshal(value.text) // a text always can be
		s.text = append(append(s.text, `","vs":`...), quoted...)
	case Moment:
		s.text = append(s.text, `","v":`...)
		s.text = wattline.Milli(value.number).Append(s.text) // seconds since 1970
	case Quantity, Integer, Float:
		s.text = append(s.text, `","v":`...)
		s.text = kind.appendCSV(s.text, value)
	}
	s.text = append(s.text, '}')
}

func (s *senmlWriter[T]) flush() error {
	_, err := s.to.Write(s.text)
	s.text = s.text[:0]
	return err
}

func (s *senmlWriter[T]) Close() error {
	s.text = append(s.text, "]\n"...)
	return s.flush()
}

// senmlName makes a text one of the names that RFC 8428 allows. Ids and locations
// are. What else there may be in somebody's label is written as : and two
// hexadecimal digits a byte, and 0: goes before what may not come first.
func senmlName(text string) string {
	if isSenMLName(text) {
		return text
	}
	var name strings.Builder
	if text == "" || !isAlphanumeric(text[0]) {
		name.WriteString("0:")
	}
	for i := range len(text) {
		if c := text[i]; isAlphanumeric(c) || strings.IndexByte("-./_", c) >= 0 {
			name.WriteByte(c)
		} else {
			name.WriteByte(':')
			name.WriteString(hex.EncodeToString([]byte{c}))
		}
	}
	return name.String()
}

// textOfSenML is the text of which senmlName makes a name.
func textOfSenML(name string) string {
	if rest, is := strings.CutPrefix(name, "0:"); is && (rest == "" || !isAlphanumeric(rest[0])) {
		name = rest
	}
	first, rest, escaped := strings.Cut(name, ":")
	text := []byte(first)
	for escaped {
		first, rest, escaped = strings.Cut(rest, ":")
		digits := min(2, len(first))
		coded, err := hex.DecodeString(first[:digits])
		if err != nil { // not of a name of ours
			return name
		}
		text = append(append(text, coded...), first[digits:]...)
	}
	return string(text)
}

func isSenMLName(text string) bool {
	if text == "" || !isAlphanumeric(text[0]) {
		return false
	}
	for i := range len(text) {
		if !isAlphanumeric(text[i]) && strings.IndexByte("-./_", text[i]) < 0 {
			return false
		}
	}
	return true
}

func isAlphanumeric(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}
