package audit

import (
	"context"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"strings"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/sqlite"
)

// Query chooses records: those for which all that is set is true.
type Query struct {
	Who, Action, Device string
	Outcome             Status
	// From is the first instant, To the first one after them.
	From, To wattline.Time
	// Devices leaves records of these only, and none of no device; nil for all.
	Devices []string
	// Before is the number of the record after the first one; 0 from the last one on.
	Before int64
	// Limit is how many, at least 1.
	Limit int
}

// Records are the newest that the query chooses, the newest first.
func (l *Log) Records(ctx context.Context, query Query) ([]Record, error) {
	where, args, err := query.where()
	if err != nil {
		return nil, err
	}
	records := []Record{}
	err = sqlite.Rows(l.db.Reader().QueryContext(ctx, selectRecords+`
		WHERE `+where+` ORDER BY seq DESC LIMIT ?`, append(args, query.Limit)...)).Each(func(rows *sql.Rows) error {
		var r link
		err := r.scan(rows)
		records = append(records, r.record())
		return err
	})
	return records, err
}

func (l *link) record() Record {
	return Record{
		Seq: l.seq, Time: l.Time, Who: l.Who, Address: l.Address, Action: l.Action, Device: l.Device, Outcome: l.Outcome,
		Code: l.Code, RequestID: l.RequestID, Detail: l.Detail, Hash: hex.EncodeToString(l.hash[:]),
	}
}

// where is the condition with its arguments.
func (q Query) where() (string, []any, error) {
	conditions, args := []string{"1"}, []any{}
	and := func(condition string, arg any) {
		conditions, args = append(conditions, condition), append(args, arg)
	}
	for column, value := range map[string]string{"who": q.Who, "action": q.Action, "device": q.Device, "outcome": string(q.Outcome)} {
		if value != "" {
			and(column+" = ?", value)
		}
	}
	if !q.From.IsZero() {
		and("at_ms >= ?", q.From.UnixMilli())
	}
	if !q.To.IsZero() {
		and("at_ms < ?", q.To.UnixMilli())
	}
	if q.Before > 0 {
		and("seq < ?", q.Before)
	}
	if q.Devices != nil {
		devices, err := json.Marshal(q.Devices)
		if err != nil {
			return "", nil, err
		}
		and("device IN (SELECT value FROM json_each(?))", string(devices))
	}
	return strings.Join(conditions, " AND "), args, nil
}
