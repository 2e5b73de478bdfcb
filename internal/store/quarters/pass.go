package quarters

import (
	"context"
	"slices"
	"time"

	"github.com/wattline/wattline/internal/pause"
	"github.com/wattline/wattline/internal/store"
)

const (
	// passDays is how many days of a device are surveyed together.
	passDays = 30
	// rest is how long a pass pauses after a piece of work, in the time that took.
	rest = 3
)

// pass seals what was never sealed on any day: of all devices the first time, and
// when track was lost; after that, of those that came to be known since.
func (k *Keeper) pass(ctx context.Context) error {
	devices, err := k.options.Raw.Devices(ctx)
	if err != nil {
		return err
	}
	all := k.mustPassAll()
	unknown, err := k.withoutSince(ctx, devices)
	if err != nil {
		return err
	}
	if !all {
		devices = unknown
	}
	if len(devices) == 0 {
		k.notePassed()
		return nil
	}
	p := passing{keeper: k, limit: k.gate.limit(k.now())}
	if p.first, err = k.firstDays(ctx, devices); err != nil {
		return err
	}
	if err := p.run(ctx, devices); err != nil {
		return err
	}
	if err := p.noteSince(ctx, unknown); err != nil {
		return err
	}
	k.notePassed()
	return nil
}

// mustPassAll tells whether a pass has to go through all devices.
func (k *Keeper) mustPassAll() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.passed = !k.gate.takeLost() && k.passed
	k.lost = false
	return !k.passed
}

// notePassed ends a pass, which was in vain if records were lost meanwhile.
func (k *Keeper) notePassed() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.passed = !k.lost
}

func (k *Keeper) withoutSince(ctx context.Context, devices []string) ([]string, error) {
	var without []string
	for some := range slices.Chunk(devices, k.options.Chunk) {
		since, err := k.options.Kept.Since(ctx, some)
		if err != nil {
			return nil, err
		}
		for _, device := range some {
			if _, ok := since[device]; !ok {
				without = append(without, device)
			}
		}
	}
	return without, nil
}

// firstDays are the days of the first readings, of the devices that have any.
func (k *Keeper) firstDays(ctx context.Context, devices []string) (map[string]Day, error) {
	first := map[string]Day{}
	for some := range slices.Chunk(devices, k.options.Chunk) {
		series, err := k.options.Raw.Summaries(ctx, RawQuery{
			SummaryQuery: store.SummaryQuery{Devices: some, From: timeAt(oldest), To: timeAt(oldest), Every: store.QuarterHour},
			Latest:       farthest.Start(),
		})
		if err != nil {
			return nil, err
		}
		for _, s := range series {
			if s.After != nil {
				first[s.Device] = DayOf(s.After.Time.Time)
			}
		}
	}
	return first, nil
}

// passing is a pass under way.
type passing struct {
	keeper *Keeper
	limit  int64
	first  map[string]Day
}

func (p *passing) run(ctx context.Context, devices []string) error {
	from := farthest
	for _, day := range p.first {
		from = min(from, day)
	}
	for newest := dayOf(p.limit - 1); newest >= from; newest -= passDays {
		for some := range slices.Chunk(devices, p.keeper.options.Chunk) {
			if err := p.days(ctx, some, max(from, newest-passDays+1), newest); err != nil {
				return err
			}
		}
	}
	return nil
}

// days seals what is not sealed of some devices on some days, the newest first.
func (p *passing) days(ctx context.Context, devices []string, from, to Day) error {
	sealed := map[deviceDay]Set{}
	query := Query{Devices: devices, From: from, To: to, Level: SealedOnly}
	err := p.keeper.options.Kept.Records(ctx, query, func(one *Packed) error {
		sealed[deviceDay{one.Device, one.Day}] = one.Sealed
		return nil
	})
	if err != nil {
		return err
	}
	stride := daysAtOnce(len(devices))
	for last := to; last >= from; last -= stride {
		first := max(from, last-stride+1)
		lacking := slices.DeleteFunc(slices.Clone(devices), func(device string) bool { return !p.lacks(sealed, device, first, last) })
		for some := range slices.Chunk(lacking, sealAtOnce) {
			begun := time.Now()
			if _, err := p.keeper.seal(ctx, job{devices: some, from: first, to: last, limit: p.limit}); err != nil {
				return err
			}
			if err := pause.For(ctx, rest*time.Since(begun)); err != nil {
				return err
			}
		}
	}
	return nil
}

// lacks tells whether something has to be sealed of a device on some days.
func (p *passing) lacks(sealed map[deviceDay]Set, device string, from, to Day) bool {
	first, has := p.first[device]
	for day := max(from, first); has && day <= to; day++ {
		if ended(day, p.limit).Without(sealed[deviceDay{device, day}]) != (Set{}) {
			return true
		}
	}
	return false
}

// noteSince notes from when on there is something of the devices that have been
// gone through.
func (p *passing) noteSince(ctx context.Context, devices []string) error {
	for some := range slices.Chunk(devices, sealAtOnce) {
		if err := p.noteSinceOf(ctx, some); err != nil {
			return err
		}
	}
	return nil
}

func (p *passing) noteSinceOf(ctx context.Context, devices []string) error {
	release, err := p.keeper.gate.hold(ctx, devices)
	if err != nil {
		return err
	}
	defer release()
	// A late reading may have come before them meanwhile: then the next pass will.
	first, err := p.keeper.firstDays(ctx, devices)
	if err != nil {
		return err
	}
	since := map[string]Day{}
	for _, device := range devices {
		day, has := first[device]
		if has != (p.first[device] != 0) || day != p.first[device] {
			continue
		}
		if !has {
			day = farthest
		}
		query := Query{Devices: []string{device}, From: dayOf(oldest), To: day, Level: SealedOnly}
		err := p.keeper.options.Kept.Records(ctx, query, func(one *Packed) error {
			day = min(day, one.Day)
			return nil
		})
		if err != nil {
			return err
		}
		if day != farthest {
			since[device] = day
		}
	}
	if len(since) == 0 {
		return nil
	}
	return p.keeper.options.Kept.SetSince(ctx, since)
}
