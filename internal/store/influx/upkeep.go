package influx

import (
	"context"

	"github.com/wattline/wattline/internal/store"
)

// Devices names those of which anything is kept, sorted. See store.Store.
func (s *Store) Devices(context.Context) ([]string, error) { return nil, store.ErrMisconfigured }

// Upkeep keeps the quarter-hours up to date. See store.Store.
func (s *Store) Upkeep(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

// Rebuild makes quarter-hours anew. See store.Store.
func (s *Store) Rebuild(context.Context, store.RebuildQuery) (store.Rebuilt, error) {
	return store.Rebuilt{}, store.ErrMisconfigured
}
