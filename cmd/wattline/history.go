package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/wattline/wattline/internal/calendar"
	"github.com/wattline/wattline/internal/config"
	"github.com/wattline/wattline/internal/store"
	"github.com/wattline/wattline/internal/store/archive"
	"github.com/wattline/wattline/internal/transfer"
)

func newHistory(logging *logOptions) *cobra.Command {
	command := &cobra.Command{
		Use:   "history",
		Short: "Move the history between stores, and mend its quarter-hours",
		Example: `  wattline history copy --from archive --to influx -c wattline.yaml
  wattline history rebuild --from 2026-03-01 --to 2026-04-01`,
		Args: usage(cobra.NoArgs),
		RunE: func(command *cobra.Command, _ []string) error { return command.Help() },
	}
	command.AddCommand(newHistoryCopy(logging), newHistoryRebuild(logging))
	return command
}

// copyOptions are the flags of history copy.
type copyOptions struct {
	file         string
	from, to     string
	since, until string
	devices      []string
	verifyOnly   bool
	asJSON       bool
}

func newHistoryCopy(logging *logOptions) *cobra.Command {
	var options copyOptions
	command := &cobra.Command{
		Use:   "copy --from STORE --to STORE",
		Short: "Copy the history from one store into the other and compare them",
		Long: `Copy every reading from one store into the other, archive or influx, and compare
them: per device and day, by a digest of the readings. Quarter-hours whose readings
are past their retention are copied as well. What the other store has already is
left as it is.

A copy that was ended, however that was, goes on when the command is given again:
what is there is compared, and what is not is copied. The exit code is 1 if anything
is missing in the end.

The archive belongs to one process. To leave it, set store: influx, restart, and
copy then: nothing is lost meanwhile.`,
		Example: `  wattline history copy --from archive --to influx -c wattline.yaml
  wattline history copy --from archive --to influx --verify-only --json
  wattline history copy --from influx --to archive --since 2026-03-01 --devices desk-1,desk-2`,
		Args: usage(cobra.NoArgs),
		RunE: func(command *cobra.Command, _ []string) error {
			log, err := logging.quiet(command)
			if err != nil {
				return err
			}
			return runCopy(command, options, log)
		},
	}
	bindConfig(command, &options.file)
	flags := command.Flags()
	flags.StringVar(&options.from, "from", "", "the store to read: archive or influx")
	flags.StringVar(&options.to, "to", "", "the store to write: the other one")
	flags.StringVar(&options.since, "since", "", "a time, a date, or such as -7d or last month; the first reading by default")
	flags.StringVar(&options.until, "until", "", "the same, not included; the last reading by default")
	flags.StringSliceVar(&options.devices, "devices", nil, "the devices to copy, with commas between them; all by default")
	flags.BoolVar(&options.verifyOnly, "verify-only", false, "compare, and write nothing")
	flags.BoolVar(&options.asJSON, "json", false, "print JSON")
	return command
}

func runCopy(command *cobra.Command, options copyOptions, log *slog.Logger) error {
	other := map[string]string{config.StoreArchive: config.StoreInflux, config.StoreInflux: config.StoreArchive}
	if options.to != other[options.from] || options.to == "" {
		return usageError{errors.New("--from and --to must be archive and influx, or influx and archive")}
	}
	loaded, err := config.Load(options.file)
	if err != nil {
		return err
	}
	task := transfer.Task{Devices: options.devices, VerifyOnly: options.verifyOnly}
	clock := calendar.Clock{Now: time.Now(), Zone: loaded.Location()}
	if task.Since, err = parseInstant("--since", options.since, clock); err != nil {
		return err
	}
	if task.Until, err = parseInstant("--until", options.until, clock); err != nil {
		return err
	}
	ctx := command.Context()
	if err := archiveExists(loaded, options.from); err != nil {
		return err
	}
	source, err := openNamed(ctx, loaded, options.from, log)
	if err != nil {
		return err
	}
	defer source.Close()
	target, err := openNamed(ctx, loaded, options.to, log)
	if err != nil {
		return err
	}
	defer target.Close()
	task.Source, task.Target = source, target
	bar := newBar(command.ErrOrStderr(), options.from+" → "+options.to)
	task.Progress = bar.to
	report, err := transfer.Run(ctx, task)
	bar.end()
	switch {
	case err != nil && ctx.Err() != nil:
		return errors.New("stopped; the same command goes on from here")
	case err != nil:
		return err
	}
	if err := writeCopy(command.OutOrStdout(), report, options); err != nil || report.OK() {
		return err
	}
	return errReported
}

// archiveExists refuses to read an archive that opening would make.
func archiveExists(loaded config.Config, name string) error {
	folder := filepath.Join(loaded.Data, archiveFolder)
	if _, err := os.Stat(folder); name == config.StoreArchive && err != nil {
		return fmt.Errorf("there is no archive: %w; check data in the configuration", err)
	}
	return nil
}

// openNamed opens one of the two stores that a configuration describes, whichever
// of them is the one in use.
func openNamed(ctx context.Context, loaded config.Config, name string, log *slog.Logger) (store.Store, error) {
	loaded.Store = name
	opened, err := newStore(ctx, &process{startOptions: startOptions{Config: loaded}, log: log})
	switch {
	case errors.Is(err, archive.ErrInUse):
		return nil, fmt.Errorf("%w\nWhile wattline runs with store: archive, nothing else can open it: stop it first. "+
			"To leave the archive, set store: influx and restart it instead; readings go into InfluxDB from then on, "+
			"and the archive is free to be copied there", err)
	case err != nil:
		return nil, err // what came with it may be a nil of the store's own type
	}
	return opened, nil
}

// parseInstant reads a flag, empty for the zero time. See calendar.Clock for what it
// may be.
func parseInstant(flag, text string, clock calendar.Clock) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	at, err := clock.Instant(text)
	if err != nil {
		return time.Time{}, usageError{fmt.Errorf("%s %q %w", flag, text, err)}
	}
	return at.Time, nil
}

// shownAtMost is how many of a kind are printed.
const shownAtMost = 20

func writeCopy(out io.Writer, report *transfer.Report, options copyOptions) error {
	if options.asJSON {
		return writeJSON(out, report)
	}
	for _, r := range report.Refusals[:min(shownAtMost, len(report.Refusals))] {
		fmt.Fprintf(out, "refused  %s  %s  %s\n", r.Device, r.Time, r.Reason)
	}
	for _, m := range report.Mismatches[:min(shownAtMost, len(report.Mismatches))] {
		what := "readings"
		if m.Quarters {
			what = "quarter-hours without readings"
		}
		fmt.Fprintf(out, "differs  %s  %s  %d %s in %s, %d in %s: %d missing, %d different\n",
			m.Device, m.Day, m.Source, what, options.from, m.Target, options.to, m.Missing, m.Different)
	}
	if len(report.Refusals) > shownAtMost || len(report.Mismatches) > shownAtMost {
		fmt.Fprintf(out, "the first %d of each are shown; --json lists more\n", shownAtMost)
	}
	verdict := "all of them are there"
	if !report.OK() {
		verdict = fmt.Sprintf("%d were refused, and %d days of a device differ", report.Refused, report.Mismatched)
	}
	readings, quarters := report.Totals()
	kept := fmt.Sprintf("%d readings", readings)
	if quarters > 0 {
		kept += fmt.Sprintf(" and %d quarter-hours of readings that are gone,", quarters)
	}
	_, err := fmt.Fprintf(out, "%s of %d devices in %s compared with %s: %s\n", kept, len(report.Devices), options.from, options.to, verdict)
	return err
}
