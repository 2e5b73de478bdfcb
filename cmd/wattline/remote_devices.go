package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/wattline/wattline/client"
)

func newDevicesList(options *gatewayOptions) *cobra.Command {
	var place placeFlags
	var state string
	var asJSON bool
	command := &cobra.Command{
		Use:   "list",
		Short: "List the devices and how they are",
		Long:  `List the devices that a running gateway knows, with their places and what matters most of their state.`,
		Example: `  wattline devices list --location hq/f1 --state down
  wattline devices list --json | jq -r '.[].id'`,
		Args: usage(cobra.NoArgs),
		RunE: func(command *cobra.Command, _ []string) error {
			gateway, err := options.client(command)
			if err != nil {
				return err
			}
			const page = 1000
			limit := page
			params := &client.ListDevicesParams{
				Location: given(place.location), Kind: given(place.kind), Label: several(place.labels),
				State: given(client.ListDevicesParamsState(state)), Limit: &limit,
			}
			var devices []client.DeviceItem
			for {
				list, err := answerOf[client.DeviceList](gateway.ListDevices(command.Context(), params))
				if err != nil {
					return err
				}
				devices = append(devices, list.Devices...)
				if params.Cursor = list.Next; list.Next == nil {
					break
				}
			}
			return printRows(command.OutOrStdout(), asJSON, devices, func(out io.Writer) { tableOfDevices(out, devices) })
		},
	}
	place.bind(command)
	command.Flags().StringVar(&state, "state", "", "up, down, stale or unknown")
	command.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return command
}

func tableOfDevices(out io.Writer, devices []client.DeviceItem) {
	fmt.Fprintln(out, "DEVICE\tKIND\tLOCATION\tADDRESS\tAVAILABILITY\tRELAY\tPOWER W\tPROTECTED")
	for _, d := range devices {
		fmt.Fprintf(out, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", plain(d.Id), plain(d.Kind), plain(d.Location), plain(d.Address),
			d.Availability, shown(d.Relay), shown(d.PowerW), shown(d.Protected))
	}
}
