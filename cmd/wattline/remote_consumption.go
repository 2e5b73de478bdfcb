package main

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/wattline/wattline/client"
)

// consumptionFlags are the question.
type consumptionFlags struct {
	place                           placeFlags
	from, to, window, groupBy, zone string
	asJSON                          bool
}

func newConsumption() *cobra.Command {
	var options gatewayOptions
	var flags consumptionFlags
	command := &cobra.Command{
		Use:   "consumption [DEVICE…]",
		Short: "Show what devices used",
		Long: `Show the energy that devices used, and their power, by windows of the calendar and by
groups, as a running gateway has it. Times are like 2026-03-28, 2026-03-28T07:00:00Z,
today, "last month" or -24h. The table has them in --tz, or in this machine's zone without
it. A coverage below 1 says that not all of a window was seen,
and est. that energy was placed in it by the plugs' own statistics.`,
		Example: `  wattline consumption --from "last month" --window day --group-by location:2
  wattline consumption desk-1 --from -24h --window hour --json`,
		RunE: func(command *cobra.Command, ids []string) error {
			gateway, err := options.client(command)
			if err != nil {
				return err
			}
			zone, err := flags.shownIn()
			if err != nil {
				return err
			}
			rows, err := consumption(command, gateway, flags.params(ids))
			if err != nil {
				return err
			}
			return printRows(command.OutOrStdout(), flags.asJSON, rows, func(out io.Writer) { tableOfConsumption(out, rows, zone) })
		},
	}
	options.bind(command)
	flags.place.bind(command)
	command.Flags().StringVar(&flags.from, "from", "", "the beginning (today)")
	command.Flags().StringVar(&flags.to, "to", "", "the end (now, or that of the period that --from names)")
	command.Flags().StringVar(&flags.window, "window", "", "quarter, hour, day, week, month or year (hour)")
	command.Flags().StringVar(&flags.groupBy, "group-by", "", "device, kind, location:N, label:NAME or all (device)")
	command.Flags().StringVar(&flags.zone, "tz", "", "the IANA time zone of windows and dates (the gateway's)")
	command.Flags().BoolVar(&flags.asJSON, "json", false, "print JSON")
	return command
}

func (f *consumptionFlags) params(ids []string) *client.GetConsumptionParams {
	return &client.GetConsumptionParams{
		Device: several(ids), Location: given(f.place.location), Kind: given(f.place.kind), Label: several(f.place.labels),
		From: given(f.from), To: given(f.to), Window: given(client.GetConsumptionParamsWindow(f.window)),
		GroupBy: given(f.groupBy), Tz: given(f.zone),
	}
}

// shownIn is the time zone of the table: that of the windows where it is given, else
// this machine's.
func (f *consumptionFlags) shownIn() (*time.Location, error) {
	if f.zone == "" {
		return time.Local, nil
	}
	zone, err := time.LoadLocation(f.zone)
	if err != nil {
		return nil, usageError{fmt.Errorf("--tz must be an IANA time zone such as Europe/Madrid, not %q", f.zone)}
	}
	return zone, nil
}

// consumption asks for all pages.
func consumption(command *cobra.Command, gateway *client.Client, params *client.GetConsumptionParams) ([]client.Consumption, error) {
	var rows []client.Consumption
	for {
		page, err := answerOf[client.ConsumptionPage](gateway.GetConsumption(command.Context(), params))
		if err != nil {
			return nil, err
		}
		rows = append(rows, page.Rows...)
		if params.Cursor = page.Next; page.Next == nil {
			return rows, nil
		}
	}
}

func tableOfConsumption(out io.Writer, rows []client.Consumption, zone *time.Location) {
	fmt.Fprintln(out, "GROUP\tSTART\tEND\tENERGY KWH\tMEAN W\tMIN W\tMAX W\tCOVERAGE\t")
	const minute = "2006-01-02 15:04"
	for _, r := range rows {
		energy, estimated := "-", ""
		if r.EnergyWh != nil {
			energy = fmt.Sprintf("%.3f", *r.EnergyWh/1000)
		}
		if r.Estimated != nil && *r.Estimated {
			estimated = "est."
		}
		fmt.Fprintf(out, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%.3f\t%s\n", plain(r.Group), r.Start.In(zone).Format(minute), r.End.In(zone).Format(minute),
			energy, shown(r.MeanW), shown(r.MinW), shown(r.MaxW), r.Coverage, estimated)
	}
}
