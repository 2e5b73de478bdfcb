package quarters

import (
	"context"
	"maps"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/store"
)

// Summaries answers a question, which it checks: see store.Store. Where a range
// begins or ends within a sealed quarter-hour whose readings are past their
// retention, and readings lie on both sides of that edge, the part within the
// range has none; every other sealed quarter-hour answers as it did.
func (k *Keeper) Summaries(ctx context.Context, query store.SummaryQuery) ([]store.Series, error) {
	if err := query.Validate(); err != nil {
		return nil, err
	}
	all := make([]store.Series, len(query.Devices))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(k.options.Parallel)
	for first := 0; first < len(all); first += k.options.Chunk {
		part := query
		part.Devices = query.Devices[first:min(first+k.options.Chunk, len(all))]
		group.Go(func() error {
			return k.answer(ctx, newQuestion(part), all[first:first+len(part.Devices)])
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return all, nil
}

// answer fills in the series of a question's devices.
func (k *Keeper) answer(ctx context.Context, q question, series []store.Series) error {
	since, err := k.options.Kept.Since(ctx, q.Devices)
	if err != nil {
		return err
	}
	scans, err := k.scan(ctx, q, since)
	if err != nil {
		return err
	}
	if err := k.findBefore(ctx, q, scans, since); err != nil {
		return err
	}
	found, err := k.ask(ctx, q, scans)
	if err != nil {
		return err
	}
	for i, device := range q.Devices {
		series[i] = found[device].series(scans[device], device)
	}
	return nil
}

// scan goes through the records of a question's devices.
func (k *Keeper) scan(ctx context.Context, q question, since map[string]Day) (map[string]*scan, error) {
	finer := map[string]map[Day]Packed{}
	for _, day := range q.fine() {
		if err := k.readFiner(ctx, q.Devices, day, finer); err != nil {
			return nil, err
		}
	}
	scans, err := k.scanOnce(ctx, q, since, finer)
	if err != nil {
		return nil, err
	}
	again := map[Day][]string{}
	var devices []string
	for device, s := range scans {
		for _, day := range s.coarse {
			again[day] = append(again[day], device)
		}
		if s.coarse != nil {
			devices = append(devices, device)
		}
	}
	if devices == nil {
		return scans, nil
	}
	for day, devices := range again {
		if err := k.readFiner(ctx, devices, day, finer); err != nil {
			return nil, err
		}
	}
	q.Devices = devices
	better, err := k.scanOnce(ctx, q, since, finer)
	if err != nil {
		return nil, err
	}
	maps.Copy(scans, better)
	return scans, nil
}

func (k *Keeper) scanOnce(ctx context.Context, q question, since map[string]Day, finer map[string]map[Day]Packed) (map[string]*scan, error) {
	scans := make(map[string]*scan, len(q.Devices))
	for _, device := range q.Devices {
		scans[device] = newScan(q, since[device])
		scans[device].finer = finer[device]
	}
	var cells [PerDay]wattline.Summary
	records := Query{Devices: q.Devices, From: q.first, To: q.last, Level: q.level}
	err := k.options.Kept.Records(ctx, records, func(p *Packed) error {
		if s, ok := scans[p.Device]; ok {
			s.take(p, q.level, &cells)
		}
		return ctx.Err()
	})
	if err != nil {
		return nil, err
	}
	for device, s := range scans {
		s.finish()
		k.distrust(s, device)
	}
	return scans, nil
}

// readFiner adds the records of a day by quarter-hours.
func (k *Keeper) readFiner(ctx context.Context, devices []string, day Day, finer map[string]map[Day]Packed) error {
	return k.options.Kept.Records(ctx, Query{Devices: devices, From: day, To: day, Level: Quarters}, func(p *Packed) error {
		if finer[p.Device] == nil {
			finer[p.Device] = map[Day]Packed{}
		}
		kept := *p
		kept.QuarterLevel = slices.Clone(p.QuarterLevel)
		finer[p.Device][p.Day] = kept
		return nil
	})
}

// findBefore goes back in time for the devices of which the records have said no
// reading before the range yet, in longer and longer strides.
func (k *Keeper) findBefore(ctx context.Context, q question, scans map[string]*scan, since map[string]Day) error {
	for _, stride := range []Day{60, 600, 100_000} {
		var missing []string
		for device, s := range scans {
			if !s.before.known && q.first > max(since[device], dayOf(oldest)) {
				missing = append(missing, device)
			}
		}
		if missing == nil {
			return nil
		}
		q = q.further(stride)
		q.Devices = missing
		earlier, err := k.scan(ctx, q, since)
		if err != nil {
			return err
		}
		for device, one := range earlier {
			before := &scans[device].before
			if before.holed {
				one.before.hole, one.before.holed = before.hole, true
			}
			*before = one.before
		}
	}
	return nil
}

// stretch is a question to the readings but for its devices.
type stretch struct{ earliest, from, to, latest, every int64 }

// stretches are what a device's readings have to be asked. Devices that lack the
// same share their stretches.
func (s *scan) stretches() []stretch {
	asked := make([]stretch, 0, len(s.holes)+2)
	every := s.every
	if s.stale != nil {
		every = quartMS
	}
	for _, hole := range s.holes {
		asked = append(asked, stretch{from: hole.from, to: hole.to, every: every})
	}
	if s.before.holed {
		earliest := int64(oldest)
		if s.before.known {
			earliest = dayOf(pointAt(&s.before.point)).milli()
		}
		if len(asked) > 0 && asked[0].from == s.before.hole {
			asked[0].earliest = earliest
		} else {
			asked = append(asked, stretch{from: s.before.hole, to: s.before.hole, earliest: earliest, every: every})
		}
	}
	if s.after.holed && s.after.hole < s.latest {
		if n := len(s.holes); n > 0 && asked[n-1].to == s.after.hole {
			asked[n-1].latest = s.latest
		} else {
			asked = append(asked, stretch{from: s.after.hole, to: s.after.hole, latest: s.latest, every: every})
		}
	}
	return asked
}

// readings is what the readings said of a device.
type readings struct {
	spans         []store.Span
	before, after *wattline.Point
}

// ask asks the readings for what the records did not say.
func (k *Keeper) ask(ctx context.Context, q question, scans map[string]*scan) (map[string]*readings, error) {
	asked := map[stretch][]string{}
	found := make(map[string]*readings, len(q.Devices))
	for _, device := range q.Devices {
		found[device] = &readings{}
		for _, one := range scans[device].stretches() {
			asked[one] = append(asked[one], device)
		}
	}
	for one, devices := range asked {
		raw := RawQuery{SummaryQuery: store.SummaryQuery{
			Devices: devices, From: timeAt(one.from), To: timeAt(one.to), Every: time.Duration(one.every) * time.Millisecond, Values: q.Values,
		}}
		if one.earliest > 0 {
			raw.Earliest = timeAt(one.earliest)
		}
		if one.latest > 0 {
			raw.Latest = timeAt(one.latest)
		}
		series, err := k.options.Raw.Summaries(ctx, raw)
		if err != nil {
			return nil, err
		}
		for _, s := range series {
			of := found[s.Device]
			of.spans = append(of.spans, s.Spans...)
			if s.Before != nil {
				of.before = s.Before
			}
			if s.After != nil {
				of.after = s.After
			}
		}
	}
	return found, nil
}

func timeAt(ms int64) time.Time { return time.UnixMilli(ms).UTC() }

// series is the answer for a device.
func (r *readings) series(s *scan, device string) store.Series {
	series := store.Series{Device: device, Spans: s.join(s.renew(r.spans)), Before: r.before}
	if s.before.known && (r.before == nil || r.before.Time.Before(s.before.point.Time.Time)) {
		series.Before = &s.before.point
	}
	after := r.after
	if s.after.known && (after == nil || s.after.point.Time.Before(after.Time.Time)) {
		after = &s.after.point
	}
	if after != nil && pointAt(after) < s.latest && store.CoversEdge(*after, s.To) {
		series.After = after
	}
	return series
}
