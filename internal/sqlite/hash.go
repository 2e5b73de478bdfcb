package sqlite

import (
	"crypto/sha256"
	"database/sql"
	"errors"
)

// Hash has Scan read a column into a hash. One of another length is an error.
func Hash(into *[sha256.Size]byte) sql.Scanner { return scannedHash{into} }

type scannedHash struct{ into *[sha256.Size]byte }

func (s scannedHash) Scan(value any) error {
	hash, is := value.([]byte)
	if !is || len(hash) != len(s.into) {
		return errors.New("a hash has not the length of one: the file was not written by this program")
	}
	copy(s.into[:], hash)
	return nil
}
