package accounts

import (
	"crypto/rand"
	"crypto/sha256"
	"strings"
)

// digest is what is kept of a secret, and what it is found by. Looking it up takes
// no time that would tell of the secret: who sends one does not choose its SHA-256.
type digest = [sha256.Size]byte

const (
	secretPrefix = "wl_"
	// secretLength is that of crypto/rand.Text, 26 characters of 5 bits.
	secretLength = len(secretPrefix) + 26
	idPrefix     = "tok_"
	idLength     = 12
)

// newSecret is the secret of a token. Its beginning lets programs that look for
// leaked secrets know it.
func newSecret() string { return secretPrefix + rand.Text() }

func newTokenID() string { return idPrefix + strings.ToLower(rand.Text()[:idLength]) }

func digestOf(secret string) digest { return sha256.Sum256([]byte(secret)) }

// isSecret tells whether a text has the form of a token's secret.
func isSecret(text string) bool {
	rest, is := strings.CutPrefix(text, secretPrefix)
	return is && len(text) == secretLength && strings.Trim(rest, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") == ""
}
