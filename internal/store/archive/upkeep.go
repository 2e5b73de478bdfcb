package archive

import (
	"context"

	"github.com/wattline/wattline/internal/store"
)

// Devices names those of which anything is kept, sorted. See store.Store.
func (a *Archive) Devices(context.Context) ([]string, error) { return nil, store.ErrMisconfigured }

// Upkeep keeps the quarter-hours up to date. See store.Store.
func (a *Archive) Upkeep(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

// Rebuild makes quarter-hours anew. See store.Store.
func (a *Archive) Rebuild(context.Context, store.RebuildQuery) (store.Rebuilt, error) {
	return store.Rebuilt{}, store.ErrMisconfigured
}
