package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/api"
	"github.com/wattline/wattline/internal/broker"
	"github.com/wattline/wattline/internal/bus"
	"github.com/wattline/wattline/internal/config"
	"github.com/wattline/wattline/internal/store"
	"github.com/wattline/wattline/internal/store/archive"
	"github.com/wattline/wattline/internal/store/influx"
)

// openedStore is the end of openStore: no store and no error where no role needs
// one.
type openedStore struct {
	store store.Store
	err   error
}

func (o openedStore) close() error {
	if o.store == nil {
		return nil
	}
	return o.store.Close()
}

// openStore opens the store on the side. The channel gives exactly one value.
func (p *process) openStore(ctx context.Context) <-chan openedStore {
	opened := make(chan openedStore, 1)
	if !p.Roles.usesStore() {
		opened <- openedStore{}
		return opened
	}
	go func() {
		kept, err := newStore(ctx, p)
		if err != nil {
			opened <- openedStore{err: err} // what came with it may be a nil of the store's own type
			return
		}
		opened <- openedStore{store: kept}
	}()
	return opened
}

func newStore(ctx context.Context, p *process) (store.Store, error) {
	if p.Config.Store == config.StoreArchive {
		return archive.Open(ctx, archive.Options{
			Dir: p.path("archive"), Retention: p.Config.ArchiveRetention, Log: p.log, Metrics: p.metrics,
		})
	}
	token, err := p.Config.InfluxToken()
	if err != nil {
		return nil, err
	}
	if token == "" {
		return nil, errors.New("influx.token_file is missing; WATTLINE_INFLUX_TOKEN is not set either")
	}
	return influx.New(influx.Options{
		URL: p.Config.Influx.URL, Org: p.Config.Influx.Org, Bucket: p.Config.Influx.Bucket, Token: token,
		Quarters: p.Config.Influx.QuartersBucket, Retention: p.Config.Influx.Retention,
		Log: p.log, Metrics: p.metrics,
	})
}

// startBroker starts the embedded broker, if it is that, and returns the
// addresses to connect to.
func (p *process) startBroker(ctx context.Context) ([]string, error) {
	if !p.Config.Broker.IsEmbedded() {
		urls, _ := p.Config.Broker.URLs()
		return urls, nil
	}
	secret, err := p.Config.ClusterSecret()
	if err != nil {
		return nil, err
	}
	options := broker.Options{DataDir: p.path("broker"), Listen: p.Config.BrokerListen, Log: p.log}
	if cluster := p.Config.BrokerCluster; cluster.Listen != "" {
		options.Name = p.Config.Instance
		options.Cluster = broker.ClusterOptions{Name: cluster.Name, Listen: cluster.Listen, Peers: cluster.Peers, Secret: secret}
	}
	started, err := broker.Start(ctx, options)
	if err != nil {
		return nil, err
	}
	p.stack.Defer("broker", started.Close)
	p.stack.Go("broker watch", started.Wait)
	p.checks = append(p.checks, api.ReadyCheck{Name: "embedded broker", Check: func(context.Context) error { return started.Healthy() }})
	return []string{started.URL()}, nil
}

func (p *process) startBus(brokers []string) error {
	topics, err := wattline.NewTopics(p.Config.TopicRoot)
	if err != nil {
		return err
	}
	instance, err := instanceName(p.Config.Instance, p.Config.Data, p.Roles)
	if err != nil {
		return err
	}
	password, err := p.Config.BrokerPassword()
	if err != nil {
		return err
	}
	encryption, err := brokerTLS(p.Config)
	if err != nil {
		return err
	}
	_, user := p.Config.Broker.URLs()
	p.bus, err = bus.New(bus.Options{
		Brokers: brokers, Username: user, Password: password, TLS: encryption,
		Instance: instance, Version: version, Topics: topics, Log: p.log, Metrics: p.metrics,
	})
	if err != nil {
		return err
	}
	p.stack.Go("bus", p.bus.Run)
	return nil
}

// brokerTLS is nil for the system's certificates.
func brokerTLS(c config.Config) (*tls.Config, error) {
	pem, err := c.BrokerCA()
	if pem == nil || err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, errors.New("broker_ca_file holds no certificate")
	}
	return &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, nil
}
