package commandlog

import "database/sql"

// Writer lets a test make the disk full, by PRAGMA max_page_count.
func (l *Log) Writer() *sql.DB { return l.db.Writer() }
