package export

import (
	"fmt"
	"io"
	"reflect"

	"github.com/parquet-go/parquet-go"

	"github.com/wattline/wattline"
)

// groupRows bounds a row group, which is held until it is full: some ten megabytes of
// readings.
const groupRows = 50_000

// parquetWriter writes row groups. Quantities are decimals in thousandths, times are
// milliseconds in UTC, every column may be null; the units are in the file's
// metadata as unit.{column}.
type parquetWriter[T any] struct {
	table  Table[T]
	file   *parquet.GenericWriter[any]
	rows   []parquet.Row
	values []parquet.Value
}

func newParquet[T any](w io.Writer, table Table[T]) *parquetWriter[T] {
	options := []parquet.WriterOption{
		parquetSchema(table), parquet.MaxRowsPerRowGroup(groupRows), parquet.Compression(&parquet.Zstd),
		parquet.CreatedBy("wattline", "", ""), parquet.KeyValueMetadata("rows", table.Name),
	}
	for _, column := range table.Columns {
		if column.Unit != "" {
			options = append(options, parquet.KeyValueMetadata("unit."+column.Name, column.Unit))
		}
	}
	return &parquetWriter[T]{table: table, file: parquet.NewGenericWriter[any](w, options...)}
}

// parquetSchema keeps the columns' order, which a parquet.Group would not.
func parquetSchema[T any](table Table[T]) *parquet.Schema {
	fields := make([]reflect.StructField, len(table.Columns))
	for i, column := range table.Columns {
		kind, tag := column.Kind.parquetType()
		fields[i] = reflect.StructField{
			Name: fmt.Sprint("Column", i), Type: kind,
			Tag: reflect.StructTag(fmt.Sprintf(`parquet:"%s,optional%s"`, column.Name, tag)),
		}
	}
	return parquet.SchemaOf(reflect.New(reflect.StructOf(fields)).Interface())
}

func (k Kind) parquetType() (kind reflect.Type, tag string) {
	switch k {
	case Moment:
		return reflect.TypeFor[int64](), ",timestamp(millisecond)"
	case Quantity:
		return reflect.TypeFor[int64](), ",decimal(3:18)"
	case Integer:
		return reflect.TypeFor[int64](), ""
	case Float:
		return reflect.TypeFor[float64](), ""
	case Boolean:
		return reflect.TypeFor[bool](), ""
	case Text, Switch:
	}
	return reflect.TypeFor[string](), ",dict"
}

func (p *parquetWriter[T]) Write(rows []T) error {
	p.rows, p.values = p.rows[:0], p.values[:0]
	err := p.table.lines(rows, func(row *T) error {
		first := len(p.values)
		for i := range p.table.Columns {
			column := &p.table.Columns[i]
			p.values = append(p.values, column.Kind.parquetValue(column.Of(row), i))
		}
		p.rows = append(p.rows, p.values[first:len(p.values):len(p.values)])
		return nil
	})
	if err != nil {
		return err
	}
	_, err = p.file.WriteRows(p.rows)
	return err
}

func (k Kind) parquetValue(value Value, column int) parquet.Value {
	if !value.known {
		return parquet.NullValue().Level(0, 0, column)
	}
	return k.known(value).Level(0, 1, column)
}

func (k Kind) known(value Value) parquet.Value {
	switch k {
	case Moment, Quantity, Integer:
		return parquet.Int64Value(value.number)
	case Float:
		return parquet.DoubleValue(value.float())
	case Boolean:
		return parquet.BooleanValue(value.number != 0)
	case Switch:
		return parquet.ByteArrayValue([]byte(wattline.RelayOf(value.number != 0)))
	case Text:
	}
	return parquet.ByteArrayValue([]byte(value.text))
}

// Close writes the rest and the footer, without which there is no file.
func (p *parquetWriter[T]) Close() error { return p.file.Close() }
