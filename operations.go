package wattline

import "fmt"

// The verbs by which an operator asks a collector of its journal and a hook of
// its store.
const (
	VerbJournal     = "journal"      // collector: no body → JournalStatus
	VerbForget      = "forget"       // collector: ForgetQuery → JournalStatus
	VerbStatus      = "status"       // hook: no body → HookStatus
	VerbDeadLetters = "dead-letters" // hook: DeadLettersQuery → DeadLetterPage
	VerbResend      = "resend"       // hook: ResendQuery → Resent
)

// JournalStatus is how a collector's journal stands.
type JournalStatus struct {
	Stream string `json:"stream"`
	// First and Last are the numbers held; First is Last + 1 when empty.
	First    uint64 `json:"first"`
	Last     uint64 `json:"last"`
	Readings uint64 `json:"readings"`
	// Oldest is when the oldest reading held was taken.
	Oldest Time `json:"oldest,omitzero" validate:"optional"`
	// Bytes are in use of MaxBytes; MaxAgeS bounds the age of what is held.
	Bytes    int64 `json:"bytes"`
	MaxBytes int64 `json:"max_bytes"`
	MaxAgeS  Milli `json:"max_age_s"`
	// Hooks are those that the journal waits for, by name.
	Hooks []JournalHook `json:"hooks"`
	// Dropped counts the readings lost to a bound or to damage since the start
	// of the process; they lie between DroppedFrom and DroppedTo. Dropping says
	// that more will be.
	Dropped     uint64 `json:"dropped"`
	DroppedFrom uint64 `json:"dropped_from,omitempty"`
	DroppedTo   uint64 `json:"dropped_to,omitempty"`
	Dropping    bool   `json:"dropping"`
	// SetAside is the name that a damaged file was given since the start.
	SetAside string `json:"set_aside,omitempty"`
	// Error is why the last commit failed; empty while all is well.
	Error string `json:"error,omitempty"`
}

// JournalHook is how far a hook has got, as a journal knows.
type JournalHook struct {
	Hook string `json:"hook"`
	// Stored is the number up to which it has stored everything.
	Stored uint64 `json:"stored"`
	// Behind is how many readings it lacks, BehindS the age of the oldest of
	// them that is still held.
	Behind  uint64 `json:"behind"`
	BehindS Milli  `json:"behind_s"`
	// Configured says that the configuration names it, so that it cannot be
	// forgotten.
	Configured bool `json:"configured"`
}

// ForgetQuery names a hook that a journal is to wait for no longer.
type ForgetQuery struct {
	Hook string `json:"hook"`
}

// HookStatus is how a hook that stores readings does.
type HookStatus struct {
	Hook string `json:"hook"`
	// LastWrite is when the store last took something, since the start.
	LastWrite Time `json:"last_write,omitzero" validate:"optional"`
	// Failing is why the store takes nothing: unavailable or misconfigured; with
	// Since and Error. Empty while all is well.
	Failing string `json:"failing,omitempty"`
	Since   Time   `json:"since,omitzero" validate:"optional"`
	Error   string `json:"error,omitempty"`
	// DiskError is why the hook's own files cannot be written.
	DiskError string `json:"disk_error,omitempty"`
	// Pending counts the readings in memory, of MaxPending. Overflowed counts
	// those, since the start, for which it was full; they are asked for later.
	Pending    int    `json:"pending"`
	MaxPending int    `json:"max_pending"`
	Overflowed uint64 `json:"overflowed"`
	// Lost counts the readings that were nowhere any more, since the start.
	Lost uint64 `json:"lost"`
	// DeadLetters counts the readings that the store refused and that are kept
	// aside.
	DeadLetters int          `json:"dead_letters"`
	Streams     []HookStream `json:"streams"`
}

// HookStream is how far a hook has got in a collector's stream.
type HookStream struct {
	Stream   string `json:"stream"`
	Instance string `json:"instance,omitempty"`
	Online   bool   `json:"online"`
	// Stored is the number up to which everything is in the store; Known is the
	// greatest that exists, Behind how many of these are not in the store.
	Stored uint64 `json:"stored"`
	Known  uint64 `json:"known"`
	Behind uint64 `json:"behind"`
	// BehindS is the age of the newest reading up to Stored, or the time since
	// the stream was first heard of; 0 if nothing lacks.
	BehindS Milli `json:"behind_s"`
	// Gone says that the collector no longer has the stream.
	Gone bool `json:"gone,omitempty"`
}

// DeadLettersQuery asks a hook for the readings that its store refused, in the
// order in which it did.
type DeadLettersQuery struct {
	// After is the Next of the page before.
	After string `json:"after,omitempty"`
	Limit int    `json:"limit,omitempty"`
}

// Validate reports every fault as a CodeInvalid error.
func (q DeadLettersQuery) Validate() error {
	var found Faults
	if q.Limit < 0 || q.Limit > MaxPage {
		found.Add("limit", "must lie between 1 and %d", MaxPage)
	}
	return found.Err()
}

// DeadLetterPage is the answer. Next is empty on the last page.
type DeadLetterPage struct {
	Hook    string       `json:"hook"`
	Letters []DeadLetter `json:"letters"`
	Next    string       `json:"next,omitempty"`
	// Total counts all that are kept, Unreadable the lines of the files besides
	// that cannot be read; they are left as they are.
	Total      int `json:"total"`
	Unreadable int `json:"unreadable"`
}

// DeadLetter is a reading that a store refused.
type DeadLetter struct {
	// ID stands for the reading's device and time.
	ID string `json:"id"`
	// Time is when it was first refused, Tries how often it was.
	Time  Time `json:"time"`
	Tries int  `json:"tries"`
	// Reason is the store's, of the last time; Explanation and Remedy say in plain
	// words what it means and what to do.
	Reason      string  `json:"reason"`
	Explanation string  `json:"explanation"`
	Remedy      string  `json:"remedy"`
	Reading     Reading `json:"reading"`
}

// ResendQuery names the dead letters that are to be written to the store again.
type ResendQuery struct {
	// IDs are at most MaxPage; or All, beginning after the Next of the answer before.
	IDs   []string `json:"ids,omitempty"`
	All   bool     `json:"all,omitempty"`
	After string   `json:"after,omitempty"`
}

// Validate reports every fault as a CodeInvalid error.
func (q ResendQuery) Validate() error {
	var found Faults
	switch {
	case q.All == (len(q.IDs) > 0):
		found.Add("ids", "must name some, or all must be true, and not both")
	case len(q.IDs) > MaxPage:
		found.Add("ids", "must be at most %d", MaxPage)
	case q.After != "" && !q.All:
		found.Add("after", "goes with all only")
	}
	for i, id := range q.IDs[:min(len(q.IDs), MaxPage)] {
		found.Check(fmt.Sprintf("ids[%d]", i), CheckID(id))
	}
	return found.Err()
}

// Resent is what became of dead letters that were written again. Those taken are
// no longer kept; those refused are, with the new reason.
type Resent struct {
	Hook    string `json:"hook"`
	Taken   int    `json:"taken"`
	Refused int    `json:"refused"`
	// Skipped are those of a clock that was ahead, which All leaves alone.
	Skipped int `json:"skipped,omitempty"`
	// Unknown are the ids that were asked for and are not kept.
	Unknown []string `json:"unknown,omitempty"`
	// Stopped is why it ended early, and Next where to go on, where there are more
	// than one request could deal with.
	Stopped string `json:"stopped,omitempty"`
	Next    string `json:"next,omitempty"`
	// Left counts those that are kept now.
	Left int `json:"left"`
}
