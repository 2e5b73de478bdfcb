package main

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/client"
)

// switchFlags are those of on and off.
type switchFlags struct {
	place   placeFlags
	all     bool
	dryRun  bool
	timeout time.Duration
	asJSON  bool
}

func newSwitch(name string, action wattline.Action) *cobra.Command {
	var options gatewayOptions
	var flags switchFlags
	command := &cobra.Command{
		Use:   name + " [DEVICE…]",
		Short: "Switch devices " + name,
		Long: `Switch devices ` + name + `: those named, or all at a location, of a kind or with labels. What
became of it is told for each. The exit code is 1 if any was not done.`,
		Example: "  wattline " + name + ` desk-1 desk-2
  wattline ` + name + ` --location hq/f1 --kind workstation --dry-run
  wattline ` + name + ` --all --json --url https://wattline.example`,
		RunE: func(command *cobra.Command, ids []string) error {
			selector, err := flags.selector(ids)
			if err != nil {
				return err
			}
			gateway, err := options.client(command)
			if err != nil {
				return err
			}
			return switchAll(command, gateway, flags, client.CommandsRequest{Selector: selector, Action: client.Action(action)})
		},
	}
	options.bind(command)
	flags.place.bind(command)
	command.Flags().BoolVar(&flags.all, "all", false, "all devices")
	command.Flags().BoolVar(&flags.dryRun, "dry-run", false, "say what would be done; nothing is sent")
	command.Flags().DurationVar(&flags.timeout, "timeout", 0, "the time for all of it (10s, or what the gateway has)")
	command.Flags().BoolVar(&flags.asJSON, "json", false, "print JSON")
	return command
}

// selector is what the arguments and flags choose. That nothing is chosen, or that
// all and some are, is more likely a mistake than meant.
func (f *switchFlags) selector(ids []string) (client.Selector, error) {
	some := len(ids) > 0 || f.place.given()
	switch {
	case f.all && some:
		return client.Selector{}, usageError{errors.New("--all goes with no device, location, kind or label")}
	case f.all:
		return client.Selector{All: &f.all}, nil
	case !some:
		return client.Selector{}, usageError{errors.New("name devices, or give --location, --kind, --label or --all")}
	}
	labels, err := f.place.labelled()
	if err != nil {
		return client.Selector{}, err
	}
	selector := client.Selector{Ids: several(ids), Location: given(f.place.location), Kind: given(f.place.kind)}
	if len(labels) > 0 {
		selector.Labels = &labels
	}
	return selector, nil
}

func switchAll(command *cobra.Command, gateway *client.Client, flags switchFlags, request client.CommandsRequest) error {
	if flags.timeout != 0 {
		seconds := flags.timeout.Seconds()
		request.TimeoutS = &seconds
	}
	if flags.dryRun {
		request.DryRun = &flags.dryRun
	}
	answer, err := answerOf[client.CommandsResponse](gateway.PostCommands(command.Context(), &client.PostCommandsParams{}, request))
	if err != nil {
		return err
	}
	err = printRows(command.OutOrStdout(), flags.asJSON, answer.Results, func(out io.Writer) { tableOfResults(out, answer.Results) })
	if err != nil {
		return err
	}
	for _, result := range answer.Results {
		if outcome := wattline.Outcome(result.Outcome); outcome != wattline.OutcomeDone && outcome != wattline.OutcomeWouldSend {
			return errReported
		}
	}
	if len(answer.Results) == 0 {
		return errors.New("no device is chosen by these flags, or none that you may see")
	}
	return nil
}

func tableOfResults(out io.Writer, results []client.Result) {
	fmt.Fprintln(out, "DEVICE\tOUTCOME\tRELAY\tWHY")
	for _, r := range results {
		why := ""
		if r.Message != nil {
			why = plain(*r.Message)
		}
		fmt.Fprintf(out, "%s\t%s\t%s\t%s\n", plain(r.Device), r.Outcome, shown(r.Relay), why)
	}
}
