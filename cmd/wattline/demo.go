package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/agents/emulator"
	"github.com/wattline/wattline/internal/accounts"
	"github.com/wattline/wattline/internal/config"
)

// Each demo office is the same, so that a restart finds its data again.
const demoSeed = 110

// demoHistory is for how long the emulated plugs have been on already.
const demoHistory = 30 * 24 * time.Hour

type demoOptions struct {
	plugs        int
	listen       string
	brokerListen string
	data         string
}

func newDemo(logging *logOptions) *cobra.Command {
	var options demoOptions
	command := &cobra.Command{
		Use:   "demo",
		Short: "Run everything on an emulated office",
		Long: `Run the whole system in one process on an office of emulated plugs: two floors
of workstations, a meeting room and printers. Nothing else is needed. The data
stay in the folder, and the next start goes on with them.`,
		Example: `  wattline demo
  wattline demo --plugs 300 --listen 127.0.0.1:9000 --data /tmp/office`,
		Args: usage(cobra.NoArgs),
		RunE: func(command *cobra.Command, _ []string) error {
			log, err := logging.logger(command.ErrOrStderr())
			if err != nil {
				return err
			}
			spareMemory()
			return runDemo(command.Context(), command.OutOrStdout(), options, log)
		},
	}
	flags := command.Flags()
	flags.IntVar(&options.plugs, "plugs", emulator.DefaultPlugs, "how many plugs the office has")
	flags.StringVar(&options.listen, "listen", "127.0.0.1:8080", "the HTTP API's address")
	flags.StringVar(&options.brokerListen, "broker-listen", "", "let other MQTT clients reach the broker at this address")
	flags.StringVar(&options.data, "data", "./data", "the folder of everything that is kept")
	_ = command.MarkFlagDirname("data")
	return command
}

func runDemo(ctx context.Context, out io.Writer, options demoOptions, log *slog.Logger) error {
	office, err := newOffice(options, log)
	if err != nil {
		return err
	}
	if err := office.Listen(ctx); err != nil {
		return err
	}
	loaded := demoConfig(options, office)
	p, err := start(ctx, startOptions{Config: loaded, Roles: allRoles(), Log: log})
	if err != nil {
		office.Close()
		return err
	}
	officeCtx, stopOffice := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- office.Run(officeCtx) }()
	greet(out, options, p.gateway.Addr())
	err = p.wait(ctx)
	stopOffice()
	if officeErr := <-ended; err == nil {
		err = officeErr
	}
	return err
}

func newOffice(options demoOptions, log *slog.Logger) (*emulator.Office, error) {
	if err := options.check(); err != nil {
		return nil, usageError{err}
	}
	return emulator.NewOffice(emulator.OfficeOptions{
		Options: emulator.Options{Log: log, History: demoHistory},
		Plugs:   options.plugs, Seed: demoSeed, Site: "hq",
		StateFile: filepath.Join(options.data, "office.json"),
	})
}

func (o demoOptions) check() error {
	if o.plugs < 1 || o.plugs > emulator.MaxPlugs {
		return fmt.Errorf("--plugs must lie between 1 and %d", emulator.MaxPlugs)
	}
	if err := config.CheckListen(o.listen); err != nil {
		return fmt.Errorf("--listen %w", err)
	}
	if err := config.CheckListen(o.brokerListen); o.brokerListen != "" && err != nil {
		return fmt.Errorf("--broker-listen %w", err)
	}
	if o.data == "" {
		return errors.New("--data must name a folder")
	}
	return nil
}

func demoConfig(options demoOptions, office *emulator.Office) config.Config {
	demo := config.Default()
	demo.Listen = options.listen
	demo.BrokerListen = options.brokerListen
	demo.Data = options.data
	demo.Site = "hq"
	demo.Networks = append(demo.Networks, "127.0.0.0/8", "::1/128") // where its plugs are
	for _, device := range office.Devices() {
		if address, err := wattline.ParseAddress(device.Address); err == nil && !slices.Contains(demo.Ports, address.Port) {
			demo.Ports = append(demo.Ports, address.Port)
		}
		demo.Devices = append(demo.Devices, config.Device{
			ID: device.ID, Kind: device.Kind, Location: device.Location, Address: device.Address,
			Labels: device.Labels, Protected: device.Protected,
		})
	}
	return demo
}

// reached is where a process on this machine finds what listens at an address.
func reached(address string) string {
	host, port, err := net.SplitHostPort(address)
	if ip := net.ParseIP(host); err == nil && ip.IsUnspecified() {
		return net.JoinHostPort("127.0.0.1", port)
	}
	return address
}

// greet prints where the office is, with the first admin's token: whoever runs a demo
// may do everything with it.
func greet(out io.Writer, options demoOptions, address string) {
	token, err := accounts.ReadSecret(accounts.FirstTokenPath(options.data))
	if err != nil {
		token = "$WATTLINE_TOKEN" //nolint:gosec // a variable of the shell: somebody has put it elsewhere
	}
	fmt.Fprintf(out, `
Wattline runs an emulated office of %[1]d plugs. Read and try the API at

  http://%[2]s/docs

with the token of this demo's admin, or copy a line:

  export WATTLINE_TOKEN=%[4]s
  curl -s -H "Authorization: Bearer %[4]s" 'http://%[2]s/api/v1/devices?kind=printer'
  curl -s -H "Authorization: Bearer %[4]s" http://%[2]s/api/v1/devices/desk-1/state
  curl -s -H "Authorization: Bearer %[4]s" -X PUT -H 'Content-Type: application/json' -d '{"state":"off"}' http://%[2]s/api/v1/devices/desk-1/relay

Ctrl-C stops it. The data stay in %[3]s; the next start goes on with them.

`, options.plugs, reached(address), options.data, token)
}
