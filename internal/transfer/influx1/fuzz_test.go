package influx1

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/wattline/wattline"
)

// FuzzScan: whatever the file, every line is accounted for, memory is bounded by
// the longest line, and a point that comes through can be kept.
func FuzzScan(f *testing.F) {
	for _, name := range []string{"export.lp", "select.csv", "grouped.csv"} {
		data, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
		for line := range bytes.Lines(data) {
			f.Add(line)
		}
	}
	f.Add([]byte("name,time,value\npower,\"1585217932000000000,1\n"))
	f.Add([]byte("power value=1e400 1585217932000000000\n\xff\x00,=\\\n"))
	f.Add([]byte("power,id=a\\ b\\,\\=,row=\\\\ value=-0 -1\r\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		text, err := newLines(bytes.NewReader(data))
		if err != nil {
			return
		}
		points := int64(0)
		s := scanner{text: text, database: "sp", take: func(p point) error {
			points++
			if (p.power == nil) == (p.relay == "") || p.id == "" || p.at.Year() < 2000 || p.at.Year() > 2199 {
				t.Errorf("%+v", p)
			}
			if place, err := placeOf(p, Place{}); err == nil && wattline.CheckID(place.Device) != nil {
				t.Errorf("%+v", place)
			}
			return nil
		}}
		if err := s.scan(); err != nil {
			return
		}
		if s.tally.Points != points || s.tally.Points+s.tally.Other+s.tally.Bad > s.tally.Lines || len(s.tally.BadLines) > maxBad {
			t.Errorf("%+v of %d points", s.tally, points)
		}
	})
}
