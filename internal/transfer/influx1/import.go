package influx1

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/datalock"
	"github.com/wattline/wattline/internal/store"
	"github.com/wattline/wattline/internal/transfer"
)

// Options say what to import, and into what.
type Options struct {
	// Export is the text, of Database; "sp" if empty.
	Export   io.Reader
	Database string
	// Store takes the readings. With none, nothing is written: a dry run.
	Store store.Store
	// Places go before what an id says of itself.
	Places map[string]Place
	// Folder is where the points are sorted. It takes about 30 bytes a point.
	Folder string
	// Strict has the first bad line end it, before anything is written.
	Strict bool
	// Progress, if there, hears how many of how many readings have been written.
	Progress func(done, total int64)
}

// Report is what an import read and did.
type Report struct {
	Tally

	Devices []DeviceReport `json:"devices"`
	// Written counts the readings that the store took, those that it had already
	// among them, and Refused those that it will never take.
	Written  int64              `json:"written"`
	Refused  int64              `json:"refused"`
	Refusals []transfer.Refusal `json:"refusals"`
	// Unused are ids of Options.Places that the export does not have.
	Unused []string `json:"unused"`
}

// DeviceReport is what became of an id of the older system.
type DeviceReport struct {
	ID string `json:"id"`
	Place
	// Readings is how many it gives, from First to Last; Gaps of them cover nothing.
	Readings int64         `json:"readings"`
	Gaps     int64         `json:"gaps"`
	First    wattline.Time `json:"first,omitzero"`
	Last     wattline.Time `json:"last,omitzero"`
	// EnergyWh is what they come to, and BeginsWh where their counter begins.
	EnergyWh wattline.Milli `json:"energy_wh"`
	BeginsWh wattline.Milli `json:"begins_wh"`
	// Met tells that the store has readings after it, where its counter ends.
	Met bool `json:"met"`
	// Left are those left out because the store has others' readings from there on.
	Left int64 `json:"left"`
	// Reason is why nothing of it was imported; empty if it was.
	Reason string `json:"reason,omitempty"`
}

// OK tells whether everything that was asked for is in the store, and that was anything.
func (r *Report) OK() bool {
	refused := func(d DeviceReport) bool { return d.Reason != "" }
	return r.Points > 0 && r.Bad == 0 && r.Refused == 0 && !slices.ContainsFunc(r.Devices, refused)
}

// device is an id on its way.
type device struct {
	outline

	report DeviceReport
	number int
	// until is the end of what is imported, in milliseconds.
	until int64
	base  wattline.Milli
	meter meter
}

// newMeter stands before the first reading.
func (d *device) newMeter() meter {
	return meter{device: d.report.Device, relay: d.relayBefore, firstRelay: d.relayAfter}
}

func (d *device) count(reading wattline.Reading) {
	if d.report.Readings++; d.report.Readings == 1 {
		d.report.First = reading.Time
	} else if reading.CoversS == 0 {
		d.report.Gaps++
	}
	d.report.Last = reading.Time
}

type importer struct {
	Options

	scratch *scratch
	devices map[string]*device // by their old ids
	taken   map[string]string  // the old id of each device
	report  Report
}

// Import reads the whole export and then writes its readings, hour by hour, those of all
// devices. A repetition changes nothing, and one that was ended is mended by
// another. The report is of use on an error too.
func Import(ctx context.Context, options Options) (*Report, error) {
	if options.Database == "" {
		options.Database = "sp"
	}
	if options.Store != nil {
		options.Store = transfer.Patient(options.Store, transfer.DefaultPatience)
	}
	i := &importer{Options: options, devices: map[string]*device{}, taken: map[string]string{}}
	i.report = Report{Devices: []DeviceReport{}, Refusals: []transfer.Refusal{}, Unused: []string{}}
	err := i.run(ctx)
	for _, id := range slices.Sorted(maps.Keys(i.devices)) {
		i.report.Devices = append(i.report.Devices, i.devices[id].report)
	}
	for _, id := range slices.Sorted(maps.Keys(options.Places)) {
		if i.devices[id] == nil {
			i.report.Unused = append(i.report.Unused, id)
		}
	}
	return &i.report, err
}

func (i *importer) run(ctx context.Context) (err error) {
	lock, err := datalock.Take(i.Folder, "import")
	if err != nil {
		return err
	}
	defer lock.Close()
	if i.scratch, err = openScratch(ctx, filepath.Join(i.Folder, "influx1.sqlite")); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, i.scratch.close()) }()
	if err := i.read(ctx); err != nil {
		return err
	}
	for _, d := range i.devices {
		if err := i.survey(ctx, d); err != nil {
			return fmt.Errorf("%s: %w", d.report.ID, err)
		}
	}
	if i.Store == nil {
		return nil
	}
	return i.write(ctx)
}

// read puts all points into the scratch file.
func (i *importer) read(ctx context.Context) error {
	text, err := newLines(i.Export)
	if err != nil {
		return err
	}
	s := scanner{text: text, database: i.Database, strict: i.Strict, take: func(p point) error { return i.take(ctx, p) }}
	err = s.scan()
	i.report.Tally = s.tally
	if err != nil {
		return err
	}
	return i.scratch.done(ctx)
}

func (i *importer) take(ctx context.Context, p point) error {
	d := i.devices[p.id]
	if d == nil {
		if len(i.devices) == store.MaxDevices {
			return fmt.Errorf("there are more than %d ids in the export", store.MaxDevices)
		}
		place, err := placeOf(p, i.Places[p.id])
		if err != nil {
			return err
		}
		if other, ok := i.taken[place.Device]; ok {
			return fmt.Errorf("%s and %s would both be the device %s: the map file must tell them apart", other, p.id, place.Device)
		}
		d = &device{report: DeviceReport{ID: p.id, Place: place}, number: len(i.devices)}
		i.devices[p.id], i.taken[place.Device] = d, p.id
	}
	return i.scratch.add(ctx, d.number, p)
}
