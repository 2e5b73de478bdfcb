package history

import (
	"cmp"
	"math/big"
	"slices"

	"github.com/wattline/wattline"
)

// listed is a cell of an operation that has to have all values before it can say
// anything. They are whole thousandths, so that what comes of them is exact and
// does not depend on the order in which they came.
type listed struct {
	operation wattline.Operation
	values    []wattline.Milli
}

func (l *listed) take(v valued) { l.values = append(l.values, v.value) }

func (l *listed) result(row *wattline.Aggregate) {
	row.Count = int64(len(l.values))
	if l.operation.Op == wattline.OpStddev {
		row.Value = stddev(l.values)
		return
	}
	slices.Sort(l.values)
	switch {
	case l.operation.Op == wattline.OpDistinct:
		l.distinct(row)
	case len(l.values) == 0:
	case l.operation.Op == wattline.OpMedian:
		row.Value = median(l.values)
	case l.operation.Op == wattline.OpPercentile:
		row.Value = number(percentile(l.values, *l.operation.P))
	case l.operation.Op == wattline.OpMode:
		row.Value = number(mode(l.values))
	}
}

// median of sorted values.
func median(values []wattline.Milli) *float64 {
	const two = 2
	lower, upper := values[(len(values)-1)/two], values[len(values)/two]
	return new((lower + upper).Float() / two)
}

// percentile is the nearest rank: the smallest of the sorted values that at least
// so many thousandths of a percent of them do not exceed.
func percentile(values []wattline.Milli, p wattline.Milli) wattline.Milli {
	const whole = 100_000
	rank := (int64(p)*int64(len(values)) + whole - 1) / whole
	return values[max(rank, 1)-1]
}

// mode is the most frequent of sorted values, of several the smallest.
func mode(values []wattline.Milli) (found wattline.Milli) {
	most := 0
	eachRun(values, func(value wattline.Milli, count int) {
		if count > most {
			found, most = value, count
		}
	})
	return found
}

// eachRun calls visit for each of the different values among sorted ones.
func eachRun(values []wattline.Milli, visit func(value wattline.Milli, count int)) {
	for len(values) > 0 {
		end, _ := slices.BinarySearch(values, values[0]+1)
		visit(values[0], end)
		values = values[end:]
	}
}

// distinct lists the smallest of the values and counts all.
func (l *listed) distinct(row *wattline.Aggregate) {
	different := 0
	eachRun(l.values, func(value wattline.Milli, count int) {
		if different++; different <= l.operation.N {
			row.Values = append(row.Values, wattline.AggregateValue{Value: value, Count: int64(count)})
		}
	})
	row.Value = new(float64(different))
}

// stddev is that of a sample, exact up to the square root: (n·Σx² − (Σx)²) / (n·(n−1)).
func stddev(values []wattline.Milli) *float64 {
	const least = 2
	if len(values) < least {
		return nil
	}
	var sum, squares, x big.Int
	for _, value := range values {
		x.SetInt64(int64(value))
		sum.Add(&sum, &x)
		squares.Add(&squares, x.Mul(&x, &x))
	}
	n := big.NewInt(int64(len(values)))
	above := squares.Mul(&squares, n)
	above.Sub(above, sum.Mul(&sum, &sum))
	below := x.Mul(n, big.NewInt(int64(len(values)-1)))
	variance := new(big.Float).Quo(new(big.Float).SetInt(above), new(big.Float).SetInt(below))
	const perUnit = 1000
	root, _ := variance.Sqrt(variance).Float64()
	return new(root / perUnit)
}

// ranked is a cell of an operation that picks readings: those with the smallest
// keys, of equal ones the earlier, then that of the device named first.
type ranked struct {
	ranking

	operation wattline.Operation
	count     int64
	kept      []keyed // in order
}

type ranking struct {
	key  func(valued) int64
	most int
}

type keyed struct {
	valued

	key int64
}

// rankingOf is that of an operation which picks readings.
func rankingOf(o wattline.Operation) (ranking, bool) {
	switch o.Op {
	case wattline.OpTop:
		return ranking{func(v valued) int64 { return -int64(v.value) }, o.N}, true
	case wattline.OpBottom:
		return ranking{func(v valued) int64 { return int64(v.value) }, o.N}, true
	case wattline.OpSample:
		return ranking{lot, o.N}, true
	case wattline.OpFirst:
		return ranking{func(v valued) int64 { return v.at.UnixMilli() }, 1}, true
	case wattline.OpLast:
		return ranking{func(v valued) int64 { return -v.at.UnixMilli() }, 1}, true
	}
	return ranking{}, false
}

func (r *ranked) take(v valued) {
	r.count++
	one := keyed{v, r.key(v)}
	if len(r.kept) == r.most && byKey(one, r.kept[len(r.kept)-1]) >= 0 {
		return
	}
	place, _ := slices.BinarySearchFunc(r.kept, one, byKey)
	r.kept = slices.Insert(r.kept, place, one)
	r.kept = r.kept[:min(len(r.kept), r.most)]
}

func byKey(a, b keyed) int { return cmp.Or(cmp.Compare(a.key, b.key), byTime(a, b)) }

func byTime(a, b keyed) int {
	return cmp.Or(a.at.Compare(b.at.Time), cmp.Compare(a.device, b.device))
}

func (r *ranked) result(row *wattline.Aggregate) {
	row.Count = r.count
	switch r.operation.Op {
	case wattline.OpFirst, wattline.OpLast:
		if len(r.kept) > 0 {
			row.Value = number(r.kept[0].value)
		}
		return
	case wattline.OpSample:
		slices.SortFunc(r.kept, byTime)
	}
	for _, one := range r.kept {
		row.Values = append(row.Values, wattline.AggregateValue{Value: one.value, Time: &one.at, Device: one.device})
	}
}

// lot is a reading's lot: a number that depends on its device and time alone and
// falls evenly. It is FNV-1a of the device's bytes and then of the eight bytes of
// the time in milliseconds since 1970, the lowest first, mixed as SplitMix64 does
// and cut to 63 bits.
func lot(v valued) int64 {
	const offset, prime = 14695981039346656037, 1099511628211
	hash := uint64(offset)
	for i := range len(v.device) {
		hash = (hash ^ uint64(v.device[i])) * prime
	}
	for ms, i := uint64(v.at.UnixMilli()), 0; i < 8; ms, i = ms>>8, i+1 {
		hash = (hash ^ ms&0xff) * prime
	}
	hash = (hash ^ hash>>30) * 0xbf58476d1ce4e5b9
	hash = (hash ^ hash>>27) * 0x94d049bb133111eb
	return int64((hash ^ hash>>31) >> 1)
}
