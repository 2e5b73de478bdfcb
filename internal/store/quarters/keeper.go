package quarters

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/telemetry"
)

const (
	defaultChunk    = 64
	defaultParallel = 1
)

// Options make a Keeper.
type Options struct {
	Kept Kept
	Raw  Raw
	// Chunk is how many devices are asked for at once, and Parallel how many such
	// questions of one Summaries run at once; 64 and 1 if 0.
	Chunk, Parallel int
	// Now is the clock; time.Now if nil.
	Now     func() time.Time
	Log     *slog.Logger
	Metrics *telemetry.Registry
}

func (o Options) withDefaults() Options {
	if o.Chunk <= 0 {
		o.Chunk = defaultChunk
	}
	if o.Parallel <= 0 {
		o.Parallel = defaultParallel
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	o.Log = cmp.Or(o.Log, slog.New(slog.DiscardHandler))
	return o
}

// Keeper keeps the quarter-hours of one store. It is safe for concurrent use.
type Keeper struct {
	options Options
	log     *slog.Logger
	metrics metrics
	gate    *gate

	mu     sync.Mutex
	sealed int64 // up to where Upkeep has sealed what came in time
	passed bool  // all days have been gone through
	lost   bool  // records were lost since the last pass began
}

type metrics struct{ sealed, unsealed, broken telemetry.Counter }

// New makes a Keeper. It reads nothing yet.
func New(options Options) *Keeper {
	o := options.withDefaults()
	return &Keeper{options: o, log: o.Log, gate: newGate(), metrics: metrics{
		sealed:   o.Metrics.Counter("wattline_quarter_hours_sealed_total", "Quarter-hours of a device that were summarized for good."),
		unsealed: o.Metrics.Counter("wattline_quarter_hours_unsealed_total", "Summarized quarter-hours that a late reading made out of date."),
		broken:   o.Metrics.Counter("wattline_quarter_hours_broken_total", "Days of quarter-hours that could not be read and are made anew."),
	}}
}

func (k *Keeper) now() int64 { return k.options.Now().UnixMilli() }

// Writing is to be called before readings are written to where Raw finds them,
// by every writer of the process that runs Upkeep, and best with those alone that
// are not kept already. When it returns nil, none of their quarter-hours is
// sealed, on disk, and none will be until done is called: when they are written,
// or will not be. It may wait for the sealing of a few records.
//
// Readings of a quarter-hour that cannot be sealed yet, as nearly all are, cost
// next to nothing.
func (k *Keeper) Writing(ctx context.Context, readings []wattline.Reading) (done func(), err error) {
	w, bound := k.gate.enter(k.now())
	late := lateOf(readings, bound)
	if late == nil {
		return func() { k.gate.leave(w) }, nil
	}
	release, err := k.gate.hold(ctx, devicesOf(late))
	if err != nil {
		k.gate.leave(w)
		return nil, err
	}
	done = func() {
		release()
		k.gate.leave(w)
	}
	if unsure := k.gate.unsure(late); unsure != nil {
		if err := k.unseal(ctx, unsure); err != nil {
			done()
			return nil, err
		}
	}
	return done, nil
}

// lateOf are the quarter-hours of the readings before an instant.
func lateOf(readings []wattline.Reading, bound int64) map[deviceDay]Set {
	var late map[deviceDay]Set
	for i := range readings {
		ms := readings[i].Time.UnixMilli()
		if ms >= bound {
			continue
		}
		if late == nil {
			late = map[deviceDay]Set{}
		}
		one := deviceDay{readings[i].Device, dayOf(ms)}
		set := late[one]
		set.Add(quarterOf(ms))
		late[one] = set
	}
	return late
}

// devicesOf names each device once.
func devicesOf(late map[deviceDay]Set) []string {
	devices := make([]string, 0, len(late))
	for one := range late {
		devices = append(devices, one.device)
	}
	slices.Sort(devices)
	return slices.Compact(devices)
}

// unseal makes certain that none of the quarter-hours is sealed, nor passed over
// as before the first reading. The caller holds the devices.
func (k *Keeper) unseal(ctx context.Context, late map[deviceDay]Set) error {
	if err := k.lowerSince(ctx, late); err != nil {
		return err
	}
	byDay := map[Day][]string{}
	for one := range late {
		byDay[one.day] = append(byDay[one.day], one.device)
	}
	var changed []Packed
	unsealed := 0
	for day, devices := range byDay {
		query := Query{Devices: devices, From: day, To: day, Level: SealedOnly}
		err := k.options.Kept.Records(ctx, query, func(p *Packed) error {
			stale := p.Sealed.And(late[deviceDay{p.Device, day}])
			if stale != (Set{}) {
				changed = append(changed, Packed{Device: p.Device, Day: day, Sealed: p.Sealed.Without(stale)})
				unsealed += stale.Len()
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	if changed != nil {
		if err := k.options.Kept.Put(ctx, changed); err != nil {
			return err
		}
	}
	k.metrics.unsealed.Add(float64(unsealed))
	k.gate.opened(late)
	return nil
}

// lowerSince takes back that there is nothing on or before some days.
func (k *Keeper) lowerSince(ctx context.Context, late map[deviceDay]Set) error {
	since, err := k.options.Kept.Since(ctx, devicesOf(late))
	if err != nil {
		return err
	}
	lower := map[string]Day{}
	for one := range late {
		if day, ok := since[one.device]; ok && one.day < day {
			since[one.device], lower[one.device] = one.day, one.day
		}
	}
	if len(lower) == 0 {
		return nil
	}
	return k.options.Kept.SetSince(ctx, lower)
}

// distrust notes the records that a scan could not read.
func (k *Keeper) distrust(s *scan, device string) {
	for _, day := range s.broken {
		if k.gate.distrust(deviceDay{device, day}) {
			k.metrics.broken.Inc()
			k.log.Warn("the quarter-hours of a day cannot be read; they are made anew from the readings", "device", device, "day", day)
		}
	}
}

// Lose tells that records were lost: all days are gone through again.
func (k *Keeper) Lose() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.passed, k.lost = false, true
}

// SealedBefore is an instant before which every quarter-hour of every device is
// sealed; zero while that is not known. Readings before it may go.
func (k *Keeper) SealedBefore() time.Time {
	k.mu.Lock()
	sealed, known := k.sealed, k.passed && !k.gate.hasLost()
	k.mu.Unlock()
	if !known {
		return time.Time{}
	}
	for day := range k.gate.neglected() {
		sealed = min(sealed, day.milli())
	}
	return timeAt(sealed)
}
