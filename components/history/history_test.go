package history_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/components/history"
	"github.com/wattline/wattline/internal/store"
	"github.com/wattline/wattline/internal/store/storetest"
)

var morning = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)

// ask puts a query to a verb and decodes the answer.
func ask[T any](t interface {
	Fatal(...any)
	Helper()
}, h *history.History, verb string, query any,
) (answer T, err error) {
	t.Helper()
	body, ok := query.(json.RawMessage)
	if !ok {
		if body, err = json.Marshal(query); err != nil {
			t.Fatal(err)
		}
	}
	result, err := h.Verbs()[verb](context.Background(), body)
	if err != nil {
		return answer, err
	}
	encoded, err := json.Marshal(result)
	if err != nil {
		t.Fatal(err)
	}
	return answer, json.Unmarshal(encoded, &answer)
}

func newHistory(s store.Store) *history.History {
	return history.New(history.Options{Store: s, Log: quiet()})
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// reading is a store that counts the pages of readings that were asked of it.
type reading struct {
	*storetest.Memory

	pages int
}

func (r *reading) Readings(ctx context.Context, query store.Query) ([]wattline.Reading, error) {
	r.pages++
	return r.Memory.Readings(ctx, query)
}

// steady writes readings every ten seconds of a load of so many watts; a gap
// leaves readings out while the energy goes on.
func steady(t interface{ Fatal(...any) }, s store.Store, device string, watts wattline.Milli, from, to time.Time, gaps ...[2]time.Time) {
	var readings []wattline.Reading
	var previous time.Time
	for at := from; !at.After(to); at = at.Add(10 * time.Second) {
		if slices.ContainsFunc(gaps, func(gap [2]time.Time) bool { return at.After(gap[0]) && at.Before(gap[1]) }) {
			continue
		}
		r := wattline.Reading{
			Device: device, Time: wattline.At(at), PowerW: watts, VoltageV: 230_000, CurrentA: 300, Relay: wattline.RelayOn, RSSIdBm: -50,
			EnergyWh: 1_000_000 + watts*wattline.Milli(at.Sub(from).Milliseconds())/3_600_000,
		}
		r.MeterWh = r.EnergyWh / 1000 * 1000
		if elapsed := at.Sub(previous); elapsed == 10*time.Second {
			r.CoversS = 10_000
		}
		previous = at
		readings = append(readings, r)
	}
	if err := s.Write(context.Background(), readings); err != nil {
		t.Fatal(err)
	}
}

func hours(from time.Time, n int, groups ...wattline.Group) wattline.ConsumptionQuery {
	return wattline.ConsumptionQuery{
		Groups: groups, From: wattline.At(from), To: wattline.At(from.Add(time.Duration(n) * time.Hour)), Window: wattline.WindowHour, Timezone: "UTC",
	}
}

func show(rows []wattline.Consumption) (lines []string) {
	for _, r := range rows {
		value := func(m *wattline.Milli) string {
			if m == nil {
				return "-"
			}
			return m.String()
		}
		line := fmt.Sprintf("%s %s energy=%s mean=%s min=%s max=%s coverage=%v", r.Start.Format("15:04"), r.Group,
			value(r.EnergyWh), value(r.MeanW), value(r.MinW), value(r.MaxW), r.Coverage)
		if r.Estimated {
			line += " estimated"
		}
		lines = append(lines, line)
	}
	return lines
}

func TestAGapBelongsToTheWindowOfTheReadingAfterIt(t *testing.T) {
	s := storetest.NewMemory()
	// 60 W all the time; nobody reads from 9:30 to 11:30.
	steady(t, s, "desk-1", 60_000, morning, morning.Add(5*time.Hour),
		[2]time.Time{morning.Add(90 * time.Minute), morning.Add(210 * time.Minute)})
	page, err := ask[wattline.ConsumptionPage](t, newHistory(s), "consumption", hours(morning, 6, wattline.Group{Name: "desk-1", Devices: []string{"desk-1"}}))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"08:00 desk-1 energy=60 mean=60 min=60 max=60 coverage=1",
		"09:00 desk-1 energy=30 mean=60 min=60 max=60 coverage=0.5",
		"10:00 desk-1 energy=- mean=- min=- max=- coverage=0",
		"11:00 desk-1 energy=150 mean=60 min=60 max=60 coverage=0.5 estimated",
		"12:00 desk-1 energy=60 mean=60 min=60 max=60 coverage=1",
		"13:00 desk-1 energy=- mean=- min=60 max=60 coverage=0",
	}
	if diff := cmp.Diff(want, show(page.Rows)); diff != "" {
		t.Error(diff)
	}
}

func TestReadingsThatAreStillOnTheirWayDoNotRaiseThePower(t *testing.T) {
	s := storetest.NewMemory()
	var readings []wattline.Reading
	for i := range 721 { // 60 W for two hours, of which forty minutes are not stored yet
		if i > 120 && i < 360 {
			continue
		}
		r := wattline.Reading{
			Device: "desk-1", Time: wattline.At(morning.Add(time.Duration(i) * 10 * time.Second)), Relay: wattline.RelayOn,
			PowerW: 60_000, EnergyWh: wattline.Milli(i) * 60_000 * 10 / 3600, CoversS: 10_000,
		}
		readings = append(readings, r)
	}
	if err := s.Write(t.Context(), readings); err != nil {
		t.Fatal(err)
	}
	page, err := ask[wattline.ConsumptionPage](t, newHistory(s), "consumption", hours(morning, 2, wattline.Group{Name: "desk-1", Devices: []string{"desk-1"}}))
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range page.Rows {
		if row.MeanW == nil || *row.MeanW < 59_900 || *row.MeanW > 60_100 {
			t.Errorf("60 W were %v", show([]wattline.Consumption{row}))
		}
	}
}

func TestGroupsAddUpTheirDevices(t *testing.T) {
	s := storetest.NewMemory()
	steady(t, s, "desk-1", 60_000, morning, morning.Add(2*time.Hour))
	steady(t, s, "desk-2", 30_000, morning, morning.Add(time.Hour))
	page, err := ask[wattline.ConsumptionPage](t, newHistory(s), "consumption", hours(morning, 2,
		wattline.Group{Name: "room", Devices: []string{"desk-1", "desk-2"}},
		wattline.Group{Name: "alone", Devices: []string{"desk-2"}},
		wattline.Group{Name: "empty", Devices: []string{"desk-3"}},
	))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"08:00 alone energy=30 mean=30 min=30 max=30 coverage=1",
		"08:00 empty energy=- mean=- min=- max=- coverage=0",
		"08:00 room energy=90 mean=90 min=30 max=60 coverage=1",
		"09:00 alone energy=- mean=- min=30 max=30 coverage=0",
		"09:00 empty energy=- mean=- min=- max=- coverage=0",
		"09:00 room energy=60 mean=60 min=30 max=60 coverage=0.5",
	}
	if diff := cmp.Diff(want, show(page.Rows)); diff != "" {
		t.Error(diff)
	}
}

func TestPagesAreThePartsOfTheWhole(t *testing.T) {
	s := storetest.NewMemory()
	for i := range 3 {
		steady(t, s, fmt.Sprintf("desk-%d", i), wattline.Milli(10_000*(i+1)), morning, morning.Add(4*time.Hour))
	}
	query := hours(morning.Add(7*time.Minute), 3, wattline.Group{Name: "a", Devices: []string{"desk-0"}},
		wattline.Group{Name: "b", Devices: []string{"desk-1"}}, wattline.Group{Name: "c", Devices: []string{"desk-2"}})
	rapid.Check(t, func(t *rapid.T) {
		whole := all(t, newHistory(s), query, 1000)
		parts := all(t, newHistory(s), query, rapid.IntRange(1, 13).Draw(t, "limit"))
		if diff := cmp.Diff(whole, parts); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestReadingsArePaged(t *testing.T) {
	s := storetest.NewMemory()
	steady(t, s, "desk-2", 60_000, morning, morning.Add(time.Minute))
	steady(t, s, "desk-1", 60_000, morning, morning.Add(time.Minute))
	query := wattline.ReadingsQuery{
		Devices: []string{"desk-2", "desk-1", "desk-2"}, From: wattline.At(morning), To: wattline.At(morning.Add(time.Minute)), Limit: 5,
	}
	var got []string
	for {
		page, err := ask[wattline.ReadingsPage](t, newHistory(s), "readings", query)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range page.Readings {
			got = append(got, r.Device+" "+r.Time.Format("05"))
		}
		if query.Cursor = page.Next; query.Cursor == "" {
			break
		}
	}
	want := "desk-1 00,desk-1 10,desk-1 20,desk-1 30,desk-1 40,desk-1 50,desk-2 00,desk-2 10,desk-2 20,desk-2 30,desk-2 40,desk-2 50"
	if strings.Join(got, ",") != want {
		t.Error(got)
	}
}

// broken is a store that only fails.
type broken struct {
	store.Store
	err error
}

func (b broken) Readings(context.Context, store.Query) ([]wattline.Reading, error) { return nil, b.err }

func (b broken) Summaries(context.Context, store.SummaryQuery) ([]store.Series, error) {
	return nil, b.err
}

func TestAStoreThatFailsIsToldWithoutItsDetails(t *testing.T) {
	for _, err := range []error{
		&store.UnavailableError{Err: errors.New("dial hunter2")}, fmt.Errorf("token hunter2: %w", store.ErrMisconfigured),
	} {
		h := newHistory(broken{err: err})
		_, got := ask[json.RawMessage](t, h, "consumption", hours(morning, 1, wattline.Group{Name: "g", Devices: []string{"a"}}))
		if known := wattline.AsError(got); known.Code != wattline.CodeStoreDown || strings.Contains(known.Error(), "hunter2") {
			t.Error(got)
		}
	}
}
