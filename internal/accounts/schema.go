package accounts

// migrations make the file. Times are milliseconds since the Unix epoch. A secret is
// kept as its SHA-256: secrets are 130 random bits, which nobody can try out, so a
// slow hash would add nothing but time to each request. Passwords, which people
// choose, are kept as argon2id.
//
// A session of somebody who is no user here, but was vouched for by a provider, has
// no user and brings its own role and scope.
func migrations() []string {
	return []string{`
		CREATE TABLE tokens (
			id TEXT PRIMARY KEY, name TEXT NOT NULL, hash BLOB NOT NULL UNIQUE,
			role TEXT NOT NULL, scope TEXT NOT NULL,
			created_ms INTEGER NOT NULL, expires_ms INTEGER, used_ms INTEGER, revoked_ms INTEGER
		) STRICT, WITHOUT ROWID;
		CREATE UNIQUE INDEX tokens_by_name ON tokens (name) WHERE revoked_ms IS NULL;
		CREATE TABLE users (
			name TEXT PRIMARY KEY, password TEXT NOT NULL,
			role TEXT NOT NULL, scope TEXT NOT NULL,
			created_ms INTEGER NOT NULL, changed_ms INTEGER NOT NULL
		) STRICT, WITHOUT ROWID;
		CREATE TABLE sessions (
			hash BLOB PRIMARY KEY, user TEXT REFERENCES users ON DELETE CASCADE,
			principal TEXT NOT NULL, role TEXT, scope TEXT, address TEXT NOT NULL,
			created_ms INTEGER NOT NULL, used_ms INTEGER NOT NULL, expires_ms INTEGER NOT NULL
		) STRICT, WITHOUT ROWID;
		CREATE INDEX sessions_by_user ON sessions (user);`, `
		CREATE TABLE places (
			user TEXT NOT NULL REFERENCES users ON DELETE CASCADE, address TEXT NOT NULL, used_ms INTEGER NOT NULL,
			PRIMARY KEY (user, address)
		) STRICT, WITHOUT ROWID;
		INSERT OR IGNORE INTO places SELECT user, address, created_ms FROM sessions WHERE user IS NOT NULL;`}
}
