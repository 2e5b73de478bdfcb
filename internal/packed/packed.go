// Package packed is a compact form of a page of readings, for long answers: a tenth
// of the bytes of JSON, and much quicker to write and to read.
//
// The first byte is the version, 1. Then comes one reading after another: a uvarint
// that is 0 for the device of the reading before, else the length of its id, and the
// id; eight signed varints, each the difference to the reading before (the first is
// to zeros): time in milliseconds since 1970, power, voltage, current, energy, the
// meter's counter and the time covered in thousandths, the signal in dBm; and a
// uvarint that is twice the quality's bits, and one more where the relay is on. The
// varints are those of encoding/binary. Stream and Seq are not kept.
package packed

import (
	"encoding/binary"
	"errors"
	"math"
	"slices"

	"github.com/wattline/wattline"
)

const version = 1

var errDamaged = errors.New("the packed readings are damaged")

// numbers are a reading's, in the order in which they are packed.
type numbers [8]int64

func numbersOf(r *wattline.Reading) numbers {
	return numbers{
		r.Time.UnixMilli(), int64(r.PowerW), int64(r.VoltageV), int64(r.CurrentA),
		int64(r.EnergyWh), int64(r.MeterWh), int64(r.CoversS), int64(r.RSSIdBm),
	}
}

// Append appends the packed form of readings, each of which must have a relay that
// is on or off.
func Append(dst []byte, readings []wattline.Reading) []byte {
	const each = 20 // bytes, about
	dst = append(slices.Grow(dst, each*len(readings)), version)
	device, before := "", numbers{}
	for i := range readings {
		r := &readings[i]
		if r.Device == device {
			dst = append(dst, 0)
		} else {
			device = r.Device
			dst = binary.AppendUvarint(dst, uint64(len(device)))
			dst = append(dst, device...)
		}
		now := numbersOf(r)
		for n := range now {
			dst = binary.AppendVarint(dst, now[n]-before[n])
		}
		before = now
		last := uint64(r.Quality) << 1
		if r.Relay == wattline.RelayOn {
			last |= 1
		}
		dst = binary.AppendUvarint(dst, last)
	}
	return dst
}

// Decode appends what Append wrote: at most so many readings, more are an error.
func Decode(dst []wattline.Reading, data []byte, most int) ([]wattline.Reading, error) {
	if len(data) == 0 || data[0] != version {
		return nil, errDamaged
	}
	const least = 10 // bytes of a reading
	u := unpacker{rest: data[1:]}
	dst = slices.Grow(dst, min(most, len(data)/least))
	for count := 0; len(u.rest) > 0; count++ {
		if count == most {
			return nil, errDamaged
		}
		dst = append(dst, wattline.Reading{})
		u.read(&dst[len(dst)-1])
		if u.failed {
			return nil, errDamaged
		}
	}
	return dst, nil
}

// Count is how many readings Append wrote; of what it did not write, it is how many can
// be read before the damage.
func Count(data []byte) (count int) {
	u, into := unpacker{rest: data[min(1, len(data)):]}, wattline.Reading{}
	for ; len(u.rest) > 0; count++ {
		if u.read(&into); u.failed {
			break
		}
	}
	return count
}

// unpacker reads one reading after another.
type unpacker struct {
	rest   []byte
	device string
	before numbers
	failed bool
}

func (u *unpacker) read(into *wattline.Reading) {
	if length := u.uvarint(); length > uint64(len(u.rest)) {
		u.failed = true
	} else if length > 0 {
		u.device = string(u.rest[:length])
		u.rest = u.rest[length:]
	}
	if u.device == "" {
		u.failed = true
	}
	n := &u.before
	for i := range n {
		n[i] += u.varint()
	}
	last := u.uvarint()
	const first, end = 946_684_800_000, 7_258_118_400_000 // the years 2000 and 2200, between which all times lie
	if last>>1 > math.MaxUint16 || n[0] < first || n[0] >= end {
		u.failed = true
	}
	*into = wattline.Reading{
		Device: u.device, Time: wattline.AtMilli(n[0]), PowerW: wattline.Milli(n[1]), VoltageV: wattline.Milli(n[2]),
		CurrentA: wattline.Milli(n[3]), EnergyWh: wattline.Milli(n[4]), MeterWh: wattline.Milli(n[5]), CoversS: wattline.Milli(n[6]),
		RSSIdBm: int(n[7]), Relay: wattline.RelayOf(last&1 == 1), Quality: wattline.Quality(last >> 1),
	}
}

func (u *unpacker) varint() int64 {
	value := u.uvarint()
	return int64(value>>1) ^ -int64(value&1)
}

func (u *unpacker) uvarint() uint64 {
	if len(u.rest) > 0 && u.rest[0] < 1<<7 { // half of them are one byte
		value := u.rest[0]
		u.rest = u.rest[1:]
		return uint64(value)
	}
	value, read := binary.Uvarint(u.rest)
	if read <= 0 {
		u.failed = true
		return 0
	}
	u.rest = u.rest[read:]
	return value
}
