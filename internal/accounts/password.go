package accounts

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"

	"golang.org/x/crypto/argon2"

	"github.com/wattline/wattline"
)

// The parameters of argon2id that OWASP's password storage cheat sheet asks for at
// least: 19 MiB, two passes, one lane.
const (
	argonMemoryKiB = 19 * 1024
	argonPasses    = 2
	argonLanes     = 1
	argonSalt      = 16
	argonKey       = 32
)

// The bounds of a password. Length is what makes one good; nothing else is asked of
// it (NIST SP 800-63B).
const (
	minPassword = 12
	maxPassword = 256
)

// At most so many passwords are hashed at once, 19 MiB and some 20 ms of a core
// each; and so many wait for their turn.
const (
	hashedAtOnce = 2
	waitingMost  = 32
)

// passwords hashes and compares passwords.
type passwords struct {
	turns   chan struct{}
	waiting atomic.Int64
	// nobody is compared with where there is no such user, so that it takes as long.
	nobody string
}

func newPasswords() *passwords {
	return &passwords{
		turns:  make(chan struct{}, hashedAtOnce),
		nobody: encode(make([]byte, argonSalt), make([]byte, argonKey)),
	}
}

// turn waits for a turn, which end gives back.
func (p *passwords) turn(ctx context.Context) (end func(), err error) {
	defer p.waiting.Add(-1)
	if p.waiting.Add(1) > waitingMost {
		return nil, wattline.Errorf(wattline.CodeBusy, "too many people sign in at once; try again")
	}
	select {
	case p.turns <- struct{}{}:
		return func() { <-p.turns }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// hash is what is kept of a password, in the PHC string format.
func (p *passwords) hash(ctx context.Context, password string) (string, error) {
	end, err := p.turn(ctx)
	if err != nil {
		return "", err
	}
	defer end()
	salt := make([]byte, argonSalt)
	if _, err := rand.Read(salt); err != nil {
		return "", err
	}
	return encode(salt, argon2.IDKey([]byte(password), salt, argonPasses, argonMemoryKiB, argonLanes, argonKey)), nil
}

// matches compares a password with what is kept of one. Whoever calls it has a turn.
func (p *passwords) matches(kept, password string) (bool, error) {
	cost, salt, key, err := decode(kept)
	if err != nil {
		return false, err
	}
	got := argon2.IDKey([]byte(password), salt, cost.passes, cost.memory, cost.lanes, uint32(len(key)))
	return subtle.ConstantTimeCompare(got, key) == 1, nil
}

const phcFormat = "$argon2id$v=%d$m=%d,t=%d,p=%d$"

func encode(salt, key []byte) string {
	text := base64.RawStdEncoding
	return fmt.Sprintf(phcFormat, argon2.Version, argonMemoryKiB, argonPasses, argonLanes) +
		text.EncodeToString(salt) + "$" + text.EncodeToString(key)
}

// cost is what a hash was made with, which may be other than what it is made with
// today.
type cost struct {
	memory, passes uint32
	lanes          uint8
}

var errPHC = errors.New("the hash of a password cannot be read; set the password anew")

func decode(kept string) (c cost, salt, key []byte, err error) {
	parts := strings.Split(kept, "$")
	if len(parts) != 6 {
		return c, nil, nil, errPHC
	}
	var version int
	head := strings.Join(parts[:4], "$") + "$"
	if _, err := fmt.Sscanf(head, phcFormat, &version, &c.memory, &c.passes, &c.lanes); err != nil || version != argon2.Version {
		return c, nil, nil, errPHC
	}
	salt, saltErr := base64.RawStdEncoding.DecodeString(parts[4])
	key, keyErr := base64.RawStdEncoding.DecodeString(parts[5])
	const mostMemory, mostPasses, mostKey = 1 << 20, 100, 1024
	if saltErr != nil || keyErr != nil || len(salt) == 0 || len(key) == 0 || len(key) > mostKey ||
		c.memory > mostMemory || c.passes < 1 || c.passes > mostPasses || c.lanes < 1 {
		return c, nil, nil, errPHC
	}
	return c, salt, key, nil
}

func checkPassword(password string) error {
	switch {
	case len([]rune(password)) < minPassword:
		return fmt.Errorf("must have at least %d characters", minPassword)
	case len(password) > maxPassword:
		return fmt.Errorf("must have at most %d bytes", maxPassword)
	}
	return nil
}
