package api

import (
	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/export"
)

func readingsTable() export.Table[wattline.Reading] {
	type row = wattline.Reading
	quantity := func(name, unit string, of func(*row) wattline.Milli) export.Column[row] {
		return export.Column[row]{Name: name, Unit: unit, Kind: export.Quantity, Of: func(r *row) export.Value { return export.Milli(of(r)) }}
	}
	return export.Table[row]{
		Name: "readings",
		Columns: []export.Column[row]{
			{Name: "device", Kind: export.Text, Subject: true, Of: func(r *row) export.Value { return export.Of(r.Device) }},
			{Name: "time", Kind: export.Moment, Subject: true, Of: func(r *row) export.Value { return export.At(r.Time) }},
			quantity("power_w", "W", func(r *row) wattline.Milli { return r.PowerW }),
			quantity("voltage_v", "V", func(r *row) wattline.Milli { return r.VoltageV }),
			quantity("current_a", "A", func(r *row) wattline.Milli { return r.CurrentA }),
			quantity("energy_wh", "Wh", func(r *row) wattline.Milli { return r.EnergyWh }),
			quantity("meter_wh", "Wh", func(r *row) wattline.Milli { return r.MeterWh }),
			{Name: "relay", Kind: export.Switch, Of: func(r *row) export.Value { return export.True(r.Relay == wattline.RelayOn) }},
			{Name: "rssi_dbm", Unit: "dBm", Kind: export.Integer, Of: func(r *row) export.Value { return export.Whole(int64(r.RSSIdBm)) }},
			quantity("covers_s", "s", func(r *row) wattline.Milli { return r.CoversS }),
			{Name: "quality", Kind: export.Text, Of: func(r *row) export.Value { return export.Of(r.Quality.String()) }},
		},
		Subject: func(r *row) (string, wattline.Time) { return r.Device, r.Time },
	}
}

// ratio is SenML's unit of what lies between 0 and 1, and number that of a number of
// things.
const (
	ratio  = "/"
	number = "count"
)

func consumptionTable() export.Table[wattline.Consumption] {
	type row = wattline.Consumption
	known := func(name, unit string, of func(*row) *wattline.Milli) export.Column[row] {
		return export.Column[row]{Name: name, Unit: unit, Kind: export.Quantity, Of: func(r *row) export.Value { return export.Maybe(of(r), export.Milli) }}
	}
	return export.Table[row]{
		Name: "consumption",
		Columns: append(windowColumns(func(r *row) (string, wattline.Time, wattline.Time) { return r.Group, r.Start, r.End }),
			known("energy_wh", "Wh", func(r *row) *wattline.Milli { return r.EnergyWh }),
			known("mean_w", "W", func(r *row) *wattline.Milli { return r.MeanW }),
			known("min_w", "W", func(r *row) *wattline.Milli { return r.MinW }),
			known("max_w", "W", func(r *row) *wattline.Milli { return r.MaxW }),
			known("coverage", ratio, func(r *row) *wattline.Milli { return &r.Coverage }),
			export.Column[row]{Name: "estimated", Kind: export.Boolean, Of: func(r *row) export.Value { return export.True(r.Estimated) }},
		),
		Subject: func(r *row) (string, wattline.Time) { return r.Group, r.Start },
	}
}

// windowColumns say which group and window a row is of.
func windowColumns[T any](of func(*T) (group string, start, end wattline.Time)) []export.Column[T] {
	return []export.Column[T]{
		{Name: "group", Kind: export.Text, Subject: true, Of: func(r *T) export.Value {
			group, _, _ := of(r)
			return export.Of(group)
		}},
		{Name: "start", Kind: export.Moment, Subject: true, Of: func(r *T) export.Value {
			_, start, _ := of(r)
			return export.At(start)
		}},
		{Name: "end", Kind: export.Moment, Of: func(r *T) export.Value {
			_, _, end := of(r)
			return export.At(end)
		}},
	}
}

// aggregateTable has a line for each value where an operation gives several, and
// one without where it has none.
func aggregateTable(operation wattline.Operation) export.Table[wattline.Aggregate] {
	type row = wattline.Aggregate
	unit := unitOf(operation)
	counted := export.Column[row]{Name: "count", Unit: number, Kind: export.Integer, Of: func(r *row) export.Value { return export.Whole(r.Count) }}
	value := func(name, unit string) export.Column[row] {
		return export.Column[row]{Name: name, Unit: unit, Kind: export.Float, Of: func(r *row) export.Value { return export.Maybe(r.Value, export.Real) }}
	}
	one := func(name, unit string, kind export.Kind, of func(*wattline.AggregateValue) export.Value) export.Column[row] {
		return export.Column[row]{Name: name, Unit: unit, Kind: kind, Of: func(r *row) export.Value {
			if len(r.Values) == 0 {
				return export.Value{}
			}
			return of(&r.Values[0])
		}}
	}
	table := export.Table[row]{
		Name:    string(operation.Field) + "-" + string(operation.Op),
		Columns: append(windowColumns(func(r *row) (string, wattline.Time, wattline.Time) { return r.Group, r.Start, r.End }), counted),
		Subject: func(r *row) (string, wattline.Time) { return r.Group, r.Start },
	}
	listed := one("value", unit, export.Quantity, func(v *wattline.AggregateValue) export.Value { return export.Milli(v.Value) })
	switch operation.Op {
	case wattline.OpTop, wattline.OpBottom, wattline.OpSample:
		table.Lines = eachValue
		table.Columns = append(table.Columns, listed,
			one("time", "", export.Moment, func(v *wattline.AggregateValue) export.Value { return export.Maybe(v.Time, export.At) }),
			one("device", "", export.Text, func(v *wattline.AggregateValue) export.Value { return export.Of(v.Device) }))
	case wattline.OpDistinct:
		table.Lines = eachValue
		table.Columns = append(table.Columns, value("distinct", number), listed,
			one("times", number, export.Integer, func(v *wattline.AggregateValue) export.Value { return export.Whole(v.Count) }))
	default:
		table.Columns = append(table.Columns, value("value", unit))
	}
	return table
}

// eachValue makes a row of each of a row's values.
func eachValue(whole wattline.Aggregate) []wattline.Aggregate {
	lines := make([]wattline.Aggregate, max(1, len(whole.Values)))
	for i := range lines {
		lines[i] = whole
		lines[i].Values = whole.Values[min(i, len(whole.Values)):min(i+1, len(whole.Values))]
	}
	return lines
}

// unitOf is the unit of an operation's values.
func unitOf(o wattline.Operation) string {
	switch {
	case o.Op == wattline.OpCount:
		return number
	case o.Field == wattline.FieldPower && o.Op == wattline.OpIntegral, o.Field == wattline.FieldEnergy:
		return "Wh"
	case o.Field == wattline.FieldRelay && o.Op == wattline.OpIntegral:
		return "h"
	case o.Field == wattline.FieldPower:
		return "W"
	case o.Field == wattline.FieldVoltage:
		return "V"
	case o.Field == wattline.FieldCurrent:
		return "A"
	}
	return ratio
}
