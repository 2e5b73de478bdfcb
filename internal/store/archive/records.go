package archive

import (
	"context"
	"database/sql"
	"errors"
	"maps"
	"slices"
	"strconv"

	"github.com/wattline/wattline/internal/store/quarters"
)

// Records reads one level. See quarters.Kept.
func (r *records) Records(ctx context.Context, query quarters.Query, visit func(*quarters.Packed) error) error {
	numbers, names := r.numbers(query.Devices)
	if len(names) == 0 {
		return ctx.Err()
	}
	var stopped error // by visit
	// After damage there is nothing more to find: again does not matter.
	_, err := r.use(ctx, func() error {
		rows, err := r.read[query.Level].QueryContext(ctx, numbers, int64(query.From), int64(query.To))
		if err != nil {
			return err
		}
		defer func() { _ = rows.Close() }()
		for stopped == nil && rows.Next() {
			one, err := scanRecord(rows, query.Level)
			if err != nil {
				return err
			}
			one.packed.Device = names[one.number]
			stopped = visit(&one.packed)
		}
		return rows.Err()
	})
	return errors.Join(stopped, err)
}

// numbers are the devices' numbers as a JSON array, and the names they stand for;
// devices that the file does not have are left out.
func (r *records) numbers(devices []string) (list string, names map[int64]string) {
	names = make(map[int64]string, len(devices))
	text := []byte{'['}
	for _, id := range devices {
		known, ok := r.device(id)
		if !ok {
			continue
		}
		if len(names) > 0 {
			text = append(text, ',')
		}
		text = strconv.AppendInt(text, known.number, 10)
		names[known.number] = id
	}
	return string(append(text, ']')), names
}

// row is a record of the device with a number.
type row struct {
	number int64
	packed quarters.Packed
}

// scanRecord reads a row, which is there until the next.
func scanRecord(rows *sql.Rows, level quarters.Level) (row, error) {
	var (
		key          int64
		sealed, data sql.RawBytes
	)
	if err := rows.Scan(&key, &sealed, &data); err != nil {
		return row{}, err
	}
	one := row{number: key >> dayBits, packed: quarters.Packed{Day: quarters.Day(key & (1<<dayBits - 1))}}
	copy(one.packed.Sealed[:], sealed)
	switch level {
	case quarters.Days:
		one.packed.DayLevel = data
	case quarters.Hours:
		one.packed.HourLevel = data
	case quarters.Quarters:
		one.packed.QuarterLevel = data
	case quarters.SealedOnly:
	}
	return one, nil
}

func keyOf(number int64, day quarters.Day) int64 { return number<<dayBits | int64(day) }

func (r *records) device(id string) (recorded, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	known, ok := r.devices[id]
	return known, ok
}

// names lists the devices that the file has.
func (r *records) names() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Collect(maps.Keys(r.devices))
}

// Put keeps records, in one transaction. See quarters.Kept.
func (r *records) Put(ctx context.Context, all []quarters.Packed) error {
	return r.write(ctx, func(c *change) error {
		for i := range all {
			if err := c.put(ctx, &all[i]); err != nil {
				return err
			}
		}
		return nil
	})
}

// SetSince keeps it. See quarters.Kept.
func (r *records) SetSince(ctx context.Context, since map[string]quarters.Day) error {
	return r.write(ctx, func(c *change) error {
		for id, day := range since {
			known, err := c.device(ctx, id)
			if err != nil {
				return err
			}
			if _, err := c.tx.ExecContext(ctx, "UPDATE device SET since = ? WHERE number = ?", int64(day), known.number); err != nil {
				return err
			}
			known.since, known.known = day, true
			c.devices[id] = known
		}
		return nil
	})
}

// Since needs no reading. See quarters.Kept.
func (r *records) Since(_ context.Context, devices []string) (map[string]quarters.Day, error) {
	since := make(map[string]quarters.Day, len(devices))
	for _, id := range devices {
		if known, ok := r.device(id); ok && known.known {
			since[id] = known.since
		}
	}
	return since, nil
}

// change is a transaction, and what it changes of the devices.
type change struct {
	tx      *sql.Tx
	known   func(id string) (recorded, bool)
	devices map[string]recorded
}

// write commits a change. Where the file is damaged, it is made to a new one.
func (r *records) write(ctx context.Context, do func(*change) error) error {
	commit := func() error {
		changed := change{known: r.device, devices: map[string]recorded{}}
		err := r.db.Write(ctx, func(tx *sql.Tx) error {
			changed.tx = tx
			return do(&changed)
		})
		if err != nil {
			return err
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		maps.Copy(r.devices, changed.devices)
		return nil
	}
	again, err := r.use(ctx, commit)
	if again {
		_, err = r.use(ctx, commit)
	}
	return err
}

func (c *change) put(ctx context.Context, p *quarters.Packed) error {
	known, err := c.device(ctx, p.Device)
	if err != nil {
		return err
	}
	key := keyOf(known.number, p.Day)
	if p.QuarterLevel == nil {
		_, err := c.tx.ExecContext(ctx, "UPDATE day SET sealed = ? WHERE key = ?", p.Sealed[:], key)
		return err
	}
	_, err = c.tx.ExecContext(ctx, "REPLACE INTO day VALUES (?, ?, ?, ?)", key, p.Sealed[:], p.DayLevel, p.HourLevel)
	if err != nil {
		return err
	}
	_, err = c.tx.ExecContext(ctx, "REPLACE INTO quarters VALUES (?, ?)", key, p.QuarterLevel)
	return err
}

// device is what the file has of a device, which gets a number here if it has none.
func (c *change) device(ctx context.Context, id string) (recorded, error) {
	if one, ok := c.devices[id]; ok {
		return one, nil
	}
	one, ok := c.known(id)
	if ok {
		return one, nil
	}
	// Another change may just have brought it.
	var since sql.NullInt32
	err := c.tx.QueryRowContext(ctx, "INSERT INTO device(id) VALUES (?) ON CONFLICT(id) DO UPDATE SET id = id RETURNING number, since", id).
		Scan(&one.number, &since)
	one.since, one.known = quarters.Day(since.Int32), since.Valid
	c.devices[id] = one
	return one, err
}
