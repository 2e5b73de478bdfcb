package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/api"
	"github.com/wattline/wattline/internal/broker"
	"github.com/wattline/wattline/internal/bus"
	"github.com/wattline/wattline/internal/mqttcredentials"
	"github.com/wattline/wattline/internal/tlsfiles"
)

// reachBroker starts the embedded broker, if it is that, and says how the bus is to
// connect.
func (p *process) reachBroker(ctx context.Context) (bus.Options, error) {
	to := bus.Options{Version: version, Log: p.log, Metrics: p.metrics}
	var err error
	if to.Topics, err = wattline.NewTopics(p.Config.TopicRoot); err != nil {
		return to, err
	}
	if to.Instance, err = instanceName(p.Config.Instance, p.Config.Data, p.Roles); err != nil {
		return to, err
	}
	if p.Config.Broker.IsEmbedded() {
		return to, p.startBroker(ctx, &to)
	}
	return to, p.reachOutside(&to)
}

func (p *process) startBus(to bus.Options) (err error) {
	if p.bus, err = bus.New(to); err == nil {
		p.stack.Go("bus", p.bus.Run)
	}
	return err
}

// startBroker starts the embedded broker.
func (p *process) startBroker(ctx context.Context, to *bus.Options) error {
	secret, err := p.Config.ClusterSecret()
	if err != nil {
		return err
	}
	options := broker.Options{
		DataDir: p.path("broker"), Listen: p.Config.BrokerListen, Log: p.log,
		Self: to.Instance, Topics: to.Topics, Credentials: p.path(mqttcredentials.FileName),
	}
	if files := p.Config.BrokerTLS; files.Cert != "" {
		options.TLS, err = p.certificates("broker_tls", tlsfiles.Options{Cert: files.Cert, Key: files.Key, ClientCA: files.ClientCA})
		if err != nil {
			return err
		}
	}
	if cluster := p.Config.BrokerCluster; cluster.Listen != "" {
		options.Name = p.Config.Instance
		options.Cluster = broker.ClusterOptions{Name: cluster.Name, Listen: cluster.Listen, Peers: cluster.Peers, Secret: secret}
	}
	started, err := broker.Start(ctx, options)
	if err != nil {
		return err
	}
	p.stack.Defer("broker", started.Close)
	p.stack.Go("broker watch", started.Wait)
	p.checks = append(p.checks, api.ReadyCheck{Name: "embedded broker", Check: func(context.Context) error { return started.Healthy() }})
	to.Brokers, to.TLS = []string{started.URL()}, started.ClientTLS()
	to.Username, to.Password = started.Login()
	return nil
}

// reachOutside is for a broker that somebody else runs.
func (p *process) reachOutside(to *bus.Options) (err error) {
	to.Brokers, to.Username = p.Config.Broker.URLs()
	if to.Password, err = p.Config.BrokerPassword(); err != nil {
		return err
	}
	var roots *x509.CertPool // nil for the system's
	pem, err := p.Config.BrokerCA()
	if err != nil {
		return err
	}
	if pem != nil {
		if roots, err = tlsfiles.Pool(pem); err != nil {
			return fmt.Errorf("broker_ca_file %w", err)
		}
	}
	to.TLS = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	if p.Config.BrokerCertFile == "" {
		return nil
	}
	own, err := p.certificates("broker_cert_file", tlsfiles.Options{Cert: p.Config.BrokerCertFile, Key: p.Config.BrokerKeyFile})
	if err == nil {
		to.TLS = own.Client(roots)
	}
	return err
}

// certificates reads the files of a key of the configuration, and follows them.
func (p *process) certificates(key string, options tlsfiles.Options) (*tlsfiles.Certificates, error) {
	options.Log = p.log
	read, err := tlsfiles.Load(options)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	p.stack.Go(key, read.Run)
	return read, nil
}
