// Command wattline measures and switches the smart plugs of an office.
//
// One binary is every part of the system: all of it in one process (up, demo),
// some roles against an outside broker (run), and the tools around it (check,
// plug, emulator). This package only wires the parts; see docs/architecture.md.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	_ "time/tzdata" // calendars must not depend on the machine's

	"github.com/spf13/cobra"

	"github.com/wattline/wattline"
)

// version is set by the linker.
var version = "dev"

// Exit codes.
const (
	exitFailure = 1
	exitUsage   = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	code := execute(ctx, newRoot(), os.Args[1:])
	stop()
	os.Exit(code)
}

// execute runs a command line and turns its error into an exit code.
func execute(ctx context.Context, root *cobra.Command, args []string) int {
	root.SetArgs(args)
	command, err := root.ExecuteContextC(ctx)
	var usage usageError
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errReported):
		return exitFailure
	case errors.As(err, &usage):
		fmt.Fprintf(command.ErrOrStderr(), "wattline: %v\nSee '%s --help'.\n", err, command.CommandPath())
		return exitUsage
	}
	fmt.Fprintf(command.ErrOrStderr(), "wattline: %v\n", err)
	return exitFailure
}

// usageError is a mistake in the command line rather than in the world.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// errReported ends a command whose output has said already what went wrong.
var errReported = errors.New("reported")

// usage marks the errors of an argument check as such.
func usage(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(command *cobra.Command, args []string) error {
		if err := check(command, args); err != nil {
			return usageError{err}
		}
		return nil
	}
}

func newRoot() *cobra.Command {
	var logging logOptions
	root := &cobra.Command{
		Use:   "wattline",
		Short: "Measure and switch the smart plugs of an office",
		Long: `Wattline is a REST-over-MQTT gateway for TP-Link HS110 plugs and their
siblings. It polls them, keeps their readings, and switches them on request.`,
		Example: `  wattline demo                        an emulated office, nothing else needed
  wattline up -c wattline.yaml         everything in one process
  wattline check -c wattline.yaml      is all of it in order?
  wattline plug read 192.0.2.11        ask one plug, with no other part running`,
		Version:       version,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args: usage(func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return fmt.Errorf("unknown command %q", args[0])
			}
			return nil
		}),
		PersistentPreRunE: func(command *cobra.Command, _ []string) error {
			if err := command.ValidateRequiredFlags(); err != nil {
				return usageError{err}
			}
			return nil
		},
		RunE: func(command *cobra.Command, _ []string) error { return command.Help() },
	}
	root.SetVersionTemplate("wattline {{.Version}}\n")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	logging.bind(root)
	root.AddCommand(
		newDemo(&logging), newUp(&logging), newRun(&logging), newCheck(&logging), newPlug(), newDiscover(), newEmulator(&logging), newJournal(),
		newDevices(), newHistory(&logging), newImport(&logging), newBroker(), newToken(), newUser(), newAudit(),
		newState(), newSwitch("on", wattline.ActionOn), newSwitch("off", wattline.ActionOff), newConsumption(), newWatch(),
	)
	return root
}
