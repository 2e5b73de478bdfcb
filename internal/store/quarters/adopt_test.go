package quarters_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/store"
	"github.com/wattline/wattline/internal/store/storetest"
)

// adopter is an office that is given what another store knows of two devices.
type adopter struct {
	*office
	readings []wattline.Reading
	question store.SummaryQuery
	series   []store.Series
}

// inAdopter runs a test at noon, two years after the readings.
func inAdopter(t *testing.T, test func(*adopter)) {
	inOffice(t, func(o *office) {
		day := time.Date(2024, 2, 3, 0, 0, 0, 0, time.UTC)
		a := &adopter{office: o, readings: append(past("a", day.Add(13*time.Hour), 1000), past("b", day.Add(25*time.Hour), 10)...)}
		a.question = store.SummaryQuery{Devices: []string{"a", "b"}, From: day, To: day.AddDate(0, 0, 4), Every: store.QuarterHour, Values: true}
		a.series = a.summaries(a.readings)
		test(a)
	})
}

// past are readings of a device, two minutes apart.
func past(device string, from time.Time, n int) []wattline.Reading {
	readings := make([]wattline.Reading, n)
	for i := range readings {
		readings[i] = wattline.Reading{
			Device: device, Time: wattline.At(from.Add(time.Duration(i) * 2 * time.Minute)), PowerW: wattline.Milli(60_000 + i),
			VoltageV: 230_000, CurrentA: 270, EnergyWh: wattline.Milli(i * 2000), Relay: wattline.RelayOf(i%5 > 0), CoversS: 120_000,
		}
	}
	return readings
}

// summaries is what a store answers that has some readings.
func (a *adopter) summaries(readings []wattline.Reading) []store.Series {
	a.Helper()
	model := storetest.NewMemory()
	a.none(model.Write(a.Context(), readings))
	all, err := model.Summaries(a.Context(), a.question)
	a.none(err)
	return all
}

func (a *adopter) none(err error) {
	a.Helper()
	if err != nil {
		a.Fatal(err)
	}
}

func (a *adopter) writeLate(readings []wattline.Reading) { a.none(a.kept.write(a.Context(), readings)) }

func (a *adopter) answers(want []store.Series) {
	a.Helper()
	got, err := a.Summaries(a.Context(), a.question)
	a.none(err)
	if diff := cmp.Diff(want, got); diff != "" {
		a.Errorf("(-want +got)\n%s", diff)
	}
}

func (a *adopter) rebuild() {
	a.Helper()
	_, err := a.Rebuild(a.Context(), store.RebuildQuery{Devices: a.question.Devices, From: a.question.From, To: a.question.To})
	a.none(err)
}

func TestAdoptedQuarterHoursAnswerAsTheirReadingsDid(t *testing.T) {
	for name, begin := range map[string]func(*adopter){
		"where nothing is known":                  func(*adopter) {},
		"where some readings are":                 func(a *adopter) { a.writeLate(a.readings[500:]) },
		"where they are adopted already":          func(a *adopter) { a.none(a.Adopt(a.Context(), a.series)) },
		"where some readings are, and are sealed": func(a *adopter) { a.writeLate(a.readings[500:]); a.rebuild() },
		"where a later day was thought the first": func(a *adopter) {
			a.writeLate(a.readings[500:])
			a.begin()
			a.pass(time.Hour)
		},
	} {
		t.Run(name, func(t *testing.T) {
			inAdopter(t, func(a *adopter) {
				begin(a)
				a.none(a.Adopt(a.Context(), a.series))
				a.answers(a.series)
				a.begin() // and Upkeep takes nothing of it back
				a.pass(24 * time.Hour)
				a.answers(a.series)
			})
		})
	}
}

func TestAdoptedQuarterHoursStayWhenDaysAreMadeAnew(t *testing.T) {
	inAdopter(t, func(a *adopter) {
		a.none(a.Adopt(a.Context(), a.series))
		a.rebuild()
		a.answers(a.series)
	})
}

func TestAdoptedQuarterHoursGiveWayToReadings(t *testing.T) {
	inAdopter(t, func(a *adopter) {
		a.none(a.Adopt(a.Context(), a.series))
		all := append(past("a", a.readings[0].Time.Add(time.Minute), 5), a.readings...)
		a.writeLate(all)
		want := a.summaries(all)
		a.answers(want)
		a.none(a.Adopt(a.Context(), a.series))
		a.answers(want)
		a.begin()
		a.pass(24 * time.Hour)
		a.answers(want)
	})
}

func TestAdoptedQuarterHoursLoseNothingToLateReadings(t *testing.T) {
	inAdopter(t, func(a *adopter) {
		a.none(a.Adopt(a.Context(), a.series))
		a.begin()
		a.writeLate(past("a", a.readings[100].Time.Add(time.Minute), 2))
		a.pass(24 * time.Hour)
		a.answers(a.series)
		// The last quarter-hour of the device goes on beyond what was adopted.
		last := a.readings[999]
		last.Time = wattline.At(last.Time.Add(time.Second))
		a.writeLate([]wattline.Reading{last})
		a.pass(24 * time.Hour)
		grown := a.summaries(append([]wattline.Reading{last}, a.readings...))
		a.answers(grown)
		a.writeLate(past("a", last.Time.Add(-3*time.Second), 1))
		a.none(a.Adopt(a.Context(), a.series)) // which knows less
		a.pass(24 * time.Hour)
		a.answers(grown)
	})
}

func TestWhatCannotBeAQuarterHourIsNotAdopted(t *testing.T) {
	inAdopter(t, func(a *adopter) {
		span := a.series[0].Spans[0]
		span.Start = span.Start.Add(time.Hour)
		if err := a.Adopt(a.Context(), []store.Series{{Device: "a", Spans: []store.Span{span}}}); err == nil {
			a.Error("it was taken with the readings of another")
		}
		if a.records.sealed() != 0 {
			a.Error("and kept")
		}
	})
}
