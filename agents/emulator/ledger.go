package emulator

import "slices"

// How much statistics a plug keeps; the oldest goes first.
const (
	maxDays   = 400
	maxMonths = 36
)

// ledger is a plug's statistics. It is sparse: days without current leave no
// record. Day is 0 in the record of a month.
type ledger struct {
	Days   []record `json:"days,omitempty"`
	Months []record `json:"months,omitempty"`
}

type record struct {
	Year   int    `json:"year"`
	Month  int    `json:"month"`
	Day    int    `json:"day,omitempty"`
	Energy Energy `json:"energy_uj"`
	OnMS   int64  `json:"on_ms"`
	// Erased: the energy was erased and nothing came after, so there is no record
	// for the meter, only for the time switched on.
	Erased bool `json:"erased,omitempty"`
}

func eraseEnergy(records []record) {
	for i := range records {
		records[i].Energy, records[i].Erased = 0, true
	}
}

func eraseRuntime(records []record) {
	for i := range records {
		records[i].OnMS = 0
	}
}

func (l *ledger) add(on date, energy Energy, onMS int64) {
	l.Days = addRecord(l.Days, record{Year: on.year, Month: on.month, Day: on.day, Energy: energy, OnMS: onMS}, maxDays)
	l.Months = addRecord(l.Months, record{Year: on.year, Month: on.month, Energy: energy, OnMS: onMS}, maxMonths)
}

// addRecord looks from the end, for the last record nearly always is the one.
func addRecord(records []record, r record, limit int) []record {
	for i := len(records) - 1; i >= 0; i-- {
		if had := &records[i]; had.Year == r.Year && had.Month == r.Month && had.Day == r.Day {
			had.Energy += r.Energy
			had.OnMS += r.OnMS
			had.Erased = false
			return records
		}
	}
	records = append(records, r)
	if len(records) > limit {
		records = slices.Delete(records, 0, len(records)-limit)
	}
	return records
}
