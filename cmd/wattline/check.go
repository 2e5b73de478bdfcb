package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/agents/kasa"
	"github.com/wattline/wattline/internal/config"
	"github.com/wattline/wattline/internal/store"
)

const (
	checkTimeout = 10 * time.Second
	// slowBroker is beyond what a broker on a local network takes; stock mosquitto
	// delays QoS 1 by 40 ms unless set_tcp_nodelay is on.
	slowBroker  = 20 * time.Millisecond
	plugsAtOnce = 16
)

// finding is what a check found out about one thing.
type finding struct {
	What   string `json:"what"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`
}

func newCheck(logging *logOptions) *cobra.Command {
	var file string
	var asJSON bool
	command := &cobra.Command{
		Use:   "check",
		Short: "Try the configuration, the broker, the store and each plug",
		Long: `Try the configuration, the broker, the store, the provider that people sign in at and
each plug, one by one, and say what is wrong with each. Nothing is switched and nothing is written. The exit code
is 1 if anything is not in order. With a credential of the broker's, a running
process of the same name is disconnected from the broker for a moment.`,
		Example: `  wattline check -c wattline.yaml
  wattline check -c wattline.yaml --json`,
		Args: usage(cobra.NoArgs),
		RunE: func(command *cobra.Command, _ []string) error {
			log, err := logging.logger(command.ErrOrStderr())
			if err != nil {
				return err
			}
			return runCheck(command.Context(), command.OutOrStdout(), file, asJSON, log)
		},
	}
	bindConfig(command, &file)
	command.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return command
}

func runCheck(ctx context.Context, out io.Writer, file string, asJSON bool, log *slog.Logger) error {
	c := checker{log: log, out: out, quiet: asJSON}
	loaded, err := config.Load(file)
	c.found("configuration", err, fmt.Sprintf("%s, %d devices", file, len(loaded.Devices)))
	if err == nil {
		c.checkBroker(ctx, loaded)
		c.checkStore(ctx, loaded)
		c.checkProvider(ctx, loaded)
		c.checkPlugs(ctx, loaded.Registered())
	}
	if asJSON {
		if err := writeJSON(out, c.findings); err != nil {
			return err
		}
	}
	if c.failed {
		return errReported
	}
	return nil
}

// checker collects findings and prints each as it comes.
type checker struct {
	log   *slog.Logger
	out   io.Writer
	quiet bool

	mu       sync.Mutex
	findings []finding
	failed   bool
}

func (c *checker) found(what string, err error, detail string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f := finding{What: what, OK: err == nil, Detail: detail}
	mark := "ok  "
	if err != nil {
		f.Detail, c.failed, mark = err.Error(), true, "FAIL"
	}
	c.findings = append(c.findings, f)
	if !c.quiet {
		fmt.Fprintf(c.out, "%s  %-24s  %s\n", mark, f.What, f.Detail)
	}
}

func (c *checker) checkBroker(ctx context.Context, loaded config.Config) {
	if loaded.Broker.IsEmbedded() {
		c.found("broker", nil, "embedded, starts with wattline up")
		return
	}
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	took, err := roundTrip(ctx, loaded)
	detail := fmt.Sprintf("a message went there and back in %v", took.Round(10*time.Microsecond))
	switch {
	case took == 0:
		detail = "connected with the credential of " + loaded.Instance
	case took > slowBroker:
		detail += "; that is slow: with mosquitto, set_tcp_nodelay true mends it"
	}
	c.found("broker", err, detail)
}

func (c *checker) checkStore(ctx context.Context, loaded config.Config) {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	if loaded.Store == config.StoreArchive {
		info, err := os.Stat(loaded.Data)
		switch {
		case err == nil && !info.IsDir():
			err = fmt.Errorf("%s is not a folder", loaded.Data)
		case os.IsNotExist(err):
			err = nil
		}
		c.found("store", err, "archive in "+loaded.Data)
		return
	}
	detail := "InfluxDB at " + loaded.Influx.URL + ", bucket " + loaded.Influx.Bucket
	opened, err := newStore(ctx, &process{startOptions: startOptions{Config: loaded}, log: c.log})
	if err == nil {
		defer opened.Close()
		var notes []string
		notes, err = survey(ctx, opened)
		detail = strings.Join(append([]string{detail}, notes...), "; ")
	}
	c.found("store", err, detail)
}

// survey is what an operator should know of a store that works.
func survey(ctx context.Context, opened store.Store) ([]string, error) {
	if s, ok := opened.(interface {
		Survey(ctx context.Context) ([]string, error)
	}); ok {
		return s.Survey(ctx)
	}
	return nil, opened.Ping(ctx)
}

// checkProvider asks where people sign in, if they do, whether it is one.
func (c *checker) checkProvider(ctx context.Context, loaded config.Config) {
	if !loaded.OIDC.On() {
		return
	}
	provider, err := newProvider(loaded, c.log)
	if err == nil {
		err = provider.Check(ctx)
	}
	c.found("sign-in provider", err, loaded.OIDC.Issuer)
}

// checkPlugs asks every plug, several at a time, and tells of them in order.
func (c *checker) checkPlugs(ctx context.Context, devices []wattline.Device) {
	client := kasa.NewClient(kasa.Options{Log: c.log})
	defer client.Close()
	group := errgroup.Group{}
	group.SetLimit(plugsAtOnce)
	answers := make([]chan plugAnswer, len(devices))
	for i := range devices {
		answers[i] = make(chan plugAnswer, 1)
	}
	go func() {
		for i, device := range devices {
			group.Go(func() error {
				answers[i] <- askPlug(ctx, client, device)
				return nil
			})
		}
	}()
	for i, device := range devices {
		answer := <-answers[i]
		c.found("plug "+device.ID, answer.err, answer.detail)
	}
}

type plugAnswer struct {
	detail string
	err    error
}

func askPlug(ctx context.Context, client *kasa.Client, device wattline.Device) plugAnswer {
	target, err := kasa.ParseAddress(device.Address)
	if err != nil {
		return plugAnswer{err: err}
	}
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	m, err := client.Read(ctx, target)
	if err != nil {
		return plugAnswer{err: err}
	}
	detail := fmt.Sprintf("%s at %s, %s", m.Info.Model, target, m.Relay)
	if m.Meter != nil {
		detail += fmt.Sprintf(", %v W", m.Meter.PowerW)
	}
	return plugAnswer{detail: detail}
}
