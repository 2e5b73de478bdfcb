package quarters_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/store"
	"github.com/wattline/wattline/internal/store/quarters"
	"github.com/wattline/wattline/internal/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a store with records and one without, which are told the same.
type world struct {
	*rapid.T
	kept    *kept
	model   *storetest.Memory
	now     time.Time
	devices []string
	history []wattline.Reading // what will arrive, in that order
	arrived []wattline.Reading
}

func newWorld(t *rapid.T) *world {
	w := &world{T: t, model: storetest.NewMemory()}
	w.now = time.Date(2026, 3, 28, 21, 0, 0, 0, time.UTC)
	w.kept = newKept(func() time.Time { return w.now })
	w.devices = []string{"a", "b", "c"}[:rapid.IntRange(1, 3).Draw(t, "devices")]
	for _, device := range w.devices {
		w.history = append(w.history, storetest.History(t, device)...)
	}
	w.history = slices.Concat(storetest.Batches(t, w.history)...)
	return w
}

func (w *world) none(err error) {
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) write(t *rapid.T) {
	n := rapid.IntRange(0, min(40, len(w.history))).Draw(t, "written")
	batch := w.history[:n]
	w.history = w.history[n:]
	w.arrived = append(w.arrived, batch...)
	w.none(w.kept.write(w.Context(), batch))
	w.none(w.model.Write(w.Context(), batch))
}

func (w *world) wait(t *rapid.T) {
	w.now = w.now.Add(time.Duration(rapid.Int64Range(-1, 100).Draw(t, "hours")) * time.Hour)
}

// rebuild seals what has ended on some days.
func (w *world) rebuild(t *rapid.T) {
	from := w.now.AddDate(0, 0, -rapid.IntRange(0, 20).Draw(t, "days ago"))
	_, err := w.kept.Rebuild(w.Context(), store.RebuildQuery{
		Devices: w.devices, From: from, To: from.AddDate(0, 0, rapid.IntRange(1, 10).Draw(t, "days")),
	})
	w.none(err)
}

// unseal un-seals here and there, which must never harm.
func (w *world) unseal(t *rapid.T) {
	random := rand.New(rand.NewPCG(1, rapid.Uint64().Draw(t, "unsealed")))
	w.kept.records.change(func(p *quarters.Packed) {
		var some quarters.Set
		for range random.IntN(100) {
			some.Add(random.IntN(quarters.PerDay))
		}
		p.Sealed = p.Sealed.Without(some)
	})
}

// damage spoils a byte of each record; they are to be made anew.
func (w *world) damage(t *rapid.T) {
	at := rapid.IntRange(0, 1<<20).Draw(t, "damaged")
	w.kept.records.change(func(p *quarters.Packed) {
		for _, level := range []*[]byte{&p.DayLevel, &p.HourLevel, &p.QuarterLevel} {
			*level = slices.Clone(*level)
			(*level)[at%len(*level)] ^= 1 << (at % 8)
		}
	})
}

func (w *world) ask(t *rapid.T) {
	w.same(storetest.SummaryQuestion(t, w.devices, w.arrived))
}

func (w *world) same(query store.SummaryQuery) {
	want, err := w.model.Summaries(w.Context(), query)
	w.none(err)
	got, err := w.kept.Summaries(w.Context(), query)
	w.none(err)
	if diff := cmp.Diff(want, got); diff != "" {
		w.Fatalf("%+v (-readings +records):\n%s", query, diff)
	}
}

func TestAnswersAreThoseOfTheReadings(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		t.Repeat(map[string]func(*rapid.T){
			"write": w.write, "write more": w.write, "wait": w.wait, "rebuild": w.rebuild,
			"unseal": w.unseal, "damage": w.damage, "ask": w.ask, "ask again": w.ask,
		})
	})
}
