package wattline

// Pack is the payload of …/pack/{site}/{stream}: consecutive readings of a
// collector's journal, at most MaxPage, for hooks that keep readings. These are the
// readings of the data topics again, for a fraction of what it costs to take them one
// by one. Nothing rests on its arrival: who misses one asks the journal.
type Pack struct {
	// From is the number of the first reading.
	From uint64 `json:"from"`
	// Packed has the readings in the form of internal/packed.
	Packed []byte `json:"packed"`
}
