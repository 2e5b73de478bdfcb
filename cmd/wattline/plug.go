package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/agents/kasa"
)

// plugTimeout bounds a command at one plug, reading back included.
const plugTimeout = 10 * time.Second

func newPlug() *cobra.Command {
	command := &cobra.Command{
		Use:   "plug",
		Short: "Read or switch one plug, with no other part running",
		Long: `Talk to one plug directly. ADDRESS is host or host:port, with the outlet of a
strip behind a slash: 192.0.2.30/00 is the first one.

While a collector polls the plug as well, stop it or expect a short wait: a plug
serves one client at a time.`,
		Example: `  wattline plug read 192.0.2.11
  wattline plug read 192.0.2.11 --json
  wattline plug off 192.0.2.30/02`,
		Args: usage(cobra.NoArgs),
		RunE: func(command *cobra.Command, _ []string) error { return command.Help() },
	}
	command.AddCommand(
		newPlugAction("read", "Show what a plug says of itself and what it measures", ""),
		newPlugAction("on", "Switch a plug on and read it back", wattline.RelayOn),
		newPlugAction("off", "Switch a plug off and read it back", wattline.RelayOff),
	)
	return command
}

func newPlugAction(name, short string, want wattline.Relay) *cobra.Command {
	var asJSON bool
	command := &cobra.Command{
		Use:     name + " ADDRESS",
		Short:   short,
		Example: "  wattline plug " + name + " 192.0.2.11",
		Args:    usage(cobra.ExactArgs(1)),
		RunE: func(command *cobra.Command, args []string) error {
			target, err := kasa.ParseAddress(args[0])
			if err != nil {
				return usageError{err}
			}
			ctx, cancel := context.WithTimeout(command.Context(), plugTimeout)
			defer cancel()
			m, err := atPlug(ctx, target, want)
			if err != nil {
				return err
			}
			if asJSON {
				return writeJSON(command.OutOrStdout(), describe(target, m))
			}
			return writePlug(command.OutOrStdout(), describe(target, m))
		},
	}
	command.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return command
}

// atPlug switches, unless want is empty, and reads.
func atPlug(ctx context.Context, target kasa.Target, want wattline.Relay) (kasa.Measurement, error) {
	client := kasa.NewClient(kasa.Options{})
	defer client.Close()
	if want != "" {
		if err := client.SetRelay(ctx, target, want == wattline.RelayOn); err != nil {
			return kasa.Measurement{}, err
		}
	}
	if info, err := client.Identify(ctx, target); err == nil && len(info.Outlets) > 0 && target.Outlet == "" && want == "" {
		return kasa.Measurement{At: time.Now(), Info: &info}, nil
	}
	m, err := client.ReadBack(ctx, target)
	if err == nil && want != "" && m.Relay != want {
		return m, fmt.Errorf("%s: the plug accepted the command, but its relay is %s", target, m.Relay)
	}
	return m, err
}

// plugView is a plug as it is printed.
type plugView struct {
	Address  string          `json:"address"`
	Model    string          `json:"model"`
	Alias    string          `json:"alias"`
	Hardware string          `json:"hardware"`
	Firmware string          `json:"firmware"`
	MAC      string          `json:"mac"`
	Relay    wattline.Relay  `json:"relay,omitempty"`
	LED      wattline.Relay  `json:"led,omitempty"`
	RSSIdBm  int             `json:"rssi_dbm,omitempty"`
	PowerW   *wattline.Milli `json:"power_w,omitempty"`
	VoltageV *wattline.Milli `json:"voltage_v,omitempty"`
	CurrentA *wattline.Milli `json:"current_a,omitempty"`
	MeterWh  *wattline.Milli `json:"meter_wh,omitempty"`
	Outlets  []outletView    `json:"outlets,omitempty"`
}

type outletView struct {
	Address string `json:"address"`
	Alias   string `json:"alias"`
}

func describe(target kasa.Target, m kasa.Measurement) plugView {
	view := plugView{
		Address: target.String(), Model: m.Info.Model, Alias: m.Info.Alias, Hardware: m.Info.HardwareVersion,
		Firmware: m.Info.Firmware, MAC: m.Info.MAC, Relay: m.Relay, LED: m.LED, RSSIdBm: m.RSSIdBm,
	}
	if m.Meter != nil {
		view.PowerW, view.VoltageV = &m.Meter.PowerW, &m.Meter.VoltageV
		view.CurrentA, view.MeterWh = &m.Meter.CurrentA, &m.Meter.TotalWh
	}
	for _, outlet := range m.Info.Outlets {
		at := target
		at.Outlet = outlet.ID[max(0, len(outlet.ID)-2):]
		view.Outlets = append(view.Outlets, outletView{Address: at.String(), Alias: outlet.Alias})
	}
	return view
}

func writePlug(out io.Writer, view plugView) error {
	table := newTable(out)
	row := func(name, value string) {
		if value != "" {
			fmt.Fprintf(table, "%s\t%s\n", name, value)
		}
	}
	quantity := func(name string, value *wattline.Milli, unit string) {
		if value != nil {
			row(name, value.String()+" "+unit)
		}
	}
	row("address", view.Address)
	row("model", view.Model)
	row("alias", view.Alias)
	row("hardware", view.Hardware)
	row("firmware", view.Firmware)
	row("mac", view.MAC)
	row("relay", string(view.Relay))
	row("led", string(view.LED))
	if view.RSSIdBm != 0 {
		row("signal", fmt.Sprintf("%d dBm", view.RSSIdBm))
	}
	quantity("power", view.PowerW, "W")
	quantity("voltage", view.VoltageV, "V")
	quantity("current", view.CurrentA, "A")
	quantity("meter", view.MeterWh, "Wh since it was last powered up")
	for _, outlet := range view.Outlets {
		row("outlet "+outlet.Address, outlet.Alias)
	}
	return table.Flush()
}
