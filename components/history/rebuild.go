package history

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/store"
	"github.com/wattline/wattline/internal/strictjson"
)

const (
	wholeDay = 24 * time.Hour // of UTC
	// rebuildDays is how many days of a device are made anew at a go.
	rebuildDays = 31
	// rebuildTime is how long a page goes on beginning more, and rebuildShare how
	// much of the time that the asker waits.
	rebuildTime  = 5 * time.Second
	rebuildShare = 3
)

func (h *History) rebuild(ctx context.Context, body json.RawMessage) (any, error) {
	var query wattline.RebuildQuery
	if err := strictjson.Decode(body, &query); err != nil {
		return nil, err
	}
	return h.Rebuild(ctx, query)
}

// Rebuild makes quarter-hours anew, device by device and month by month, as far as
// the asker's patience goes: a third of the time until the context's deadline, 5 s at
// most. Next of the page is the Cursor of the query for what follows.
func (h *History) Rebuild(ctx context.Context, query wattline.RebuildQuery) (page wattline.RebuildPage, err error) {
	w, err := h.workOf(ctx, query)
	if err != nil || len(w.devices) == 0 {
		return page, err
	}
	page.Total = len(w.devices) * w.days
	until := time.Now().Add(patience(ctx))
	for w.device < len(w.devices) {
		done, err := h.rebuildSome(ctx, &w)
		if err != nil {
			return page, h.storeError(err)
		}
		page.Days += done.Days
		page.Made += done.Made
		page.Changed += done.Changed
		if time.Now().After(until) {
			break
		}
	}
	page.Done = w.device*w.days + w.day
	page.Next = w.cursor()
	return page, nil
}

// rebuildSome makes some days of a device anew, from the next one on that has readings.
func (h *History) rebuildSome(ctx context.Context, w *work) (done store.Rebuilt, err error) {
	devices := w.devices[w.device : w.device+1]
	next, err := h.store.Readings(ctx, store.Query{Devices: devices, From: w.at(w.day), To: w.at(w.days), Limit: 1})
	if err != nil {
		return done, err
	}
	if len(next) == 0 {
		w.device, w.day = w.device+1, 0
		return done, nil
	}
	w.day = int(next[0].Time.Sub(w.first) / wholeDay)
	days := min(rebuildDays, w.days-w.day)
	done, err = h.store.Rebuild(ctx, store.RebuildQuery{Devices: devices, From: w.at(w.day), To: w.at(w.day + days)})
	if w.day += days; w.day == w.days {
		w.device, w.day = w.device+1, 0
	}
	return done, err
}

// at is when a day begins.
func (w work) at(day int) time.Time { return w.first.Add(time.Duration(day) * wholeDay) }

// patience is how long to go on beginning more.
func patience(ctx context.Context) time.Duration {
	deadline, ok := ctx.Deadline()
	if !ok {
		return rebuildTime
	}
	return min(rebuildTime, time.Until(deadline)/rebuildShare)
}

// work is what there is to make anew, and how far it has got.
type work struct {
	devices     []string // sorted
	first       time.Time
	days        int
	device, day int
}

func (h *History) workOf(ctx context.Context, query wattline.RebuildQuery) (w work, err error) {
	device, day, fresh := "", 0, query.Cursor == ""
	var found wattline.Faults
	if !fresh {
		var ok bool
		if device, day, ok = rebuildPlace(query.Cursor); !ok {
			found.Add("cursor", cursorReason)
		}
	}
	if !query.From.Before(query.To.Time) {
		found.Add("from", "must come before to")
	}
	if len(query.Devices) > maxDevices {
		found.Add("devices", "must be at most %d", maxDevices)
	}
	for i, device := range query.Devices {
		found.Check(fmt.Sprintf("devices[%d]", i), wattline.CheckID(device))
	}
	if len(found) > 0 {
		return w, wattline.Invalid(found...)
	}
	w.first = query.From.Truncate(wholeDay)
	w.days = int((query.To.Sub(w.first) + wholeDay - 1) / wholeDay)
	if w.devices = distinct(query.Devices); len(w.devices) == 0 {
		if w.devices, err = h.store.Devices(ctx); err != nil {
			return w, h.storeError(err)
		}
	}
	if day >= w.days {
		return w, invalid("cursor", cursorReason)
	}
	// A device that has gone meanwhile does not hold up those after it.
	at, there := slices.BinarySearch(w.devices, device)
	if w.device = at; there {
		w.day = day
	}
	return w, nil
}

// cursor is the day and the device that come next.
func (w work) cursor() string {
	if w.device == len(w.devices) {
		return ""
	}
	return strconv.Itoa(w.day) + "." + w.devices[w.device]
}

func rebuildPlace(cursor string) (device string, day int, ok bool) {
	number, device, _ := strings.Cut(cursor, ".")
	day, err := strconv.Atoi(number)
	return device, day, err == nil && day >= 0 && wattline.CheckID(device) == nil
}
