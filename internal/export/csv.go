package export

import (
	"io"
	"strconv"
	"strings"

	"github.com/wattline/wattline"
)

// chunk is how much text is put together before it is written.
const chunk = 32 << 10

// csvWriter writes CSV as RFC 4180 has it: a head, lines that end in CR LF, quotes
// where they are needed. It makes no garbage, unlike encoding/csv, which wants a
// string for each number.
type csvWriter[T any] struct {
	to    io.Writer
	table Table[T]
	text  []byte
	clock clock
	// cells are those of the line before: many values come again.
	cells []cell
}

// cell is a value and its text.
type cell struct {
	value Value
	text  []byte
}

func newCSV[T any](w io.Writer, table Table[T], continued bool) *csvWriter[T] {
	c := &csvWriter[T]{to: w, table: table, cells: make([]cell, len(table.Columns))}
	if !continued {
		for i, column := range table.Columns {
			c.text = appendField(separated(c.text, i), column.Name)
		}
		c.text = append(c.text, "\r\n"...)
	}
	return c
}

func separated(text []byte, column int) []byte {
	if column > 0 {
		return append(text, ',')
	}
	return text
}

func (c *csvWriter[T]) Write(rows []T) error {
	if err := c.table.lines(rows, c.line); err != nil {
		return err
	}
	return c.flush()
}

func (c *csvWriter[T]) line(row *T) error {
	for i := range c.table.Columns {
		column, cell := &c.table.Columns[i], &c.cells[i]
		if value := column.Of(row); value != cell.value {
			cell.value, cell.text = value, c.format(cell.text[:0], column.Kind, value)
		}
		c.text = append(separated(c.text, i), cell.text...)
	}
	c.text = append(c.text, "\r\n"...)
	if len(c.text) < chunk {
		return nil
	}
	return c.flush()
}

func (c *csvWriter[T]) format(text []byte, kind Kind, value Value) []byte {
	if kind == Moment && value.known {
		return c.clock.append(text, value.number)
	}
	return kind.appendCSV(text, value)
}

func (c *csvWriter[T]) flush() error {
	_, err := c.to.Write(c.text)
	c.text = c.text[:0]
	return err
}

func (c *csvWriter[T]) Close() error { return c.flush() }

// clock writes times, most of which lie in the same minute as the one before.
type clock struct {
	minute int64  // since 1970
	prefix []byte // its text, up to the seconds
}

func (c *clock) append(text []byte, ms int64) []byte {
	const perMinute, rest = 60_000, "05.000Z"
	minute, left := ms/perMinute, ms%perMinute
	if left < 0 {
		return wattline.AtMilli(ms).Append(text)
	}
	if minute != c.minute || c.prefix == nil {
		whole := wattline.AtMilli(minute * perMinute).Append(c.prefix[:0])
		c.minute, c.prefix = minute, whole[:len(whole)-len(rest)]
	}
	digit := func(unit int64) byte { return byte('0' + left/unit%10) }
	text = append(text, c.prefix...)
	return append(text, digit(10_000), digit(1000), '.', digit(100), digit(10), digit(1), 'Z')
}

func (k Kind) appendCSV(text []byte, value Value) []byte {
	if !value.known {
		return text
	}
	switch k {
	case Text:
		return appendField(text, guarded(value.text))
	case Moment:
		return wattline.AtMilli(value.number).Append(text)
	case Quantity:
		return wattline.Milli(value.number).Append(text)
	case Integer:
		return strconv.AppendInt(text, value.number, 10)
	case Float:
		return appendFloat(text, value.float())
	case Boolean:
		return strconv.AppendBool(text, value.number != 0)
	case Switch:
		return append(text, wattline.RelayOf(value.number != 0)...)
	}
	return text
}

// appendField quotes what needs it.
func appendField(text []byte, field string) []byte {
	if !needsQuotes(field) {
		return append(text, field...)
	}
	text = append(text, '"')
	for i := range len(field) {
		if field[i] == '"' {
			text = append(text, '"')
		}
		text = append(text, field[i])
	}
	return append(text, '"')
}

func needsQuotes(field string) bool {
	for i := range len(field) {
		if c := field[i]; c == '"' || c == ',' || c == '\r' || c == '\n' {
			return true
		}
	}
	return strings.HasPrefix(field, " ")
}

// guarded keeps a spreadsheet from taking somebody's text for a formula: what begins
// like one gets an apostrophe before it. So does what has apostrophes before that
// already, or two texts would be the same.
func guarded(text string) string {
	if isFormula(text) {
		return "'" + text
	}
	return text
}

// unguarded is the text that is written so.
func unguarded(cell string) string {
	if isFormula(cell) {
		return strings.TrimPrefix(cell, "'")
	}
	return cell
}

// isFormula tells whether a text begins like a formula, behind any apostrophes.
func isFormula(text string) bool {
	if strings.HasPrefix(text, "'") { // seldom, and every text comes by
		text = strings.TrimLeft(text, "'")
	}
	return text != "" && strings.IndexByte("=+-@\t\r\n", text[0]) >= 0
}

// appendFloat writes a number as JSON has it: the shortest that reads back the same.
func appendFloat(text []byte, number float64) []byte {
	magnitude := max(number, -number)
	const least, most = 1e-6, 1e21
	if magnitude == 0 || magnitude >= least && magnitude < most {
		return strconv.AppendFloat(text, number, 'f', -1, 64)
	}
	text = strconv.AppendFloat(text, number, 'e', -1, 64)
	if end := len(text) - 2; text[end] == '0' && text[end-1] == '-' { // e-07 is e-7 there
		text = append(text[:end], text[end+1])
	}
	return text
}
