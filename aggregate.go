package wattline

import (
	"slices"
	"strings"
)

// Field is what an aggregate is made of.
type Field string

// The fields, and the units of their values.
const (
	FieldPower   Field = "power"   // W
	FieldVoltage Field = "voltage" // V
	FieldCurrent Field = "current" // A
	FieldEnergy  Field = "energy"  // Wh
	FieldRelay   Field = "relay"   // 1 is on, 0 is off
)

// Of is a reading's value of the field.
func (f Field) Of(r Reading) Milli {
	switch f {
	case FieldPower:
		return r.PowerW
	case FieldVoltage:
		return r.VoltageV
	case FieldCurrent:
		return r.CurrentA
	case FieldEnergy:
		return r.EnergyWh
	case FieldRelay:
		if r.Relay == RelayOn {
			return 1000
		}
	}
	return 0
}

// Op is what an aggregate makes of the readings of a window and group.
type Op string

// The operations. Where nothing else is said, they take every reading alike, of
// whichever device of the group.
const (
	OpCount    Op = "count"
	OpDistinct Op = "distinct" // the different values
	// OpIntegral over time: of power Wh, of the relay the hours on; observed time only.
	OpIntegral Op = "integral"
	OpMean     Op = "mean"   // of the relay: the share of the observed time on
	OpMedian   Op = "median" // of an even number the mean of the middle two
	OpMode     Op = "mode"   // the most frequent value, of several the smallest
	OpSpread   Op = "spread" // greatest less smallest; of energy: used
	OpStddev   Op = "stddev" // of a sample: by the count less one
	OpSum      Op = "sum"
	OpFirst    Op = "first"
	OpLast     Op = "last"
	OpMin      Op = "min"
	OpMax      Op = "max"
	// OpPercentile is the smallest value that at least P percent do not exceed.
	OpPercentile Op = "percentile"
	OpTop        Op = "top"    // the N greatest readings
	OpBottom     Op = "bottom" // the N smallest readings
	OpSample     Op = "sample" // N readings picked evenly, always the same ones
)

// Fields are all of them.
func Fields() []Field {
	return []Field{FieldPower, FieldVoltage, FieldCurrent, FieldEnergy, FieldRelay}
}

// Ops are all of them, in the order of names.
func Ops() []Op {
	return []Op{
		OpBottom, OpCount, OpDistinct, OpFirst, OpIntegral, OpLast, OpMax, OpMean, OpMedian,
		OpMin, OpMode, OpPercentile, OpSample, OpSpread, OpStddev, OpSum, OpTop,
	}
}

// Takes tells whether the operation means something of a field. A counter has no
// mean, and a voltage no integral.
func (o Op) Takes(field Field) bool {
	switch field {
	case FieldPower:
		return slices.Contains(Ops(), o)
	case FieldVoltage, FieldCurrent:
		return o != OpIntegral && slices.Contains(Ops(), o)
	case FieldEnergy:
		return slices.Contains([]Op{OpCount, OpFirst, OpLast, OpSample, OpSpread}, o)
	case FieldRelay:
		return slices.Contains([]Op{OpCount, OpDistinct, OpFirst, OpIntegral, OpLast, OpMean, OpMode, OpSample}, o)
	}
	return false
}

// Bounds of N, which is how much an operation lists per row, and of P.
const (
	MaxAggregateN = 1000
	maxPercent    = Milli(100_000)
)

// Operation is an aggregate's field and operation with its parameters.
type Operation struct {
	Field Field
	Op    Op
	P     *Milli
	N     int
}

// Faults are all that is wrong with it.
func (o Operation) Faults() []FieldError {
	var found Faults
	if !slices.Contains(Fields(), o.Field) {
		found.Add("field", "must be %s", listed(Fields()))
	}
	switch {
	case !slices.Contains(Ops(), o.Op):
		found.Add("op", "must be %s", listed(Ops()))
	case len(found) == 0 && !o.Op.Takes(o.Field):
		found.Add("op", "for %s must be %s", o.Field, listed(o.Field.ops()))
	default:
		o.checkP(&found)
		o.checkN(&found)
	}
	return found
}

func (o Operation) checkP(found *Faults) {
	switch {
	case o.Op != OpPercentile && o.P != nil:
		found.Add("p", "is for op=percentile")
	case o.Op == OpPercentile && (o.P == nil || *o.P < 0 || *o.P > maxPercent):
		found.Add("p", "must be given and lie between 0 and 100")
	}
}

func (o Operation) checkN(found *Faults) {
	switch o.Op {
	case OpTop, OpBottom, OpSample:
		if o.N < 1 || o.N > MaxAggregateN {
			found.Add("n", "must be given and lie between 1 and %d", MaxAggregateN)
		}
	case OpDistinct:
		if o.N < 0 || o.N > MaxAggregateN {
			found.Add("n", "must lie between 1 and %d", MaxAggregateN)
		}
	default:
		if o.N != 0 {
			found.Add("n", "is for op=top, bottom, sample and distinct")
		}
	}
}

func (f Field) ops() []Op {
	return slices.DeleteFunc(Ops(), func(op Op) bool { return !op.Takes(f) })
}

func listed[T ~string](names []T) string {
	words := make([]string, len(names))
	for i, name := range names {
		words[i] = string(name)
	}
	return strings.Join(words, ", ")
}

// AggregateQuery asks for one operation per window of [From, To) and group.
// Windows at the ends are cut to the range.
type AggregateQuery struct {
	Field Field `json:"field"`
	Op    Op    `json:"op"`
	// P is percentile's, from 0 to 100.
	P *Milli `json:"p,omitempty"`
	// N is top's, bottom's and sample's: so many readings. distinct lists so many
	// values, 100 unless given.
	N      int     `json:"n,omitempty"`
	Groups []Group `json:"groups"`
	From   Time    `json:"from"`
	To     Time    `json:"to"`
	// Window may be left out: the whole range is one window then.
	Window Window `json:"window,omitempty"`
	// Timezone is an IANA name; the windows are those of its calendar.
	Timezone string `json:"tz"`
	// Cursor is the Next of the page before. After stands for it where there is
	// none: the row after which the page begins.
	Cursor string    `json:"cursor,omitempty"`
	After  *RowPlace `json:"after,omitempty"`
	Limit  int       `json:"limit,omitempty"`
}

// Operation is what is asked of each window and group.
func (q AggregateQuery) Operation() Operation { return Operation{q.Field, q.Op, q.P, q.N} }

// AggregatePage is the answer, ordered by window and then group name. Next is
// empty on the last page; a page may be shorter than its limit before that.
type AggregatePage struct {
	Rows []Aggregate `json:"rows"`
	Next string      `json:"next,omitempty"`
}

// Aggregate is one operation's result for one group and window.
type Aggregate struct {
	Group string `json:"group"`
	// Start and End bound the window: [Start, End).
	Start Time `json:"start"`
	End   Time `json:"end"`
	// Count is the number of readings in the window.
	Count int64 `json:"count"`
	// Value is in the field's unit, of an integral in Wh or hours, of distinct how
	// many values there are; absent where there is nothing to make it of.
	Value *float64 `json:"value,omitempty"`
	// Values are those of top, bottom, sample and distinct.
	Values []AggregateValue `json:"values,omitempty"`
}

// AggregateValue is a reading's value (top, bottom, sample), with its time and
// device, or a value with the number of its readings (distinct).
type AggregateValue struct {
	Value  Milli  `json:"value"`
	Time   *Time  `json:"time,omitempty"`
	Device string `json:"device,omitempty"`
	Count  int64  `json:"count,omitempty"`
}
