package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/client"
	"github.com/wattline/wattline/components/history"
	"github.com/wattline/wattline/internal/calendar"
	"github.com/wattline/wattline/internal/config"
	"github.com/wattline/wattline/internal/store"
)

// rebuildOptions are the flags of history rebuild.
type rebuildOptions struct {
	gateway  gatewayOptions
	from, to string
	devices  []string
	offline  bool
	asJSON   bool
}

func newHistoryRebuild(logging *logOptions) *cobra.Command {
	var options rebuildOptions
	command := &cobra.Command{
		Use:   "rebuild --from WHEN [--to WHEN]",
		Short: "Make the quarter-hours of a stretch of time anew",
		Long: `Make the quarter-hours of the days from --from to --to anew from the readings, as
far as these are still kept, and say on how many days they had not been made yet and
on how many they were not right. What was right stays as it is.

A system that runs does it itself, when asked through its gateway. Where none runs at
the configuration's address, or with --offline, the configuration's store is opened
and gone through directly. Dates are in the configuration's time zone.`,
		Example: `  wattline history rebuild --from 2026-03-01 --to 2026-04-01
  wattline history rebuild --from "last month" --devices desk-1 --offline`,
		Args: usage(cobra.NoArgs),
		RunE: func(command *cobra.Command, _ []string) error {
			log, err := logging.quiet(command)
			if err != nil {
				return err
			}
			return runRebuild(command, options, log)
		},
	}
	options.gateway.bind(command)
	flags := command.Flags()
	flags.StringVar(&options.from, "from", "", "a time, a date, or such as -7d or last month: the first day to make anew")
	flags.StringVar(&options.to, "to", "", "the same, not included; without it up to now, or the whole of last month")
	flags.StringSliceVar(&options.devices, "devices", nil, "the devices, with commas between them; all by default")
	flags.BoolVar(&options.offline, "offline", false, "open the store directly")
	flags.BoolVar(&options.asJSON, "json", false, "print JSON")
	return command
}

func runRebuild(command *cobra.Command, options rebuildOptions, log *slog.Logger) error {
	clock := calendar.Clock{Now: time.Now(), Zone: time.UTC}
	if _, err := options.query(clock); err != nil { // before anything is opened
		return err
	}
	gateway, err := options.gateway.client(command)
	if err != nil {
		return err
	}
	loaded, err := options.gateway.local(command.Flags().Changed("config"))
	if err != nil {
		return err
	}
	clock.Zone = loaded.Location()
	query, err := options.query(clock)
	if err != nil {
		return err
	}
	bar := newBar(command.ErrOrStderr(), "quarter-hours")
	defer bar.end()
	task := rebuildTask{options: options, config: loaded, gateway: gateway, query: query, bar: bar, log: log}
	done, err := task.run(command.Context())
	bar.end()
	if err != nil {
		return err
	}
	if options.asJSON {
		return writeJSON(command.OutOrStdout(), done)
	}
	fmt.Fprintf(command.OutOrStdout(), "went through %d days of devices; %d had not been made yet, %d were not right and were made anew\n",
		done.Days, done.Made, done.Changed)
	return nil
}

func (o rebuildOptions) query(clock calendar.Clock) (query wattline.RebuildQuery, err error) {
	if o.from == "" {
		return query, usageError{errors.New("--from must be given")}
	}
	period, faults := clock.Period(o.from, o.to)
	if len(faults) > 0 {
		return query, usageError{fmt.Errorf("--%s %s", faults[0].Field, faults[0].Reason)}
	}
	devices := slices.Compact(slices.Sorted(slices.Values(o.devices)))
	return wattline.RebuildQuery{Devices: devices, From: period.From, To: period.To}, nil
}

type rebuildTask struct {
	options rebuildOptions
	config  config.Config
	gateway *client.Client
	query   wattline.RebuildQuery
	bar     *bar
	log     *slog.Logger
}

// run asks a running system, or does it itself where there is none. A gateway that was
// named may be one of another store.
func (t rebuildTask) run(ctx context.Context) (store.Rebuilt, error) {
	if !t.options.offline {
		done, err := t.all(ctx, func(ctx context.Context, query wattline.RebuildQuery) (wattline.RebuildPage, error) {
			return answerOf[wattline.RebuildPage](t.gateway.PostRebuild(ctx, client.RebuildQuery{
				Cursor: given(query.Cursor), Devices: several(query.Devices), From: query.From.Time, To: query.To.Time,
			}))
		})
		if t.options.gateway.named() || !errors.Is(err, syscall.ECONNREFUSED) {
			return done, err
		}
	}
	if err := archiveExists(t.config, t.config.Store); err != nil {
		return store.Rebuilt{}, err
	}
	opened, err := openNamed(ctx, t.config, t.config.Store, t.log)
	if err != nil {
		return store.Rebuilt{}, err
	}
	defer opened.Close()
	return t.all(ctx, history.New(history.Options{Store: opened, Log: t.log}).Rebuild)
}

// all has it done, page after page.
func (t rebuildTask) all(ctx context.Context, some func(context.Context, wattline.RebuildQuery) (wattline.RebuildPage, error)) (done store.Rebuilt, err error) {
	query := t.query
	for {
		page, err := some(ctx, query)
		if err != nil {
			return done, err
		}
		done.Days += page.Days
		done.Made += page.Made
		done.Changed += page.Changed
		t.bar.to(int64(page.Done), int64(page.Total))
		if query.Cursor = page.Next; page.Next == "" {
			return done, nil
		}
	}
}
