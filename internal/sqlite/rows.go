package sqlite

import "database/sql"

// Answer is what a query gave: rows, or an error.
type Answer struct {
	rows *sql.Rows
	err  error
}

// Rows are those that QueryContext returns.
func Rows(rows *sql.Rows, err error) Answer { return Answer{rows, err} }

// Each reads the rows one by one, until the end or an error, and closes them.
func (a Answer) Each(read func(*sql.Rows) error) error {
	if a.err != nil {
		return a.err
	}
	defer a.rows.Close()
	for a.rows.Next() {
		if err := read(a.rows); err != nil {
			return err
		}
	}
	return a.rows.Err()
}
