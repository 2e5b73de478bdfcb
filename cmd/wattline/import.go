package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/config"
	"github.com/wattline/wattline/internal/transfer/influx1"
)

func newImport(logging *logOptions) *cobra.Command {
	command := &cobra.Command{
		Use:     "import",
		Short:   "Take in what another system has recorded",
		Example: "  wattline import influx1 export.gz -c wattline.yaml",
		Args:    usage(cobra.NoArgs),
		RunE:    func(command *cobra.Command, _ []string) error { return command.Help() },
	}
	command.AddCommand(newImportInflux1(logging))
	return command
}

// importOptions are the flags of import influx1.
type importOptions struct {
	file     string
	export   string
	places   string
	database string
	dryRun   bool
	strict   bool
	asJSON   bool
}

func newImportInflux1(logging *logOptions) *cobra.Command {
	var options importOptions
	command := &cobra.Command{
		Use:   "influx1 FILE",
		Short: "Import an export of an InfluxDB 1 with the measurements power and status",
		Long: `Import an export of an InfluxDB 1 with the measurements power and status into the
store of the configuration. FILE is what influx_inspect export wrote, compressed or
not, or the CSV of the influx shell, with times as rfc3339 or ns; - is the standard
input.

Ids stay as they are where they can be device ids. At the end the devices are printed
as the configuration wants them; their addresses are to be filled in. A file given
with --map names another device, location or kind for an id:

  sp_w.r1.c1: {device: desk-1, location: hq/f1/r101/desk-1, kind: workstation}

Repeating an import changes nothing. The exit code is 1 if a line could not be read,
if there was nothing to import, or if anything that was read is not in the store.`,
		Example: `  influx_inspect export -database sp -datadir /var/lib/influxdb/data \
    -waldir /var/lib/influxdb/wal -compress -out export.gz
  wattline import influx1 export.gz -c wattline.yaml --dry-run
  wattline import influx1 export.gz -c wattline.yaml --map places.yaml`,
		Args: usage(cobra.ExactArgs(1)),
		RunE: func(command *cobra.Command, args []string) error {
			log, err := logging.quiet(command)
			if err != nil {
				return err
			}
			options.export = args[0]
			return runImport(command, options, log)
		},
	}
	bindConfig(command, &options.file)
	flags := command.Flags()
	flags.StringVar(&options.places, "map", "", "a YAML file that names devices, locations and kinds for ids")
	flags.StringVar(&options.database, "database", "sp", "the database in the export; CSV does not say of which one it is, and all is taken")
	flags.BoolVar(&options.dryRun, "dry-run", false, "read the file, and neither open nor write the store")
	flags.BoolVar(&options.strict, "strict", false, "end at the first line that cannot be read, before anything is written")
	flags.BoolVar(&options.asJSON, "json", false, "print JSON")
	return command
}

func runImport(command *cobra.Command, options importOptions, log *slog.Logger) error {
	loaded, err := config.Load(options.file)
	if err != nil {
		return err
	}
	task := influx1.Options{Database: options.database, Strict: options.strict, Folder: filepath.Join(loaded.Data, "transfer")}
	if task.Places, err = loadPlaces(options.places); err != nil {
		return err
	}
	file, size, err := openExport(command, options.export)
	if err != nil {
		return err
	}
	defer file.Close()
	ctx := command.Context()
	if !options.dryRun {
		opened, err := openNamed(ctx, loaded, loaded.Store, log)
		if err != nil {
			return err
		}
		defer opened.Close()
		task.Store = opened
	}
	reading, writing := newBar(command.ErrOrStderr(), "reading"), newBar(command.ErrOrStderr(), "writing")
	task.Export = &watched{Reader: file, context: ctx, bar: reading, size: size}
	task.Progress = func(done, total int64) {
		reading.end()
		writing.to(done, total)
	}
	report, err := influx1.Import(ctx, task)
	reading.end()
	writing.end()
	switch {
	case err != nil && ctx.Err() != nil:
		return errors.New("stopped; the same command mends it")
	case err != nil:
		return err
	}
	if err := writeImport(command.OutOrStdout(), report, options); err != nil || report.OK() {
		return err
	}
	return errReported
}

func loadPlaces(file string) (map[string]influx1.Place, error) {
	if file == "" {
		return nil, nil
	}
	loaded, err := config.LoadPlaces(file)
	if err != nil {
		return nil, err
	}
	places := make(map[string]influx1.Place, len(loaded))
	for id, place := range loaded {
		places[id] = influx1.Place(place)
	}
	return places, nil
}

// openExport opens the file and tells its size; 0 where that is not known.
func openExport(command *cobra.Command, name string) (io.ReadCloser, int64, error) {
	if name == "-" {
		return io.NopCloser(command.InOrStdin()), 0, nil
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, 0, err
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() && info.Mode()&os.ModeNamedPipe == 0 {
		err = fmt.Errorf("%s is not a file: name the file that influx_inspect export or the influx shell wrote", name)
	}
	if err != nil {
		return nil, 0, errors.Join(err, file.Close())
	}
	return file, info.Size(), nil
}

// watched shows how much of a file has been read, and ends it with the context.
type watched struct {
	io.Reader

	context context.Context // a Read takes none
	bar     *bar
	size    int64
	done    int64
}

func (w *watched) Read(into []byte) (int, error) {
	if err := w.context.Err(); err != nil {
		return 0, err
	}
	n, err := w.Reader.Read(into)
	if w.done += int64(n); w.size > 0 {
		w.bar.to(w.done, w.size)
	}
	return n, err
}

func writeImport(out io.Writer, report *influx1.Report, options importOptions) error {
	if options.asJSON {
		return writeJSON(out, report)
	}
	for _, line := range report.BadLines[:min(shownAtMost, len(report.BadLines))] {
		fmt.Fprintf(out, "line %d: %s\n", line.Line, line.Reason)
	}
	for _, r := range report.Refusals[:min(shownAtMost, len(report.Refusals))] {
		fmt.Fprintf(out, "refused  %s  %s  %s\n", r.Device, r.Time, r.Reason)
	}
	if report.Refused > 0 {
		fmt.Fprintln(out, "For readings older than its retention the store needs a longer one: archive_retention, or that of the bucket.")
	}
	for _, d := range report.Devices {
		writeImported(out, d)
	}
	for _, id := range report.Unused {
		fmt.Fprintf(out, "%s is in %s and not in the export\n", plain(id), options.places)
	}
	fmt.Fprintf(out, "%d lines: %d points, %d of other databases or measurements, %d bad\n", report.Lines, report.Points, report.Other, report.Bad)
	if report.Points == 0 {
		writeNothingFound(out, report.Databases, options)
	}
	if options.dryRun {
		fmt.Fprintln(out, "nothing was written")
	} else {
		fmt.Fprintf(out, "%d readings are in the store; it refused %d\n", report.Written, report.Refused)
		writeAdvice(out, report.Devices)
	}
	return writeStanza(out, report.Devices)
}

// writeNothingFound says what there is instead.
func writeNothingFound(out io.Writer, databases []string, options importOptions) {
	fmt.Fprintf(out, "There is no point of power or status of database %s in it.\n", plain(options.database))
	for _, name := range databases {
		fmt.Fprintf(out, "It has database %s: give --database if that is the one.\n", plain(name))
	}
}

// writeAdvice says what to do about counters that do not meet those of the store.
func writeAdvice(out io.Writer, devices []influx1.DeviceReport) {
	unmet := 0
	for _, d := range devices {
		switch {
		case d.Reason != "":
			fmt.Fprintf(out, "# For the map file:\n%q: {device: %q}\n", d.ID, d.Device+"-before")
		case d.Readings > 0 && !d.Met:
			unmet++
		}
	}
	if unmet > 0 {
		fmt.Fprintf(out, "After the export the store has no readings of %d of the devices. If their plugs are going to be read under "+
			"these ids, have them read once before the import: their counters begin where they stand, and must not fall.\n", unmet)
	}
}

// writeImported is a line of a device.
func writeImported(out io.Writer, d influx1.DeviceReport) {
	switch {
	case d.Reason != "":
		fmt.Fprintf(out, "%s  NOT IMPORTED: %s\n", plain(d.ID), d.Reason)
	case d.Readings == 0:
		fmt.Fprintf(out, "%s  no power in the export\n", plain(d.ID))
	default:
		fmt.Fprintf(out, "%s  %d readings, %s to %s, %d gaps, %v Wh, the counter from %v Wh\n",
			d.Device, d.Readings, d.First, d.Last, d.Gaps, d.EnergyWh, d.BeginsWh)
	}
	if d.Left > 0 {
		fmt.Fprintf(out, "%s  %d readings left out: from %s on the store has its own\n", d.Device, d.Left, d.Last)
	}
}

// writeStanza prints the devices as the configuration has them. Its texts hold
// nothing that YAML would take for anything else, but quoted they are texts too
// where they look like numbers.
func writeStanza(out io.Writer, devices []influx1.DeviceReport) error {
	if len(devices) == 0 {
		return nil
	}
	fmt.Fprint(out, "\n# For the configuration. The export has no addresses: fill them in.\ndevices:\n")
	for _, d := range devices {
		_, err := fmt.Fprintf(out, "  - {id: %q, kind: %q, location: %q%s, address: \"\"}\n", d.Device, d.Kind, d.Location, gridLabels(d.ID))
		if err != nil {
			return err
		}
	}
	return nil
}

// gridLabels keep what the older id said, whatever the device is called now.
func gridLabels(id string) string {
	place := wattline.GridPlaceOf(id)
	switch {
	case place.Row != "":
		return fmt.Sprintf(", labels: {type: %q, row: %q, column: %q}", place.Type, place.Row, place.Column)
	case place.Type != "":
		return fmt.Sprintf(", labels: {type: %q}", place.Type)
	}
	return ""
}
