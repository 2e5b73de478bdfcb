package history

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/packed"
	"github.com/wattline/wattline/internal/store"
	"github.com/wattline/wattline/internal/strictjson"
)

// readings answers with a page of raw readings.
func (h *History) readings(ctx context.Context, body json.RawMessage) (any, error) {
	var query wattline.ReadingsQuery
	if err := strictjson.Decode(body, &query); err != nil {
		return nil, err
	}
	after, err := checkReadings(query)
	if err != nil {
		return nil, err
	}
	query.Limit = limitOf(query.Limit)
	asked := store.Query{
		Devices: distinct(query.Devices), From: query.From.Time, To: query.To.Time, After: after, Limit: query.Limit,
	}
	if query.Packed { // long answers ask for page after page
		if room, is := h.rooms.Get().(*[]wattline.Reading); is {
			asked.Room = *room
		}
		defer func() { h.rooms.Put(&asked.Room) }()
	}
	found, err := h.store.Readings(ctx, asked)
	if err != nil {
		return nil, h.storeError(err)
	}
	asked.Room = found
	page := wattline.ReadingsPage{Readings: found}
	if query.Packed {
		page = wattline.ReadingsPage{Readings: []wattline.Reading{}, Packed: packed.Append(nil, found)}
	}
	if len(found) == query.Limit {
		last := found[len(found)-1]
		page.Next = positionCursor(store.Position{Device: last.Device, Time: last.Time.Time})
	}
	if page.Readings == nil {
		page.Readings = []wattline.Reading{}
	}
	return page, nil
}

func checkReadings(query wattline.ReadingsQuery) (after store.Position, err error) {
	var found wattline.Faults
	if len(query.Devices) == 0 || len(query.Devices) > maxDevices {
		found.Add("devices", "must be 1 to %d", maxDevices)
	}
	for i, device := range query.Devices {
		found.Check(fmt.Sprintf("devices[%d]", i), wattline.CheckID(device))
	}
	if !query.From.Before(query.To.Time) {
		found.Add("from", "must come before to")
	}
	if query.Limit < 0 || query.Limit > wattline.MaxHistoryPage {
		found.Add("limit", "must lie between 1 and %d", wattline.MaxHistoryPage)
	}
	after, ok := cursorPosition(query.Cursor)
	if !ok {
		found.Add("cursor", cursorReason)
	}
	if place := query.After; place != nil {
		found.Check("after.device", wattline.CheckID(place.Device))
		if query.Cursor != "" {
			found.Add("after", "does not go with cursor")
		}
		after = store.Position{Device: place.Device, Time: place.Time.Time}
	}
	return after, found.Err()
}

// positionCursor is a place in the order of readings as text.
func positionCursor(p store.Position) string {
	return strconv.FormatInt(p.Time.UnixMilli(), 10) + "." + p.Device
}

// latestCursor bounds the times in cursors, in milliseconds: in the year 2248.
const latestCursor = 1 << 43

func cursorPosition(cursor string) (p store.Position, ok bool) {
	if cursor == "" {
		return p, true
	}
	ms, device, _ := strings.Cut(cursor, ".")
	at, err := strconv.ParseInt(ms, 10, 64)
	if err != nil || at < 0 || at > latestCursor || wattline.CheckID(device) != nil {
		return p, false
	}
	return store.Position{Device: device, Time: wattline.AtMilli(at).Time}, true
}
