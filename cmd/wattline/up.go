package main

import (
	"errors"
	"fmt"
	"os"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/wattline/wattline/internal/config"
)

func newUp(logging *logOptions) *cobra.Command {
	var file string
	command := &cobra.Command{
		Use:   "up",
		Short: "Run every role in one process",
		Long: `Run the whole system in one process, with the broker that it brings or the one
that the configuration names. SIGHUP reads the devices of the configuration anew.`,
		Example: `  wattline up -c wattline.yaml
  wattline up -c wattline.yaml --log-level debug`,
		Args: usage(cobra.NoArgs),
		RunE: func(command *cobra.Command, _ []string) error {
			spareMemory()
			return runRoles(command, logging, file, allRoles())
		},
	}
	bindConfig(command, &file)
	return command
}

// gcPercent has the garbage collected twice as often as usual: all roles in one process
// make little of it, and share a small machine with others. GOGC goes before it.
const gcPercent = 50

func spareMemory() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
}

func newRun(logging *logOptions) *cobra.Command {
	var file string
	command := &cobra.Command{
		Use:   "run ROLE...",
		Short: "Run some roles against an outside broker",
		Long: `Run some of the roles in this process; the others run elsewhere, against the
same broker. The roles:

  gateway      the HTTP API
  collector    reads the plugs of its site
  controller   switches the plugs of its site
  registry     publishes the devices of the configuration
  history      answers questions about readings from the store
  hook         writes readings into the store

A collector and a controller of one site belong into one process: they share the
one queue that each plug allows. SIGHUP reads the devices anew.`,
		Example: `  wattline run gateway -c wattline.yaml
  wattline run collector controller -c wattline.yaml
  wattline run registry history hook -c wattline.yaml`,
		Args:      usage(cobra.MinimumNArgs(1)),
		ValidArgs: allRoles(),
		RunE: func(command *cobra.Command, args []string) error {
			chosen, err := parseRoles(args)
			if err != nil {
				return err
			}
			return runRoles(command, logging, file, chosen)
		},
	}
	bindConfig(command, &file)
	return command
}

func bindConfig(command *cobra.Command, file *string) {
	command.Flags().StringVarP(file, "config", "c", "wattline.yaml", "the configuration file")
	_ = command.MarkFlagFilename("config", "yaml", "yml")
}

// runRoles loads the configuration and runs until a signal comes or a role fails.
func runRoles(command *cobra.Command, logging *logOptions, file string, chosen roles) error {
	log, err := logging.logger(command.ErrOrStderr())
	if err != nil {
		return err
	}
	loaded, err := config.Load(file)
	if err != nil {
		return err
	}
	if len(chosen) < len(allRoles()) && loaded.Broker.IsEmbedded() {
		return errors.New("wattline run needs an outside broker: set broker: mqtt://host:1883 in " + file + ", or use wattline up")
	}
	if err := chosen.check(loaded); err != nil {
		return err
	}
	p, err := start(command.Context(), startOptions{Config: loaded, Roles: chosen, Log: log, File: file})
	if err != nil {
		return err
	}
	if p.gateway != nil {
		fmt.Fprintf(command.OutOrStdout(), "wattline %s serves %s://%s\n", version, loaded.TLS.Scheme(), reached(p.gateway.Addr()))
	}
	return p.wait(command.Context())
}
