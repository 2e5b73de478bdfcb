package main

import (
	"cmp"
	"crypto/tls"
	"fmt"
	"os"
	"slices"

	"github.com/wattline/wattline/api"
	"github.com/wattline/wattline/internal/acme"
	"github.com/wattline/wattline/internal/tlsfiles"
)

// secureHTTP sets how the gateway is reached, and whom it believes.
func (p *process) secureHTTP(options *api.Options) (err error) {
	if options.TLS, err = p.httpTLS(); err != nil {
		return err
	}
	if options.Proxies, err = p.Config.Proxies(); err != nil {
		return fmt.Errorf("trusted_proxies %w", err)
	}
	options.Origins = p.Config.CORS.Origins
	options.Hosts = slices.Concat(p.Config.Hosts, p.Config.TLS.ACME.Hosts)
	return nil
}

// httpTLS is for the HTTP listener; nil for plain HTTP.
func (p *process) httpTLS() (*tls.Config, error) {
	wanted := p.Config.TLS
	switch {
	case wanted.Cert != "":
		read, err := p.certificates("tls", tlsfiles.Options{Cert: wanted.Cert, Key: wanted.Key})
		if err != nil {
			return nil, err
		}
		return read.Server("h2", "http/1.1"), nil
	case wanted.ACME.On():
		return p.acmeTLS()
	}
	return nil, nil //nolint:nilnil // none is wanted
}

func (p *process) acmeTLS() (*tls.Config, error) {
	wanted := p.Config.TLS.ACME
	options := acme.Options{
		Hosts: wanted.Hosts, Cache: cmp.Or(wanted.Cache, p.path("acme")), Email: wanted.Email, Directory: wanted.Directory, Log: p.log,
	}
	if wanted.CAFile != "" {
		pem, err := os.ReadFile(wanted.CAFile)
		if err != nil {
			return nil, fmt.Errorf("tls.acme.ca_file: %w", err)
		}
		if options.Roots, err = tlsfiles.Pool(pem); err != nil {
			return nil, fmt.Errorf("tls.acme.ca_file %w", err)
		}
	}
	return acme.Config(options), nil
}
