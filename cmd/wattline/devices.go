package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/api"
	"github.com/wattline/wattline/client"
)

// maxList is what a gateway takes at once.
const maxList = 1 << 20

func newDevices() *cobra.Command {
	var gateway gatewayOptions
	command := &cobra.Command{
		Use:   "devices",
		Short: "List and change the devices that a running gateway knows",
		Long: `List and change the devices that a running gateway knows. Those that the configuration
file declares are changed there.`,
		Example: `  wattline devices list --location hq/f1
  wattline devices apply -f devices.yaml --dry-run
  wattline devices apply -f devices.csv`,
		Args: usage(cobra.NoArgs),
		RunE: func(command *cobra.Command, _ []string) error { return command.Help() },
	}
	gateway.bind(command)
	command.AddCommand(newDevicesList(&gateway), newDevicesApply(&gateway))
	return command
}

// applyFlags are those of devices apply.
type applyFlags struct {
	file   string
	dryRun bool
	prune  bool
	asJSON bool
}

func newDevicesApply(gateway *gatewayOptions) *cobra.Command {
	var flags applyFlags
	command := &cobra.Command{
		Use:   "apply -f FILE",
		Short: "Make the devices what a file says, all of it or nothing",
		Long: `Add the devices of a file that there are not yet, and change those that are
different. All of it is done or nothing; every fault is told with its line. The file
is YAML, as under devices in the configuration, or CSV (named .csv) whose first line
names the columns: id, kind, location, address, site, protected, poll, label:NAME.`,
		Example: `  wattline devices apply -f devices.yaml --dry-run
  wattline devices apply -f devices.csv --prune
  wattline devices apply -f - --url http://gateway:8080 <devices.yaml`,
		Args: usage(cobra.NoArgs),
		RunE: func(command *cobra.Command, _ []string) error {
			remote, err := gateway.client(command)
			if err != nil {
				return err
			}
			return applyFile(command, remote, flags)
		},
	}
	command.Flags().StringVarP(&flags.file, "file", "f", "", "the file; - reads YAML from standard input")
	command.Flags().BoolVar(&flags.dryRun, "dry-run", false, "only say what would change")
	command.Flags().BoolVar(&flags.prune, "prune", false, "remove the devices that are not in the file")
	command.Flags().BoolVar(&flags.asJSON, "json", false, "print JSON")
	_ = command.MarkFlagRequired("file")
	_ = command.MarkFlagFilename("file", "yaml", "yml", "csv", "json")
	return command
}

func applyFile(command *cobra.Command, gateway *client.Client, flags applyFlags) error {
	text, err := readList(command.InOrStdin(), flags.file)
	if err != nil {
		return err
	}
	params := client.ApplyDevicesParams{DryRun: &flags.dryRun, Prune: &flags.prune}
	kind := "application/yaml"
	if strings.EqualFold(filepath.Ext(flags.file), ".csv") {
		kind = "text/csv"
	}
	result, err := answerOf[api.ApplyResult](gateway.ApplyDevicesWithBody(command.Context(), &params, kind, bytes.NewReader(text)))
	if refused, ok := errors.AsType[*gatewayError](err); ok && len(refused.Fields) > 0 {
		return tellFaults(command.ErrOrStderr(), flags.file, refused)
	}
	if err != nil {
		return err
	}
	if flags.asJSON {
		return writeJSON(command.OutOrStdout(), result)
	}
	return writeApplied(command.OutOrStdout(), result)
}

// readList reads a file, or standard input for -, of bounded size.
func readList(input io.Reader, path string) ([]byte, error) {
	if path != "-" {
		file, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		defer file.Close()
		input = file
	}
	text, err := io.ReadAll(io.LimitReader(input, maxList+1))
	if err == nil && len(text) > maxList {
		err = fmt.Errorf("%s is larger than %d bytes, which is all that a gateway takes at once: apply it in parts, without --prune", path, maxList)
	}
	return text, err
}

// tellFaults says all that a gateway found wrong in a file, each on a line that
// editors can jump to.
func tellFaults(out io.Writer, file string, refused *gatewayError) error {
	for _, fault := range refused.Fields {
		fmt.Fprintf(out, "%s:%d: %s %s\n", file, fault.Line, plain(fault.Field), plain(fault.Reason))
	}
	fmt.Fprintf(out, "Nothing was changed (%s).\n", refused.Code)
	return errReported
}

func writeApplied(out io.Writer, result api.ApplyResult) error {
	for _, change := range result.Devices {
		fmt.Fprintf(out, "%s %s\n", change.Change, change.Device)
		for _, field := range change.Fields {
			if change.Change == string(wattline.DeviceChanged) {
				fmt.Fprintf(out, "    %s: %s -> %s\n", field.Field, shownValue(field.Before), shownValue(field.After))
			} else {
				fmt.Fprintf(out, "    %s: %s\n", field.Field, shownValue(field.After))
			}
		}
	}
	done := ""
	if result.DryRun {
		done = "; this was a dry run, and nothing was changed"
	}
	_, err := fmt.Fprintf(out, "%d changes, %d unchanged%s\n", len(result.Devices), result.Unchanged, done)
	return err
}

func shownValue(text string) string {
	if text == "" {
		return "(none)"
	}
	return plain(text)
}
