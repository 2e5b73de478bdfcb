package api_test

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/access"
	"github.com/wattline/wattline/internal/bus"
)

func TestALongAnswerIsAskedForInPartsAndComesInOrder(t *testing.T) {
	const pages = 3
	o := answering(t, func(_ context.Context, ask bus.Ask) (any, error) { // a reading of each device on each page
		query, _ := ask.Body.(wattline.ReadingsQuery)
		number, _ := strconv.Atoi(query.Cursor)
		page := wattline.ReadingsPage{Readings: []wattline.Reading{}}
		for _, device := range query.Devices {
			page.Readings = append(page.Readings, readingOf(device, later(time.Duration(number)*time.Second)))
		}
		if number+1 < pages {
			page.Next = strconv.Itoa(number + 1)
		}
		return page, nil
	})
	devices := []string{"desk-1", "desk-2", "down-1", "new-1", "printer-1"}
	for _, c := range []struct {
		query string
		want  []string
		asks  int
	}{
		{"from=2026-01-01&to=2026-02-01", devices, pages * len(devices)}, // long enough for a part each
		{"from=2026-01-01T00:00:00Z&to=2026-01-01T01:00:00Z", nil, pages},
		{"from=2026-01-01&to=2026-02-01&after_device=down-1&after_time=2026-01-15T00:00:00Z", devices[2:], pages * 3},
	} {
		before := len(o.bus.asks())
		a := o.get(t, "/api/v1/readings?format=csv&"+c.query)
		var got []string
		for line := range strings.Lines(string(a.body)) {
			if device, _, _ := strings.Cut(line, ","); device != "device" {
				got = append(got, device)
			}
		}
		if asks := len(o.bus.asks()) - before; asks != c.asks {
			t.Errorf("%s: asked %d times, not %d", c.query, asks, c.asks)
		}
		if c.want != nil && !slices.Equal(slices.Compact(slices.Clone(got)), c.want) || c.want == nil && len(got) != pages*len(devices) {
			t.Errorf("%s: %v", c.query, got)
		}
	}
	for _, ask := range o.bus.asks() {
		query, _ := ask.Body.(wattline.ReadingsQuery)
		if query.After != nil && (query.Cursor != "" || query.Devices[0] != "down-1") {
			t.Errorf("%+v", query)
		}
	}
}

func TestAnAnswerThatNobodyTakesEndsWithTheRightToIt(t *testing.T) {
	for name, lose := range map[string]func(*office){
		"a revoked token": func(o *office) { o.guests.let("lost", access.Principal{}) },
		"a device out of scope": func(o *office) {
			o.bus.device(t, wattline.Device{ID: "desk-1", Kind: "workstation", Location: "annex", Site: "hq", Address: "192.0.2.11"})
		},
	} {
		t.Run(name, func(t *testing.T) { endsUntaken(t, lose) })
	}
}

func endsUntaken(t *testing.T, lose func(*office)) {
	t.Helper()
	o := answering(t, paged(1_000_000, 1000))
	o.guests.let("lost", inScope(t, access.Viewer, "hq"))
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+o.Addr()+"/api/v1/readings?device=desk-1&format=csv", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer lost")
	r.Header.Set("Accept-Encoding", "identity")
	response, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	asked := -1
	eventually(t, "a client that takes nothing", func() bool {
		before := asked
		asked = len(o.bus.asks())
		time.Sleep(100 * time.Millisecond)
		return before == asked
	})
	lose(o)
	eventually(t, "the end", func() bool {
		return strings.Contains(string(o.get(t, "/metrics").body), "wattline_api_streams 0\n")
	})
}
