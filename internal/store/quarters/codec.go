package quarters

import (
	"encoding/binary"
	"errors"
	"hash/crc32"

	"github.com/wattline/wattline"
)

// A level is kept as
//
//	version  1 byte
//	cells    how many follow; those after the last with readings are left out
//	core     of each cell, see encoder.core
//	values   of each cell with readings, see encoder.values
//	checksum CRC-32 (IEEE) of all before it, 4 bytes, little-endian
//
// Numbers are varints of differences to what is likely, modulo 2^64, so that
// every summary comes back as it was, likely or not. The values come last so that
// who does not want them need not read them.
//
// A level of withoutFalls, which is still read, has no FellWh: it is taken from GapWh.
const (
	codecVersion  = 2
	withoutFalls  = 1
	checksumBytes = 4
)

var (
	errChecksum = errors.New("the checksum is wrong")
	errVersion  = errors.New("it was made by another version")
	errContent  = errors.New("the content makes no sense")
)

// part is what decode needs to know besides the bytes.
type part struct {
	start  int64 // of the first cell, in milliseconds
	values bool  // whether to read Summary.Values; they stay zero otherwise
}

// encode packs the summaries of a day's equally long parts.
func encode(cells []wattline.Summary, start int64) []byte {
	width := dayMS / int64(len(cells))
	for len(cells) > 0 && cells[len(cells)-1].Count == 0 {
		cells = cells[:len(cells)-1]
	}
	const guess = 64 // bytes of a cell
	e := encoder{append(make([]byte, 0, guess*(len(cells)+1)), codecVersion)}
	e.unsigned(int64(len(cells)))
	var before likely
	for i := range cells {
		e.core(&cells[i], start+int64(i)*width, &before)
	}
	before = likely{}
	for i := range cells {
		if cells[i].Count > 0 {
			e.values(&cells[i], &before)
		}
	}
	return binary.LittleEndian.AppendUint32(e.data, crc32.ChecksumIEEE(e.data))
}

// decode unpacks what encode packed of as many summaries. The first bytes that
// encode cannot have made are an error; then the cells hold nothing of use.
func decode(cells []wattline.Summary, data []byte, of part) error {
	content := len(data) - checksumBytes
	if content < 1 || crc32.ChecksumIEEE(data[:content]) != binary.LittleEndian.Uint32(data[content:]) {
		return errChecksum
	}
	if data[0] != codecVersion && data[0] != withoutFalls {
		return errVersion
	}
	d := decoder{version: data[0], data: data[1:content]}
	n := d.unsigned()
	if n < 0 || n > int64(len(cells)) {
		return errContent
	}
	width := dayMS / int64(len(cells))
	clear(cells)
	var before likely
	for i := range cells[:n] {
		d.core(&cells[i], span{of.start + int64(i)*width, of.start + int64(i+1)*width}, &before)
	}
	if of.values {
		before = likely{}
		for i := range cells[:n] {
			if cells[i].Count > 0 {
				d.values(&cells[i], &before)
			}
		}
		d.failed = d.failed || len(d.data) > 0
	}
	if d.failed {
		return errContent
	}
	return nil
}

// span is the instants from one on and before another, in milliseconds.
type span struct{ from, to int64 }

// likely is what the numbers of a cell are expected to be near: those of the cell
// before it.
type likely struct{ energy, covers, power, voltage, current wattline.Milli }

type encoder struct{ data []byte }

// unsigned writes a number that is hardly ever negative.
func (e *encoder) unsigned(n int64) { e.data = binary.AppendUvarint(e.data, uint64(n)) }

func (e *encoder) signed(n int64) { e.data = binary.AppendVarint(e.data, n) }

func (e *encoder) core(s *wattline.Summary, start int64, before *likely) {
	e.unsigned(s.Count)
	if s.Count == 0 {
		return
	}
	first, last := s.First.Time.UnixMilli(), s.Last.Time.UnixMilli()
	e.unsigned(first - start)
	e.unsigned(last - first)
	e.unsigned(s.Gaps)
	if s.Gaps != 0 {
		e.unsigned(int64(s.GapS))
		e.unsigned(int64(s.GapWh))
		e.unsigned(int64(s.FellWh))
	}
	e.signed(int64(s.First.CoversS - before.covers))
	e.signed(int64(s.Last.CoversS - s.First.CoversS))
	e.signed(int64(s.CoveredS - observed(s)))
	e.signed(int64(s.First.EnergyWh - before.energy))
	e.unsigned(int64(s.Last.EnergyWh - s.First.EnergyWh))
	e.signed(int64(s.MinW - before.power))
	e.unsigned(int64(s.MaxW - s.MinW))
	before.covers, before.energy, before.power = s.Last.CoversS, s.Last.EnergyWh, s.MinW
}

// observed is the time covered if each reading covers all of that since the one
// before, but for the gaps.
func observed(s *wattline.Summary) wattline.Milli {
	return s.First.CoversS + wattline.Milli(s.Last.Time.UnixMilli()-s.First.Time.UnixMilli()) - s.GapS
}

func (e *encoder) values(s *wattline.Summary, before *likely) {
	v := &s.Values
	e.unsigned(int64(s.CoveredS - v.OnS))
	e.stats(s.Count, &v.Power)
	e.signed(int64(v.Voltage.Min - before.voltage))
	e.unsigned(int64(v.Voltage.Max - v.Voltage.Min))
	e.stats(s.Count, &v.Voltage)
	e.signed(int64(v.Current.Min - before.current))
	e.unsigned(int64(v.Current.Max - v.Current.Min))
	e.stats(s.Count, &v.Current)
	before.voltage, before.current = v.Voltage.Min, v.Current.Min
}

// stats writes all but the bounds.
func (e *encoder) stats(count int64, s *wattline.Stats) {
	e.unsigned(int64(s.Sum - wattline.Milli(count)*s.Min))
	e.unsigned(int64(s.First - s.Min))
	e.unsigned(int64(s.Last - s.Min))
}

// more is set in each byte of a varint but the last.
const more = 0x80

type decoder struct {
	version byte
	data    []byte
	failed  bool
}

func (d *decoder) unsigned() int64 {
	// Most numbers take a byte or two.
	if len(d.data) > 1 {
		first, second := int64(d.data[0]), int64(d.data[1])
		if first < more {
			d.data = d.data[1:]
			return first
		}
		if second < more {
			d.data = d.data[2:]
			return first&(more-1) | second<<7
		}
	}
	n, size := binary.Uvarint(d.data)
	if size <= 0 {
		d.failed, d.data = true, nil
		return 0
	}
	d.data = d.data[size:]
	return int64(n)
}

// signed undoes the zigzag of binary.AppendVarint.
func (d *decoder) signed() int64 {
	n := uint64(d.unsigned())
	return int64(n>>1) ^ -int64(n&1)
}

func (d *decoder) core(s *wattline.Summary, within span, before *likely) {
	s.Count = d.unsigned()
	if s.Count == 0 {
		return
	}
	first := within.from + d.unsigned()
	last := first + d.unsigned()
	s.Gaps = d.unsigned()
	if s.Gaps != 0 {
		d.gaps(s)
	}
	if first < within.from || last < first || last >= within.to || s.Count < 0 || s.Count > last-first+1 || s.Gaps < 0 || s.Gaps > s.Count {
		d.failed = true
		return
	}
	s.First.Time, s.Last.Time = wattline.AtMilli(first), wattline.AtMilli(last)
	s.First.CoversS = before.covers + wattline.Milli(d.signed())
	s.Last.CoversS = s.First.CoversS + wattline.Milli(d.signed())
	s.CoveredS = observed(s) + wattline.Milli(d.signed())
	s.First.EnergyWh = before.energy + wattline.Milli(d.signed())
	s.Last.EnergyWh = s.First.EnergyWh + wattline.Milli(d.unsigned())
	s.MinW = before.power + wattline.Milli(d.signed())
	s.MaxW = s.MinW + wattline.Milli(d.unsigned())
	before.covers, before.energy, before.power = s.Last.CoversS, s.Last.EnergyWh, s.MinW
}

func (d *decoder) gaps(s *wattline.Summary) {
	tookS, roseWh := wattline.Milli(d.unsigned()), wattline.Milli(d.unsigned())
	if d.version == withoutFalls {
		s.AddGap(roseWh, tookS)
		return
	}
	s.GapS, s.GapWh, s.FellWh = tookS, roseWh, wattline.Milli(d.unsigned())
}

func (d *decoder) values(s *wattline.Summary, before *likely) {
	v := &s.Values
	v.OnS = s.CoveredS - wattline.Milli(d.unsigned())
	v.Power.Min, v.Power.Max = s.MinW, s.MaxW
	d.stats(s.Count, &v.Power)
	v.Voltage.Min = before.voltage + wattline.Milli(d.signed())
	v.Voltage.Max = v.Voltage.Min + wattline.Milli(d.unsigned())
	d.stats(s.Count, &v.Voltage)
	v.Current.Min = before.current + wattline.Milli(d.signed())
	v.Current.Max = v.Current.Min + wattline.Milli(d.unsigned())
	d.stats(s.Count, &v.Current)
	before.voltage, before.current = v.Voltage.Min, v.Current.Min
}

func (d *decoder) stats(count int64, s *wattline.Stats) {
	s.Sum = wattline.Milli(count)*s.Min + wattline.Milli(d.unsigned())
	s.First = s.Min + wattline.Milli(d.unsigned())
	s.Last = s.Min + wattline.Milli(d.unsigned())
}
