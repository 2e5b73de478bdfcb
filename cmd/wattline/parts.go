package main

import (
	"context"
	"errors"

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

// archiveFolder is that of the archive in the data folder.
const archiveFolder = "archive"

func newStore(ctx context.Context, p *process) (store.Store, error) {
	if p.Config.Store == config.StoreArchive {
		return archive.Open(ctx, archive.Options{
			Dir: p.path(archiveFolder), Retention: p.Config.ArchiveRetention, Log: p.log, Metrics: p.metrics,
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
