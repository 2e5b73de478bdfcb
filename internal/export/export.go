// Package export writes rows of any kind as CSV, NDJSON, Parquet and SenML, however
// many they are, in memory that does not grow with them.
//
// A kind of rows is described once, by its [Table]; every format follows from that.
// Only this package imports parquet-go.
package export

import (
	"fmt"
	"io"
	"math"

	"github.com/wattline/wattline"
)

// Format is how rows are written.
type Format string

// The formats.
const (
	CSV     Format = "csv"     // RFC 4180
	NDJSON  Format = "ndjson"  // a JSON object on each line
	Parquet Format = "parquet" // Apache Parquet
	SenML   Format = "senml"   // RFC 8428, one pack in JSON
	SensML  Format = "sensml"  // the same as a stream
)

// Formats are all of them.
func Formats() []Format { return []Format{CSV, NDJSON, Parquet, SenML, SensML} }

// MediaType is that of the format, without parameters.
func (f Format) MediaType() string {
	switch f {
	case CSV:
		return "text/csv"
	case NDJSON:
		return "application/x-ndjson"
	case Parquet:
		return "application/vnd.apache.parquet"
	case SenML:
		return "application/senml+json"
	case SensML:
		return "application/sensml+json"
	}
	return "application/octet-stream"
}

// Lines tells whether the format is text in lines, so that what was written before a
// break and what is written after it make one whole. Rows after a break make a whole
// of their own in the others.
func (f Format) Lines() bool { return f == CSV || f == NDJSON }

// TextOf is the text that the format shows so: without what CSV puts before a formula, and
// of SenML's names. No two texts are shown alike.
func (f Format) TextOf(shown string) string {
	switch f {
	case CSV:
		return unguarded(shown)
	case SenML, SensML:
		return textOfSenML(shown)
	case NDJSON, Parquet:
	}
	return shown
}

// Table says what rows of a kind are in each format. T itself is what NDJSON has, as
// encoding/json writes it.
type Table[T any] struct {
	// Name is of the kind of rows, such as readings.
	Name    string
	Columns []Column[T]
	// Lines are those that a row has in CSV and Parquet where it is not just the
	// one; nil else.
	Lines func(row T) []T
	// Subject is what a row is about and when, for SenML.
	Subject func(row *T) (name string, at wattline.Time)
}

// Column is a value that every row has, or may have.
type Column[T any] struct {
	// Name ends with the unit where there is one: power_w.
	Name string
	// Unit is SenML's (RFC 8428 and RFC 8798): W, V, A, Wh, s, dBm; empty where
	// the values have none.
	Unit string
	Kind Kind
	// Subject columns are said by Table.Subject already.
	Subject bool
	// Of is the row's value. It keeps nothing of the row.
	Of func(row *T) Value
}

// Kind is the type of a column's values.
type Kind int

// The kinds. Any value may be absent.
const (
	Text     Kind = iota
	Moment        // a wattline.Time
	Quantity      // a wattline.Milli
	Integer       // an int64
	Float         // a float64
	Boolean       // true or false
	Switch        // on or off
)

// Value is one cell. The zero value is an absent one.
type Value struct {
	known  bool
	number int64 // thousandths, milliseconds since 1970, 0 and 1, or the bits of a float64
	text   string
}

// Of makes a cell of a Text column.
func Of(text string) Value { return Value{known: true, text: text} }

// At makes a cell of a Moment column.
func At(at wattline.Time) Value { return Value{known: true, number: at.UnixMilli()} }

// Milli makes a cell of a Quantity column.
func Milli(m wattline.Milli) Value { return Value{known: true, number: int64(m)} }

// Whole makes a cell of an Integer column.
func Whole(number int64) Value { return Value{known: true, number: number} }

// Real makes a cell of a Float column. It must be finite.
func Real(number float64) Value { return Value{known: true, number: int64(math.Float64bits(number))} }

// True makes a cell of a Boolean or Switch column.
func True(yes bool) Value {
	if yes {
		return Value{known: true, number: 1}
	}
	return Value{known: true}
}

func (v Value) float() float64 { return math.Float64frombits(uint64(v.number)) }

// Maybe makes a cell of what may be absent.
func Maybe[V any](value *V, cell func(V) Value) Value {
	if value == nil {
		return Value{}
	}
	return cell(*value)
}

// Options of a Writer.
type Options struct {
	Format Format
	// Continued leaves out what stands before the first row: the head of CSV.
	Continued bool
}

// Writer writes rows in one format. It serves one goroutine.
type Writer[T any] interface {
	// Write writes rows. Some of it may be held until more rows come or the end.
	Write(rows []T) error
	// Close writes what is still held and the format's end. It leaves the
	// underlying writer open. Without it what was written is not whole.
	Close() error
}

// NewWriter writes rows to w in the format of the options.
func NewWriter[T any](w io.Writer, table Table[T], options Options) (Writer[T], error) {
	switch options.Format {
	case CSV:
		return newCSV(w, table, options.Continued), nil
	case NDJSON:
		return newNDJSON[T](w), nil
	case Parquet:
		return newParquet(w, table), nil
	case SenML, SensML:
		return newSenML(w, table), nil
	}
	return nil, fmt.Errorf("there is no format %q", options.Format)
}

// lines calls each with the lines of some rows.
func (t Table[T]) lines(rows []T, each func(row *T) error) error {
	for i := range rows {
		if t.Lines == nil {
			if err := each(&rows[i]); err != nil {
				return err
			}
			continue
		}
		several := t.Lines(rows[i])
		for j := range several {
			if err := each(&several[j]); err != nil {
				return err
			}
		}
	}
	return nil
}
