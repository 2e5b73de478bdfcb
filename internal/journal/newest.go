package journal

import (
	"bytes"
	"context"
	"fmt"

	"github.com/wattline/wattline"
)

// Bounds of AppendAll.
const (
	MaxTogether = 100
	MaxMemo     = 1 << 10
)

// newest is a device's newest reading with the memo of its collector.
type newest struct {
	reading wattline.Reading
	memo    []byte
}

// OnCommit sets who is given what each commit has put on disk: consecutive numbers,
// commit after commit. It is called by the one goroutine that writes: it must return
// soon, not call the journal, and neither keep nor change the readings.
func (j *Journal) OnCommit(hear func(readings []wattline.Reading)) { j.onCommit.Store(&hear) }

// Last is the newest reading ever appended for a device. It outlives trimming
// and restarts.
func (j *Journal) Last(device string) (wattline.Reading, bool) {
	reading, _, ok := j.Recall(device)
	return reading, ok
}

// Recall is Last with the memo that was appended together with it, which is empty
// where there was none. It must not be changed.
func (j *Journal) Recall(device string) (wattline.Reading, []byte, bool) {
	j.mu.RLock()
	defer j.mu.RUnlock()
	last, ok := j.state.newest[device]
	return last.reading, last.memo, ok
}

// AppendAll appends 1 to MaxTogether readings of one device in the order of time,
// all of them or none, and keeps a memo of up to MaxMemo bytes beside the newest:
// what the collector has to know to go on from it. For what it returns see Append.
func (j *Journal) AppendAll(ctx context.Context, readings []wattline.Reading, memo []byte) ([]wattline.Reading, error) {
	if len(readings) == 0 || len(readings) > MaxTogether || len(memo) > MaxMemo {
		return nil, wattline.Errorf(wattline.CodeInvalid, "append to the journal: %d readings at once and a memo of %d bytes", len(readings), len(memo))
	}
	kept := make([]wattline.Reading, len(readings))
	for i, reading := range readings {
		reading.Stream, reading.Seq = "", 0
		reading.Time = wattline.At(reading.Time.Time)
		if err := reading.Validate(); err != nil {
			return nil, err
		}
		if before := kept[max(0, i-1)]; i > 0 && (before.Device != reading.Device || !reading.Time.After(before.Time.Time)) {
			return nil, wattline.Errorf(wattline.CodeInvalid, "append to the journal: readings of more than one device, or not in the order of time")
		}
		kept[i] = reading
	}
	answer, err := j.ask(ctx, &request{kind: appendReadings, readings: kept, memo: bytes.Clone(memo)})
	if err != nil {
		return nil, fmt.Errorf("append to the journal: %w", err)
	}
	return answer.readings, nil
}

// Append numbers a reading and returns it with its stream and number when it is
// on disk. Numbers follow the order of the calls. Errors: CodeInvalid for a
// reading that does not validate, CodeBusy at once when too many wait, the
// context's own (then the reading may have been kept, and is found by replay),
// and the disk's, among them a full one; after these the reading was not kept
// and its number goes to another.
func (j *Journal) Append(ctx context.Context, reading wattline.Reading) (wattline.Reading, error) {
	numbered, err := j.AppendAll(ctx, []wattline.Reading{reading}, nil)
	if err != nil {
		return wattline.Reading{}, err
	}
	return numbered[0], nil
}
