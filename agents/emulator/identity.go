package emulator

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
)

// identity is what a plug calls itself; the same for the same id, seed and unit.
type identity struct {
	deviceID string // 40 digits
	hwID     string // 32
	oemID    string // 32
	mac      string
}

func newIdentity(s Spec, unit int) identity {
	own := hexOf(fmt.Sprintf("%s/%d", s.ID, s.Seed))
	if unit > 0 {
		own = hexOf(fmt.Sprintf("%s/%d/%d", s.ID, s.Seed, unit))
	}
	kind := hexOf(string(s.Model))
	return identity{
		deviceID: "8006" + own[:36],
		hwID:     kind[:32],
		oemID:    kind[32:],
		mac:      fmt.Sprintf("%s:%s:%s:%s", s.Model.traits().macPrefix, own[36:38], own[38:40], own[40:42]),
	}
}

// childID is the id of a strip's outlet.
func (i identity) childID(outlet int) string { return fmt.Sprintf("%s%02X", i.deviceID, outlet) }

// outlet undoes childID.
func (i identity) outlet(childID string) (outlet int, ok bool) {
	suffix, ok := strings.CutPrefix(childID, i.deviceID)
	if !ok || len(suffix) != 2 {
		return 0, false
	}
	n, err := strconv.ParseUint(suffix, 16, 8)
	return int(n), err == nil
}

func hexOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return strings.ToUpper(hex.EncodeToString(sum[:]))
}
