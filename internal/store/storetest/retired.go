package storetest

import (
	"context"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/store"
)

// Retired is a store whose readings before an instant are past their retention. It has
// all quarter-hours.
type Retired struct {
	*Memory

	Before time.Time
}

// Readings returns those that are left. See store.Store.
func (r Retired) Readings(ctx context.Context, query store.Query) ([]wattline.Reading, error) {
	if query.From.Before(r.Before) {
		query.From = r.Before
	}
	if !query.From.Before(query.To) {
		return nil, nil
	}
	return r.Memory.Readings(ctx, query)
}
