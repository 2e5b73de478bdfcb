package history

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/store"
	"github.com/wattline/wattline/internal/strictjson"
)

// lastReads bounds the readings that are fetched at once.
const lastReads = 8

// last answers with the last reading of each device, however old.
func (h *History) last(ctx context.Context, body json.RawMessage) (any, error) {
	var query wattline.LastQuery
	if err := strictjson.Decode(body, &query); err != nil {
		return nil, err
	}
	if err := checkLast(query); err != nil {
		return nil, err
	}
	// Beyond this no store takes a reading.
	end := time.Now().Add(store.FutureTolerance + store.QuarterHour).Truncate(store.QuarterHour)
	all, err := h.store.Summaries(ctx, store.SummaryQuery{
		Devices: distinct(query.Devices), From: end, To: end.Add(store.QuarterHour), Every: store.QuarterHour,
	})
	if err != nil {
		return nil, h.storeError(err)
	}
	page := wattline.LastPage{Last: []wattline.LastReading{}}
	for _, series := range all {
		if series.Before != nil {
			page.Last = append(page.Last, wattline.LastReading{Device: series.Device, Point: *series.Before})
		}
	}
	reading, ctx := errgroup.WithContext(ctx)
	reading.SetLimit(lastReads)
	for i := range page.Last {
		reading.Go(func() error { return h.readAt(ctx, &page.Last[i]) })
	}
	if err := reading.Wait(); err != nil {
		return nil, h.storeError(err)
	}
	return page, nil
}

// readAt adds the reading where it is still kept.
func (h *History) readAt(ctx context.Context, last *wattline.LastReading) error {
	at := last.Point.Time.Time
	found, err := h.store.Readings(ctx, store.Query{Devices: []string{last.Device}, From: at, To: at.Add(time.Millisecond), Limit: 1})
	if err == nil && len(found) > 0 {
		last.Reading = &found[0]
	}
	return err
}

func checkLast(query wattline.LastQuery) error {
	var found wattline.Faults
	if len(query.Devices) == 0 || len(query.Devices) > wattline.MaxPage {
		found.Add("devices", "must be 1 to %d", wattline.MaxPage)
	}
	for i, device := range query.Devices {
		found.Check(fmt.Sprintf("devices[%d]", i), wattline.CheckID(device))
	}
	return found.Err()
}
