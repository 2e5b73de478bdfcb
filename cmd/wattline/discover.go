package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/agents/kasa"
	"github.com/wattline/wattline/internal/fence"
)

// discoverOptions are the flags of wattline discover.
type discoverOptions struct {
	perSecond int
	port      uint16
	asJSON    bool
}

const maxTriesPerSecond = 1000

func newDiscover() *cobra.Command {
	var options discoverOptions
	command := &cobra.Command{
		Use:   "discover [NETWORK…]",
		Short: "Search plugs, with no other part running",
		Long: `Search plugs from this machine: by broadcast in its own networks, and address
by address in the networks named. Without any it broadcasts only.

NETWORK is such as 10.1.0.0/22, or a single address; at most 65,536 addresses can be
tried. Plugs with KLAP firmware, which cannot be read, are named as such.`,
		Example: `  wattline discover
  wattline discover 10.1.0.0/22
  wattline discover 10.1.0.0/22 10.2.7.0/24 --json`,
		RunE: func(command *cobra.Command, args []string) error {
			networks, err := fence.Parse(args)
			if err != nil {
				return usageError{err}
			}
			if options.perSecond < 1 || options.perSecond > maxTriesPerSecond {
				return usageError{fmt.Errorf("--per-second must lie between 1 and %d", maxTriesPerSecond)}
			}
			found, err := options.discover(command.Context(), networks, newBar(command.ErrOrStderr(), "addresses"))
			if err != nil && !errors.Is(err, context.Canceled) {
				return usageError{err}
			}
			if options.asJSON {
				return errors.Join(writeJSON(command.OutOrStdout(), found), err)
			}
			return errors.Join(writeFound(command.OutOrStdout(), found), err)
		},
	}
	command.Flags().IntVar(&options.perSecond, "per-second", 100, "how many addresses to try in a second")
	command.Flags().Uint16Var(&options.port, "port", kasa.DefaultPort, "where the plugs listen; that of wattline emulator, for example")
	command.Flags().BoolVar(&options.asJSON, "json", false, "print JSON")
	return command
}

// discover is the plugs that are found, in the order of their addresses.
func (o discoverOptions) discover(ctx context.Context, networks []netip.Prefix, progress *bar) ([]wattline.FoundPlug, error) {
	client := kasa.NewClient(kasa.Options{})
	defer client.Close()
	var found []kasa.Found
	err := client.Discover(ctx, kasa.Discovery{
		Networks: networks, Ports: []uint16{o.port}, PerSecond: o.perSecond,
		Progress: func(tried, total int) {
			if total > 0 {
				progress.to(int64(tried), int64(total))
			}
		},
	}, func(f kasa.Found) { found = append(found, f) })
	progress.end()
	slices.SortFunc(found, func(a, b kasa.Found) int { return a.Address.Compare(b.Address) })
	plugs := make([]wattline.FoundPlug, len(found))
	for i, f := range found {
		plugs[i] = f.Plug()
	}
	return plugs, err
}

func writeFound(out io.Writer, found []wattline.FoundPlug) error {
	if len(found) == 0 {
		_, err := fmt.Fprintln(out, "No plug was found. Broadcasts stay in this machine's own networks: name the network of the plugs.")
		return err
	}
	table := newTable(out)
	fmt.Fprintln(table, "ADDRESS\tMODEL\tMAC\tFIRMWARE\tALIAS")
	for _, plug := range found {
		firmware := plug.Firmware
		if plug.KLAP {
			firmware = "KLAP: cannot be read"
		}
		row := []string{plug.Address, plug.Model, plug.MAC, firmware, plug.Alias}
		for i := range row {
			row[i] = plain(row[i])
		}
		fmt.Fprintln(table, strings.Join(row, "\t"))
		for _, outlet := range plug.Outlets {
			fmt.Fprintf(table, "%s\t\t\t\t%s\n", outlet.Address, plain(outlet.Alias))
		}
	}
	return table.Flush()
}
