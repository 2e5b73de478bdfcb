package journal

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/sqlite"
)

// Page answers a hook's question for readings: consecutive ones from query.From
// on, at most query.Limit (MaxPage if 0). Where From is no longer held it
// begins at the page's First. Errors: CodeInvalid, CodeNotFound for a stream
// that is not this journal's, the context's, the disk's.
func (j *Journal) Page(ctx context.Context, query wattline.ReplayQuery) (wattline.ReplayPage, error) {
	if err := query.Validate(); err != nil {
		return wattline.ReplayPage{}, err
	}
	if stream := j.Stream(); query.Stream != stream {
		return wattline.ReplayPage{}, wattline.Errorf(wattline.CodeNotFound,
			"this journal's stream is %s, not %s", stream, query.Stream)
	}
	if query.Limit == 0 {
		query.Limit = wattline.MaxPage
	}
	page := wattline.ReplayPage{Stream: query.Stream, Last: j.LastSeq(), Readings: []wattline.Reading{}}
	scanned, err := j.read(ctx, query, &page)
	if err != nil {
		return wattline.ReplayPage{}, fmt.Errorf("read the journal: %w", err)
	}
	page.First = j.firstOf(query.From, scanned, page)
	return page, nil
}

// read adds the rows of a page; scanned is the number of the last one, of those
// included that make no sense and are left out.
func (j *Journal) read(ctx context.Context, query wattline.ReplayQuery, page *wattline.ReplayPage) (scanned uint64, err error) {
	j.fileMu.RLock()
	defer j.fileMu.RUnlock()
	if j.file == nil {
		return 0, errNoFile
	}
	rows, err := j.file.db.Reader().QueryContext(ctx, selectPage, query.From, page.Last, query.Limit)
	if err != nil {
		return 0, j.suspectDamage(err)
	}
	defer rows.Close()
	for rows.Next() {
		reading, err := scan(rows, query.Stream)
		scanned = reading.Seq
		if err != nil || reading.Validate() != nil {
			continue
		}
		page.Readings = append(page.Readings, reading)
	}
	return scanned, j.suspectDamage(rows.Err())
}

// firstOf is the First of a page: the least number held, as far as the page
// can tell. What the page should have begun with and has not is not held.
func (j *Journal) firstOf(from, scanned uint64, page wattline.ReplayPage) uint64 {
	switch {
	case len(page.Readings) > 0 && page.Readings[0].Seq > from:
		return page.Readings[0].Seq
	case len(page.Readings) == 0 && scanned > 0: // good ones may follow
		return scanned + 1
	case len(page.Readings) == 0 && from <= page.Last:
		return page.Last + 1
	}
	j.mu.RLock()
	defer j.mu.RUnlock()
	return min(j.state.first, from)
}

// suspectDamage tells the writer of an error that says that the file is
// damaged.
func (j *Journal) suspectDamage(err error) error {
	if sqlite.IsDamaged(err) {
		select {
		case j.suspect <- err:
		default:
		}
	}
	return err
}

// timeOf is when the oldest reading from a number on was taken. Estimated ones were
// not: they are of days before the reading that follows them, and go with it.
func (j *Journal) timeOf(ctx context.Context, seq uint64) (at time.Time, held bool, err error) {
	var ms int64
	err = j.file.db.Reader().QueryRowContext(ctx, selectTime, seq, wattline.QualityEstimated).Scan(&ms)
	if errors.Is(err, sql.ErrNoRows) {
		return time.Time{}, false, nil
	}
	return time.UnixMilli(ms).UTC(), err == nil, err
}
