package transfer

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/store"
)

// MaxListed bounds how many refusals and how many mismatches a report lists. All
// are counted.
const MaxListed = 1000

// Report is what a task did and found.
type Report struct {
	// Done is how many readings were dealt with, those of quarter-hours of which
	// none is kept among them.
	Done int64 `json:"done"`
	// Devices are in the order of their ids.
	Devices []DeviceReport `json:"devices"`
	// Refused and Mismatched count; Refusals and Mismatches list the first of them.
	Refused    int64      `json:"refused"`
	Refusals   []Refusal  `json:"refusals"`
	Mismatched int64      `json:"mismatched"`
	Mismatches []Mismatch `json:"mismatches"`
	// Extra is how many readings only the target has, on the days and devices of
	// the source.
	Extra int64 `json:"extra"`
}

// DeviceReport is what became of a device.
type DeviceReport struct {
	Device string `json:"device"`
	// Readings is how many the source has, and Quarters how many quarter-hours
	// without all of their readings.
	Readings int64 `json:"readings"`
	Quarters int64 `json:"quarters"`
	Refused  int64 `json:"refused"`
	// Mismatched is on how many days the target does not have what the source has.
	Mismatched int64 `json:"mismatched"`
}

// Refusal is a reading that the target will never take.
type Refusal struct {
	Device string        `json:"device"`
	Time   wattline.Time `json:"time"`
	Reason string        `json:"reason"`
}

// newReport has lists that are empty in JSON too.
func newReport() *Report {
	return &Report{Devices: []DeviceReport{}, Refusals: []Refusal{}, Mismatches: []Mismatch{}}
}

// OK tells whether the target has all that the source has.
func (r *Report) OK() bool { return r.Refused == 0 && r.Mismatched == 0 }

// Totals are what the source has of all devices. See DeviceReport.
func (r *Report) Totals() (readings, quarters int64) {
	for _, d := range r.Devices {
		readings, quarters = readings+d.Readings, quarters+d.Quarters
	}
	return readings, quarters
}

// begin makes room for all devices of a plan.
func (r *Report) begin(p plan) {
	for _, h := range p.holdings {
		r.device(h.device)
	}
}

func (r *Report) device(name string) *DeviceReport {
	i, found := slices.BinarySearchFunc(r.Devices, name, func(d DeviceReport, name string) int { return cmp.Compare(d.Device, name) })
	if !found {
		r.Devices = slices.Insert(r.Devices, i, DeviceReport{Device: name})
	}
	return &r.Devices[i]
}

// add takes what was found on a day.
func (r *Report) add(f *found) {
	r.Done = f.done
	for name, d := range f.devices {
		sum := r.device(name)
		sum.Readings += d.Readings
		sum.Quarters += d.Quarters
		sum.Refused += d.Refused
		sum.Mismatched += d.Mismatched
		r.Refused += d.Refused
		r.Mismatched += d.Mismatched
	}
	r.Extra += f.extra
	slices.SortFunc(f.refusals, func(a, b Refusal) int {
		return cmp.Or(cmp.Compare(a.Device, b.Device), a.Time.Compare(b.Time.Time))
	})
	slices.SortFunc(f.mismatches, func(a, b Mismatch) int { return cmp.Compare(a.Device, b.Device) })
	r.Refusals = append(r.Refusals, f.refusals[:min(len(f.refusals), MaxListed-len(r.Refusals))]...)
	r.Mismatches = append(r.Mismatches, f.mismatches[:min(len(f.mismatches), MaxListed-len(r.Mismatches))]...)
}

// found is what comes to light on a day. It is safe for concurrent use.
type found struct {
	mu         sync.Mutex
	tell       func(done int64)
	done       int64
	devices    map[string]*DeviceReport
	refusals   []Refusal
	mismatches []Mismatch
	extra      int64
}

func newFound(done int64, tell func(done int64)) *found {
	return &found{done: done, tell: tell, devices: map[string]*DeviceReport{}}
}

// of is a device's report; the caller has the lock.
func (f *found) of(device string) *DeviceReport {
	if f.devices[device] == nil {
		f.devices[device] = &DeviceReport{}
	}
	return f.devices[device]
}

func (f *found) progress(readings int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.done += readings
	f.tell(f.done)
}

func (f *found) readings(device string, n int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.of(device).Readings += n
}

// quarters takes the quarter-hours that were moved without readings, and when the
// device's readings begin.
func (f *found) quarters(of store.Series, raw time.Time) {
	var readings int64
	for _, span := range of.Spans {
		if !span.Start.Add(store.QuarterHour).After(raw) {
			readings += span.Summary.Count
		}
	}
	f.progress(readings)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.of(of.Device).Quarters += int64(len(of.Spans))
}

func (f *found) refuse(refusals []Refusal) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range refusals {
		f.of(r.Device).Refused++
		if len(f.refusals) < MaxListed {
			f.refusals = append(f.refusals, r)
		}
	}
}

func (f *found) differs(m Mismatch) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.extra += m.Extra
	if m.Missing+m.Different == 0 {
		return
	}
	f.of(m.Device).Mismatched++
	if len(f.mismatches) < MaxListed {
		f.mismatches = append(f.mismatches, m)
	}
}
