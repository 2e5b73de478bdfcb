package main

import (
	"context"
	"fmt"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/agents/collector"
	"github.com/wattline/wattline/agents/controller"
	"github.com/wattline/wattline/agents/kasa"
	"github.com/wattline/wattline/api"
	"github.com/wattline/wattline/api/live"
	"github.com/wattline/wattline/components"
	"github.com/wattline/wattline/components/history"
	"github.com/wattline/wattline/components/registry"
	"github.com/wattline/wattline/hooks/persist"
	"github.com/wattline/wattline/internal/commandlog"
	"github.com/wattline/wattline/internal/config"
	"github.com/wattline/wattline/internal/datalock"
	"github.com/wattline/wattline/internal/journal"
)

// keepsData are the roles that keep files in the data folder; each belongs to one
// process.
func keepsData(role string) bool {
	return role == wattline.RoleHook || role == wattline.RoleRegistry || role == wattline.RoleCollector
}

// lockData takes what the roles keep in the data folder for this process, before
// anything of it is opened and before the name that is kept there is used on the
// broker: two processes of one name would push each other off it.
func (p *process) lockData() error {
	for _, role := range p.Roles {
		if !keepsData(role) && p.Config.Instance != "" {
			continue
		}
		lock, err := datalock.Take(p.Config.Data, role)
		if err != nil {
			return err
		}
		p.stack.Defer(role+" lock", lock.Close)
	}
	return nil
}

func (p *process) startRole(ctx context.Context, role string) error {
	switch role {
	case wattline.RoleHook:
		return p.startHook(ctx)
	case wattline.RoleHistory:
		return p.startHistory()
	case wattline.RoleRegistry:
		return p.startRegistry(ctx)
	case wattline.RoleController:
		return p.startController()
	case wattline.RoleCollector:
		return p.startCollector(ctx)
	case wattline.RoleGateway:
		return p.startGateway(ctx)
	}
	return fmt.Errorf("unknown role %q", role)
}

// startHook runs the persisting hook.
func (p *process) startHook(ctx context.Context) error {
	hook, err := persist.New(ctx, persist.Options{
		Name: p.Config.Hook(), Bus: p.bus, Store: p.store, Dir: p.path("hooks"), Log: p.log, Metrics: p.metrics,
		ForgetAfter: p.Config.Journal.GoneAfter(),
	})
	if err != nil {
		return err
	}
	p.stack.Go("hook", hook.Run)
	p.stack.Go("quarter-hours", p.store.Upkeep)
	p.checks = append(p.checks, api.ReadyCheck{Name: "hook", Check: hook.Ready})
	return nil
}

// influxReadings is how many raw readings InfluxDB gives within the time that a
// question has.
const influxReadings = 200_000

func (p *process) startHistory() error {
	options := history.Options{Store: p.store, Log: p.log}
	if p.Config.Store == config.StoreInflux {
		options.MaxReadings = influxReadings
	}
	component := history.New(options)
	p.stack.Go("history", func(ctx context.Context) error { return components.Serve(ctx, p.bus, component) })
	return nil
}

func (p *process) startRegistry(ctx context.Context) error {
	opened, err := registry.Open(ctx, registry.Options{
		Bus: p.bus, Path: p.path("registry.sqlite"), Devices: p.Config.Registered(), Networks: p.Config.Fence(), Ports: p.Config.Ports, Log: p.log,
	})
	if err != nil {
		return err
	}
	p.registry = opened
	p.stack.Defer("registry file", opened.Close)
	p.stack.Go("registry", opened.Run)
	return nil
}

// plugs is the one client of the process: poller and commands share its queues.
func (p *process) plugClient() *kasa.Client {
	if p.plugs == nil {
		p.plugs = kasa.NewClient(kasa.Options{Networks: p.Config.Fence(), Log: p.log})
		p.stack.Defer("plugs", p.plugs.Close)
	}
	return p.plugs
}

func (p *process) startController() error {
	agent := controller.New(controller.Options{
		Bus: p.bus, Plugs: p.plugClient(), Site: p.Config.Site, SwitchOnPerS: p.Config.SwitchOnPerS,
		Log: p.log, Metrics: p.metrics,
	})
	p.stack.Go("controller", agent.Run)
	return nil
}

// awaitHistory: where everything starts at once, a history with much to open is
// there later than a collector.
const awaitHistory = 15 * time.Second

func (p *process) startCollector(ctx context.Context) error {
	opened, err := journal.Open(ctx, journal.Options{
		Path: p.path("journal.sqlite"), MaxBytes: p.Config.Journal.MaxMegabytes << 20, MaxAge: p.Config.Journal.MaxAge,
		WaitFor: p.Config.Journal.WaitFor, OnDrop: p.journalDropped, Log: p.log, Metrics: p.metrics,
	})
	if err != nil {
		return err
	}
	p.stack.Defer("journal", opened.Close)
	agent := collector.New(collector.Options{
		Bus: p.bus, Plugs: p.plugClient(), Journal: opened, Site: p.Config.Site, Poll: p.Config.Poll, AwaitHistory: awaitHistory,
		Finder: p.plugClient(), Networks: p.Config.Fence(),
		Log: p.log, Metrics: p.metrics,
	})
	p.stack.Go("collector", agent.Run)
	return nil
}

// dropped is the payload of …/event/journal_dropped: readings that a bound of the
// journal took before every hook had stored them.
type dropped struct {
	Instance string `json:"instance"`
	From     uint64 `json:"from"`
	To       uint64 `json:"to"`
}

func (p *process) journalDropped(from, to uint64) {
	topic := wattline.Topic{Kind: wattline.TopicEvent, Event: "journal_dropped"}
	if err := p.bus.Publish(context.Background(), topic, dropped{p.bus.Instance(), from, to}); err != nil {
		p.log.Debug("event not published", "error", err) // the journal has logged the loss itself
	}
}

func (p *process) startGateway(ctx context.Context) error {
	if err := p.startAccounts(ctx); err != nil {
		return err
	}
	commands, err := commandlog.Open(ctx, commandlog.Options{Path: p.path("commands.sqlite"), Log: p.log, Metrics: p.metrics})
	if err != nil {
		return err
	}
	p.stack.Defer("commands file", commands.Close)
	p.stack.Go("commands", commands.Run)
	options := api.Options{
		Bus: p.bus, Identities: p.accounts, Accounts: p.accounts, Audit: p.audit, Commands: commands,
		Limits: p.limits(), Compatibility: p.Config.Compatibility,
		Listen: p.Config.Listen, Site: p.Config.Site, Timezone: p.Config.Location(), Version: version,
		Log: p.log, Metrics: p.metrics, ReadyChecks: p.checks,
		Live: live.Options{Seats: p.Config.Live.Connections, SeatsEach: p.Config.Live.ConnectionsEach},
	}
	if err := p.secureHTTP(&options); err != nil {
		return err
	}
	if options.OIDC, err = p.signInProvider(ctx); err != nil {
		return err
	}
	gateway, err := api.New(options)
	if err != nil {
		return err
	}
	if err := gateway.Listen(); err != nil {
		return err
	}
	p.gateway = gateway
	p.stack.Go("gateway", gateway.Run)
	p.bus.Announce(wattline.RoleGateway)
	return nil
}
