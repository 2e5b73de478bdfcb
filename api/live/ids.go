package live

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/wattline/wattline/internal/access"
)

// ids makes what clients are given of the numbers of events: each a block of its
// own, enciphered with a key that lives as long as the process. So an id tells
// nothing of how many events others got in between, it cannot be made up, and one of
// an earlier process or of another gateway is seen to be one.
//
// After it goes a mark of the rights of whoever is given it. Who comes back with
// other rights cannot be told what to add and to remove, and begins anew.
type ids struct{ block cipher.Block }

func newIDs() (ids, error) {
	key := make([]byte, aes.BlockSize)
	if _, err := rand.Read(key); err != nil {
		return ids{}, fmt.Errorf("live: a key for the ids of events: %w", err)
	}
	block, err := aes.NewCipher(key)
	return ids{block}, err
}

const half = aes.BlockSize / 2

// of is the id of a number without the mark: the number after as many zeros,
// enciphered.
func (i ids) of(number uint64) string {
	var block [aes.BlockSize]byte
	binary.BigEndian.PutUint64(block[half:], number)
	return i.encipher(block)
}

// mark stands for somebody's rights.
func (i ids) mark(who access.Principal) string {
	sum := sha256.Sum256([]byte(string(who.Role) + " " + who.Scope.String()))
	const length = 8
	return "." + i.encipher([aes.BlockSize]byte(sum[:aes.BlockSize]))[:length]
}

func (i ids) encipher(block [aes.BlockSize]byte) string {
	i.block.Encrypt(block[:], block[:])
	return base64.RawURLEncoding.EncodeToString(block[:])
}

// number is what an id stands for; false for one that this process did not make, or
// made for somebody with other rights.
func (i ids) number(id, mark string) (uint64, bool) {
	id, marked := strings.CutSuffix(id, mark)
	if !marked || len(id) != base64.RawURLEncoding.EncodedLen(aes.BlockSize) {
		return 0, false
	}
	block, err := base64.RawURLEncoding.Strict().DecodeString(id)
	if err != nil {
		return 0, false
	}
	i.block.Decrypt(block, block)
	return binary.BigEndian.Uint64(block[half:]), binary.BigEndian.Uint64(block[:half]) == 0
}
