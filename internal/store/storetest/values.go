package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/store"
)

// plain is a reading that every store takes.
func plain(device string, at time.Time) wattline.Reading {
	return wattline.Reading{
		Device: device, Time: wattline.At(at), PowerW: 61_753, VoltageV: 230_117, CurrentA: 268,
		EnergyWh: 16_323_456, MeterWh: 16_323_000, Relay: wattline.RelayOn, RSSIdBm: -61, CoversS: 5000,
	}
}

func all(devices ...string) store.Query {
	return store.Query{
		Devices: devices, From: base().AddDate(-20, 0, 0), To: base().AddDate(1, 0, 0), Limit: store.MaxLimit,
	}
}

func (s *suite) givesValuesBack(t *testing.T) {
	const device = "exact"
	values := []wattline.Milli{
		0, 1, 9, 10, 999, 1000, 1001, 123_456_789_012_345, wattline.MaxMilli, wattline.MaxMilli - 1, wattline.MaxMilli - 999,
	}
	var batch []wattline.Reading
	for i, value := range values {
		one := plain(device, base().Add(time.Duration(i)*7919*time.Millisecond))
		one.PowerW, one.VoltageV, one.CurrentA, one.EnergyWh, one.MeterWh = -value, value, -value, -value, value
		one.Quality = wattline.Quality(i % 8)
		one.Relay = wattline.RelayOf(i%2 == 0)
		one.Stream, one.Seq = "a-stream", uint64(i+1)
		batch = append(batch, one)
	}
	s.write(t.Context(), t, batch)
	if got := s.compareReadings(t.Context(), t, all(device)); len(got) != len(values) {
		t.Errorf("%d of %d readings came back", len(got), len(values))
	}
}

func (s *suite) keepsOne(t *testing.T) {
	const device = "twice"
	one := plain(device, base())
	other := one
	other.PowerW, other.EnergyWh, other.Relay = 1, 2, wattline.RelayOff
	for _, batch := range [][]wattline.Reading{{one, other}, {other}, {other, one}} {
		if err := s.tested.Write(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
	}
	got, err := s.tested.Readings(t.Context(), all(device))
	if err != nil || len(got) != 1 || got[0] != one && got[0] != other {
		t.Errorf("kept %+v, %v", got, err)
	}
}

func (s *suite) takesLate(t *testing.T) {
	const device = "late"
	for _, back := range []time.Duration{0, time.Second, time.Minute, 40 * time.Minute, 5 * time.Hour, 30 * 24 * time.Hour, 600 * 24 * time.Hour} {
		s.write(t.Context(), t, []wattline.Reading{plain(device, base().Add(-back))})
	}
	if got := s.compareReadings(t.Context(), t, all(device)); len(got) != 7 {
		t.Errorf("%d of 7 readings came back", len(got))
	}
}

func (s *suite) refuses(t *testing.T) {
	const device = "refused"
	good := plain(device, base())
	bad := []wattline.Reading{good, good, good, good, good, good, good}
	bad[0].Device = "Not/An+Id"
	bad[1].Relay = ""
	bad[2].EnergyWh = -wattline.MaxMilli - 1
	bad[3].Time = wattline.At(time.Date(1999, 12, 31, 23, 59, 59, 0, time.UTC))
	bad[4].Time = wattline.At(time.Now().Add(store.FutureTolerance + time.Hour))
	bad[5].PowerW = wattline.MaxMilli + 1
	bad[6].CoversS = wattline.Milli(4 * wattline.MaxPoll.Milliseconds())
	for i, one := range bad {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			fine := plain(device, base().Add(time.Duration(i)*time.Second))
			s.write(t.Context(), t, []wattline.Reading{fine, one})
		})
	}
	s.write(t.Context(), t, bad)
	if got := s.compareReadings(t.Context(), t, all(device)); len(got) != len(bad) {
		t.Errorf("%d of %d good readings came back", len(got), len(bad))
	}
}

func (s *suite) pages(t *testing.T) {
	devices := []string{"page-a", "page-b", "page-c"}
	var batch []wattline.Reading
	for i := range 100 {
		for _, device := range devices[:1+i%3] {
			batch = append(batch, plain(device, base().Add(time.Duration(i)*poll)))
		}
	}
	s.write(t.Context(), t, batch)
	query := all(devices...)
	query.Limit = 7
	total := 0
	for {
		page := s.compareReadings(t.Context(), t, query)
		total += len(page)
		if len(page) < query.Limit {
			break
		}
		last := page[len(page)-1]
		query.After = store.Position{Device: last.Device, Time: last.Time.Time}
	}
	if total != len(batch) {
		t.Errorf("%d of %d readings came, page by page", total, len(batch))
	}
}

func (s *suite) findsBefore(t *testing.T) {
	const device = "old"
	s.write(t.Context(), t, []wattline.Reading{
		plain(device, base().AddDate(-3, 0, 0)), plain(device, base().AddDate(0, -8, 0)), plain(device, base().AddDate(0, -8, 1)),
	})
	for _, back := range []int{0, -5, -8, -9, -37} {
		from := base().AddDate(0, back, 0)
		s.compareSummaries(t.Context(), t, store.SummaryQuery{
			Devices: []string{device, "never-seen"}, From: from, To: from.AddDate(0, 0, 2), Every: 24 * time.Hour,
		})
	}
}
