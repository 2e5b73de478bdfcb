package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/agents/emulator"
)

type emulatorOptions struct {
	plugs, strips int
	listen        string
	ownAddresses  bool
	seed          uint64
	speed         float64
	faults        string
	control       string
	state         string
	answers       int
	profile       string
	asJSON        bool
}

func newEmulator(logging *logOptions) *cobra.Command {
	var options emulatorOptions
	command := &cobra.Command{
		Use:   "emulator",
		Short: "Emulate plugs on TCP and UDP, with faults",
		Long: `Emulate an office of HS110 (both hardware generations), HS100 and HS300 plugs
that other programs can read, switch and discover. It prints the plugs with their
addresses and serves until it is stopped.

Faults make plugs misbehave: ` + faultNames() + `.
With --control they can be changed while it runs: GET /plugs, PUT /plugs/{id}/fault.`,
		Example: `  wattline emulator --plugs 5 --listen 127.0.0.1:9999
  wattline emulator --plugs 3 --listen 127.0.1.1:9999 --own-addresses
  wattline emulator --faults 'desk-1=hang,printer-1=drip' --control 127.0.0.1:9100 --json`,
		Args: usage(cobra.NoArgs),
		RunE: func(command *cobra.Command, _ []string) error {
			log, err := logging.logger(command.ErrOrStderr())
			if err != nil {
				return err
			}
			return runEmulator(command.Context(), command.OutOrStdout(), options, log)
		},
	}
	flags := command.Flags()
	flags.IntVar(&options.plugs, "plugs", emulator.DefaultPlugs, "how many plugs")
	flags.IntVar(&options.strips, "strips", 0, "how many HS300 strips besides, of six outlets each")
	flags.StringVar(&options.listen, "listen", "127.0.0.1:0", "the first plug's address; the others follow on the next ports, port 0 is a free one each")
	flags.BoolVar(&options.ownAddresses, "own-addresses", false, "give each plug an address of its own and the same port")
	flags.Uint64Var(&options.seed, "seed", demoSeed, "makes the loads and the identities")
	flags.Float64Var(&options.speed, "speed", 1, "how much faster than real time the emulated time passes")
	flags.StringVar(&options.faults, "faults", "", "faults by plug, such as 'desk-3=hang,printer-1=drip'; * is every plug")
	flags.StringVar(&options.control, "control", "", "serve the control door at this address")
	flags.StringVar(&options.profile, "profile", "", "what every plug feeds, such as heater, instead of the office's workstations, printers …")
	flags.IntVar(&options.answers, "answers", 0, "how many of its latest answers each plug remembers for the control door")
	flags.StringVar(&options.state, "state", "", "keep counters and relays in this file")
	flags.BoolVar(&options.asJSON, "json", false, "print the plugs as JSON")
	return command
}

func faultNames() string {
	var names []string
	for _, kind := range emulator.FaultKinds() {
		names = append(names, string(kind))
	}
	return strings.Join(names, ", ")
}

func runEmulator(ctx context.Context, out io.Writer, options emulatorOptions, log *slog.Logger) error {
	office, err := emulated(options, log)
	if err != nil {
		return usageError{err}
	}
	if err := office.Listen(ctx); err != nil {
		return err
	}
	defer office.Close()
	stopControl, err := serveControl(ctx, options.control, office, log)
	if err != nil {
		return err
	}
	defer stopControl()
	if options.asJSON {
		err = writeJSON(out, office.Devices())
	} else {
		err = writeDevices(out, office.Devices())
	}
	if err != nil {
		return err
	}
	return office.Run(ctx)
}

func emulated(options emulatorOptions, log *slog.Logger) (*emulator.Office, error) {
	// Zero stands for the defaults there, and not on a command line.
	if options.plugs == 0 && options.strips == 0 {
		return nil, errors.New("--plugs and --strips are both 0: there must be something to emulate")
	}
	if options.speed == 0 {
		return nil, errors.New("--speed must be above 0")
	}
	faults, err := emulator.ParseFaults(options.faults)
	if err != nil {
		return nil, fmt.Errorf("--faults: %w", err)
	}
	host, port, err := net.SplitHostPort(options.listen)
	if err != nil {
		return nil, fmt.Errorf("--listen must be host:port, not %q", options.listen)
	}
	basePort, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return nil, fmt.Errorf("--listen must end in a port from 0 to 65535, not %q", port)
	}
	office, err := emulator.NewOffice(emulator.OfficeOptions{
		Options: emulator.Options{Log: log, Speed: options.speed, Discovery: true, History: demoHistory, KeepAnswers: options.answers},
		Plugs:   options.plugs, Strips: options.strips, Seed: options.seed, Profile: emulator.Profile(options.profile),
		Host: host, BasePort: int(basePort), OwnAddresses: options.ownAddresses, StateFile: options.state,
	})
	if err != nil {
		return nil, err
	}
	return office, office.SetFaults(faults)
}

// serveControl serves the control door on the side, if an address is given.
func serveControl(ctx context.Context, address string, office *emulator.Office, log *slog.Logger) (stop func(), err error) {
	if address == "" {
		return func() {}, nil
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("--control: %w", err)
	}
	const headerTimeout = 5 * time.Second
	server := &http.Server{Handler: office.ControlHandler(), ReadHeaderTimeout: headerTimeout}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			log.Error("the control door is closed", "error", err)
		}
	}()
	return func() { _ = server.Close(); <-ended }, nil
}

func writeDevices(out io.Writer, devices []wattline.Device) error {
	table := newTable(out)
	fmt.Fprintln(table, "ID\tADDRESS\tKIND\tLOCATION")
	for _, device := range devices {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", device.ID, device.Address, device.Kind, device.Location)
	}
	return table.Flush()
}
