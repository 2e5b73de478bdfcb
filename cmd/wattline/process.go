package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"github.com/wattline/wattline/agents/kasa"
	"github.com/wattline/wattline/api"
	"github.com/wattline/wattline/components/registry"
	"github.com/wattline/wattline/internal/accounts"
	"github.com/wattline/wattline/internal/audit"
	"github.com/wattline/wattline/internal/bus"
	"github.com/wattline/wattline/internal/config"
	"github.com/wattline/wattline/internal/lifecycle"
	"github.com/wattline/wattline/internal/store"
	"github.com/wattline/wattline/internal/telemetry"
)

// startOptions say what a process is to be.
type startOptions struct {
	Config config.Config
	Roles  roles
	Log    *slog.Logger
	// File is where the configuration came from; it is read again on SIGHUP.
	// Empty for a configuration that was made up.
	File string
}

// process is some roles that run together: one bus, at most one store, one
// client for the plugs.
type process struct {
	startOptions
	log      *slog.Logger
	metrics  *telemetry.Registry
	stack    *lifecycle.Stack
	bus      *bus.Bus
	store    store.Store
	registry *registry.Registry
	gateway  *api.Gateway
	plugs    *kasa.Client
	accounts *accounts.Accounts
	audit    *audit.Log
	checks   []api.ReadyCheck
}

// start brings the roles up. What was started is stopped again on an error.
func start(ctx context.Context, options startOptions) (*process, error) {
	p := &process{
		startOptions: options, log: options.Log, metrics: telemetry.New(), stack: lifecycle.New(options.Log),
	}
	if err := p.startParts(ctx); err != nil {
		return nil, errors.Join(err, p.stack.Stop())
	}
	return p, nil
}

func (p *process) startParts(ctx context.Context) error {
	const private = 0o700
	if err := os.MkdirAll(p.Config.Data, private); err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	if err := p.lockData(); err != nil {
		return err
	}
	// The store may have much to read before it is open; the broker need not wait.
	opening := p.openStore(ctx)
	to, err := p.reachBroker(ctx)
	stored := <-opening
	if err := errors.Join(err, stored.err); err != nil {
		return errors.Join(err, stored.close())
	}
	if stored.store != nil {
		p.store = stored.store
		p.stack.Defer("store", stored.store.Close)
		p.checks = append(p.checks, api.ReadyCheck{Name: "store", Check: stored.store.Ping})
	}
	if err := p.startBus(to); err != nil {
		return err
	}
	for _, role := range p.Roles {
		if err := p.startRole(ctx, role); err != nil {
			return fmt.Errorf("%s: %w", role, err)
		}
	}
	return p.serveMetrics(ctx)
}

// wait runs until the context ends or a part fails, tells systemd meanwhile, and
// stops everything.
func (p *process) wait(ctx context.Context) error {
	reload := make(chan os.Signal, 1)
	signal.Notify(reload, syscall.SIGHUP)
	defer signal.Stop(reload)
	p.notify(daemon.SdNotifyReady)
	var failure error
	for running := true; running; {
		select {
		case <-reload:
			p.reload(ctx)
		case <-p.stack.Failed():
			failure, running = p.stack.Cause(), false
		case <-ctx.Done():
			running = false
		}
	}
	p.notify(daemon.SdNotifyStopping)
	p.log.Info("stopping")
	began := time.Now()
	err := p.stack.Stop()
	p.log.Info("stopped", "took", time.Since(began).Round(time.Millisecond))
	if failure != nil {
		return failure
	}
	return err
}

// notify tells systemd, where it runs us; see sd_notify(3).
func (p *process) notify(state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		p.log.Debug("systemd was not told", "state", state, "error", err)
	}
}

// reload reads the devices of the configuration anew.
func (p *process) reload(ctx context.Context) {
	if p.File == "" || p.registry == nil {
		p.log.Info("nothing to read anew: the registry does not run here")
		return
	}
	loaded, err := config.Load(p.File)
	if err == nil {
		err = p.registry.Declare(ctx, loaded.Registered())
	}
	if err != nil {
		p.log.Error("the devices stay as they were", "error", err)
		return
	}
	p.log.Info("devices read anew; everything else takes a restart", "devices", len(loaded.Devices))
}

// path is a place in the data folder.
func (p *process) path(name string) string { return filepath.Join(p.Config.Data, name) }
