package archive

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/prometheus/prometheus/tsdb"
)

// clusterGap is how far apart late readings lie that are not looked up together.
const clusterGap = time.Hour

// moment names a reading.
type moment struct {
	device string
	at     int64
}

// dropKnown takes from the late readings of a batch those that are kept already
// or come twice in it.
func dropKnown(ctx context.Context, db *tsdb.DB, m matchers, b *batch) error {
	if len(b.late) == 0 {
		return nil
	}
	byMoment := func(i int) moment { return moment{b.readings[i].Device, milli(b.readings[i].Time)} }
	seen := make(map[moment]bool, len(b.readings))
	for _, i := range b.fresh {
		seen[byMoment(i)] = true
	}
	before := len(b.late)
	b.late = slices.DeleteFunc(b.late, func(i int) bool {
		twice := seen[byMoment(i)]
		seen[byMoment(i)] = true
		return twice
	})
	kept := make(map[moment]bool)
	for _, cluster := range clusters(b, byMoment) {
		if err := lookUp(ctx, db, m, cluster, kept); err != nil {
			return err
		}
	}
	b.late = slices.DeleteFunc(b.late, func(i int) bool { return kept[byMoment(i)] })
	b.repeated += before - len(b.late)
	return nil
}

// clusters puts late readings that lie near one another in time together, each
// cluster ordered by device and time.
func clusters(b *batch, byMoment func(int) moment) [][]moment {
	moments := make([]moment, len(b.late))
	for n, i := range b.late {
		moments[n] = byMoment(i)
	}
	slices.SortFunc(moments, func(x, y moment) int { return cmp.Compare(x.at, y.at) })
	var found [][]moment
	begin := 0
	for n := 1; n <= len(moments); n++ {
		if n < len(moments) && moments[n].at-moments[n-1].at <= clusterGap.Milliseconds() {
			continue
		}
		cluster := moments[begin:n]
		slices.SortFunc(cluster, func(x, y moment) int {
			return cmp.Or(cmp.Compare(x.device, y.device), cmp.Compare(x.at, y.at))
		})
		found = append(found, cluster)
		begin = n
	}
	return found
}

// lookUp adds those of a cluster that are kept already.
func lookUp(ctx context.Context, db *tsdb.DB, m matchers, cluster []moment, kept map[moment]bool) error {
	first, last := cluster[0].at, cluster[0].at
	for _, one := range cluster {
		first, last = min(first, one.at), max(last, one.at)
	}
	querier, err := db.Querier(first, last)
	if err != nil {
		return err
	}
	defer func() { _ = querier.Close() }()
	r := reader{querier: querier, matchers: m}
	for i := 0; i < len(cluster); {
		device := cluster[i].device
		if err := r.open(ctx, device, fieldCount); err != nil {
			return err
		}
		for ; i < len(cluster) && cluster[i].device == device; i++ {
			if r.seek(cluster[i].at) && r.at == cluster[i].at {
				kept[cluster[i]] = true
			}
		}
		if err := r.failed; err != nil {
			return err
		}
	}
	return nil
}
