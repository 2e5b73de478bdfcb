package audit

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/sqlite"
)

// Report is what Verify found.
type Report struct {
	// Records is how many there are, from First to Head.
	Records int64 `json:"records"`
	First   int64 `json:"first"`
	// Head is the last one, as SEQ:HASH. Kept elsewhere, it can be given to a later
	// Verify.
	Head string `json:"head"`
	// Faults say what is not as it was written; empty if all is.
	Faults []string `json:"faults"`
}

// maxFaults bounds a report: where much is wrong, the first faults tell it.
const maxFaults = 100

// Verify reads all records of a file and says what was changed, removed or inserted
// since they were written. Nobody can remove records from the end, or write the whole
// chain anew, without it showing against a head that is known from elsewhere; without
// such a head, that is found only if whoever did it knows little of the file.
func Verify(ctx context.Context, path string, heads ...Head) (Report, error) {
	if _, err := os.Stat(path); err != nil {
		return Report{}, err // opening would make an empty one
	}
	db, err := sqlite.Open(ctx, path, sqlite.Options{Migrations: migrations()})
	if err != nil {
		return Report{}, err
	}
	defer db.Close()
	tx, err := db.Reader().BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return Report{}, err
	}
	defer tx.Rollback() //nolint:errcheck // nothing was written
	v := verifier{report: Report{Faults: []string{}}, heads: heads}
	if err := v.run(ctx, tx); err != nil {
		return Report{}, err
	}
	return v.report, nil
}

// verifier follows the chain.
type verifier struct {
	report Report
	heads  []Head
	// last is the record before the one that is looked at.
	last Head
	// signed tells whether a record vouches for the base.
	signed bool
}

func (v *verifier) fault(format string, args ...any) {
	if len(v.report.Faults) < maxFaults {
		v.report.Faults = append(v.report.Faults, fmt.Sprintf(format, args...))
	}
}

func (v *verifier) run(ctx context.Context, tx *sql.Tx) error {
	base, err := v.mark(ctx, tx, baseMark)
	if err != nil {
		return err
	}
	head, err := v.mark(ctx, tx, headMark)
	if err != nil {
		return err
	}
	v.last, v.signed, v.report.First = base, base.Seq == 0, base.Seq+1
	v.heads = append(slices.Clone(v.heads), head)
	err = sqlite.Rows(tx.QueryContext(ctx, selectRecords+`ORDER BY seq`)).Each(func(rows *sql.Rows) error {
		var r link
		if err := r.scan(rows); err != nil {
			return err
		}
		v.follow(r, base)
		return nil
	})
	if err != nil {
		return err
	}
	if !v.signed {
		v.fault("no record vouches for the removal of records 1 to %d: they were not removed by Wattline", base.Seq)
	}
	for _, known := range v.heads {
		switch {
		case known.Seq > v.last.Seq:
			v.fault("%s missing at the end", span(v.last.Seq+1, known.Seq))
		case known.Seq < base.Seq:
			v.fault("the head %d cannot be looked at: records up to %d were removed because of their age", known.Seq, base.Seq)
		case known.Seq == base.Seq && known.Hash != base.Hash:
			v.fault("record %d, the last one that was removed because of its age, is not the one that was the head", base.Seq)
		}
	}
	v.report.Head = v.last.String()
	return nil
}

// mark is one of the file, or that of a new one where it is missing, which is a fault.
func (v *verifier) mark(ctx context.Context, tx *sql.Tx, name string) (Head, error) {
	mark, err := markOf(ctx, tx, name)
	if !errors.Is(err, errNoMark) {
		return mark, err
	}
	means := map[string]string{
		headMark: "which record was the last is not known: hold the audit against a head that was kept elsewhere (--head)",
		baseMark: "from where on records were kept is not known: it is taken for the first",
	}
	v.fault("the mark %q was removed from the file: %s", name, means[name])
	return mark, nil
}

// link is a record as it is in the file.
type link struct {
	Entry

	seq          int64
	before, hash digest
}

// selectRecords has the columns in the order of scan.
const selectRecords = `SELECT seq, at_ms, who, address, action, device, outcome, code, request_id, detail, before, hash FROM records `

func (l *link) scan(row interface{ Scan(into ...any) error }) error {
	var ms int64
	err := row.Scan(&l.seq, &ms, &l.Who, &l.Address, &l.Action, &l.Device, &l.Outcome, &l.Code, &l.RequestID, &l.Detail,
		sqlite.Hash(&l.before), sqlite.Hash(&l.hash))
	l.Time = wattline.AtMilli(ms)
	return err
}

func (v *verifier) follow(r link, base Head) {
	v.report.Records++
	switch {
	case r.seq > v.last.Seq+1:
		v.fault("%s missing", span(v.last.Seq+1, r.seq-1))
	case r.seq <= base.Seq:
		v.fault("record %d was put before the base %d", r.seq, base.Seq)
	case r.before != v.last.Hash:
		v.fault("record %d does not follow the record %d that is here: that one was changed or put in its place", r.seq, v.last.Seq)
	}
	if r.seal(r.seq, r.before) != r.hash {
		v.fault("record %d was changed", r.seq)
	}
	for _, known := range v.heads {
		if known.Seq == r.seq && known.Hash != r.hash {
			v.fault("record %d is not the one that was the head: the chain up to it was written anew", r.seq)
		}
	}
	v.signed = v.signed || r.Action == pruneAction && r.Who == System && r.Detail == pruned(base)
	v.last = Head{Seq: r.seq, Hash: r.hash}
}

func span(from, to int64) string {
	if from == to {
		return fmt.Sprintf("record %d is", from)
	}
	return fmt.Sprintf("records %d to %d are", from, to)
}
