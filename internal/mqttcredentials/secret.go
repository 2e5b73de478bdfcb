package mqttcredentials

import (
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// The form of mosquitto's password files: $7$iterations$salt$hash, PBKDF2 with
// SHA-512, so that what is kept here serves there too.
const (
	hashPrefix = "$7$"
	saltBytes  = 12
	keyBytes   = sha512.Size
	// iterations need not be many: secrets are made here, of 130 bits of chance, and
	// no number of tries finds one. Few of them keep those who try from costing the
	// broker much.
	iterations = 1000
	// maxIterations bounds what a file from elsewhere can cost.
	maxIterations = 1_000_000
)

// newSecret is 26 letters and digits.
func newSecret() string { return rand.Text() }

// Hash is what is kept of a secret.
type Hash string

func hashOf(secret string) (Hash, error) {
	salt := make([]byte, saltBytes)
	if _, err := rand.Read(salt); err != nil {
		return "", err
	}
	key, err := pbkdf2.Key(sha512.New, secret, salt, iterations, keyBytes)
	if err != nil {
		return "", err
	}
	encode := base64.StdEncoding.EncodeToString
	return Hash(fmt.Sprintf("%s%d$%s$%s", hashPrefix, iterations, encode(salt), encode(key))), nil
}

// Matches tells whether a secret is the one. It takes a millisecond.
func (h Hash) Matches(secret string) bool {
	rounds, salt, want, err := h.parse()
	if err != nil {
		return false
	}
	got, err := pbkdf2.Key(sha512.New, secret, salt, rounds, len(want))
	return err == nil && subtle.ConstantTimeCompare(got, want) == 1
}

var errNoHash = errors.New("is not of the form $7$iterations$salt$hash")

func (h Hash) parse() (rounds int, salt, key []byte, err error) {
	rest, ok := strings.CutPrefix(string(h), hashPrefix)
	parts := strings.Split(rest, "$")
	if !ok || len(parts) != 3 {
		return 0, nil, nil, errNoHash
	}
	rounds, err = strconv.Atoi(parts[0])
	if err != nil || rounds < 1 || rounds > maxIterations {
		return 0, nil, nil, errNoHash
	}
	salt, saltErr := base64.StdEncoding.DecodeString(parts[1])
	key, keyErr := base64.StdEncoding.DecodeString(parts[2])
	if saltErr != nil || keyErr != nil || len(salt) < saltBytes || len(key) != keyBytes {
		return 0, nil, nil, errNoHash
	}
	return rounds, salt, key, nil
}
