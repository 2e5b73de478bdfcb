package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/wattline/wattline/client"
)

func newState() *cobra.Command {
	var options gatewayOptions
	var refresh, asJSON bool
	command := &cobra.Command{
		Use:   "state DEVICE…",
		Short: "Show how devices are, and their last readings",
		Long: `Show how devices are, and their last readings, as a running gateway knows them. With
--refresh each plug is asked now.`,
		Example: `  wattline state desk-1
  wattline state desk-1 printer-1 --refresh --json --url https://wattline.example`,
		Args: usage(cobra.MinimumNArgs(1)),
		RunE: func(command *cobra.Command, ids []string) error {
			gateway, err := options.client(command)
			if err != nil {
				return err
			}
			params := &client.GetStateParams{}
			if refresh {
				params.Refresh = &refresh
			}
			var states []client.FreshState
			for _, id := range ids {
				fresh, err := answerOf[client.FreshState](gateway.GetState(command.Context(), id, params))
				if err != nil {
					return fmt.Errorf("%s: %w", plain(id), err)
				}
				states = append(states, fresh)
			}
			return printRows(command.OutOrStdout(), asJSON, states, func(out io.Writer) { tableOfStates(out, states) })
		},
	}
	options.bind(command)
	command.Flags().BoolVar(&refresh, "refresh", false, "ask the plugs now")
	command.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return command
}

func tableOfStates(out io.Writer, states []client.FreshState) {
	fmt.Fprintln(out, "DEVICE\tAVAILABILITY\tRELAY\tPOWER W\tENERGY WH\tAT\tERROR")
	for _, fresh := range states {
		power, energy, at, fault := "-", "-", fresh.State.Time, ""
		if r := fresh.Reading; r != nil {
			power, energy, at = fmt.Sprint(r.PowerW), fmt.Sprintf("%.3f", r.EnergyWh), r.Time
		}
		if fresh.State.Error != nil {
			fault = plain(fresh.State.Error.Message)
		}
		fmt.Fprintf(out, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", plain(fresh.State.Device), fresh.State.Availability, shown(fresh.State.Relay),
			power, energy, at.Local().Format("2006-01-02 15:04:05"), fault)
	}
}
