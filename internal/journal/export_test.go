package journal

import "database/sql"

// Writer lets a test make the disk full, by PRAGMA max_page_count.
func (j *Journal) Writer() *sql.DB { return j.file.db.Writer() }
