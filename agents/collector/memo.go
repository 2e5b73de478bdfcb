package collector

import (
	"encoding/json"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/agents/kasa"
)

// memo is what the journal keeps beside a device's newest reading, in thousandths:
// what it takes to go on from that reading after a restart. The names are short
// because it is written with every reading.
type memo struct {
	Low     int64     `json:"l"`
	High    int64     `json:"h"`
	Home    int64     `json:"home,omitempty"`
	Strayed bool      `json:"s,omitempty"`
	Rest    int64     `json:"r,omitempty"`
	Plug    string    `json:"p,omitempty"`
	Asked   int64     `json:"a,omitempty"` // milliseconds since the Unix epoch
	Mark    *memoMark `json:"m,omitempty"`
}

type memoMark struct {
	Year   int    `json:"y"`
	Month  int    `json:"m"`
	Day    int    `json:"d"`
	Zone   string `json:"z"`
	Stat   int64  `json:"w"`
	Energy int64  `json:"e"`
}

func (c *counted) memo() ([]byte, error) {
	kept := memo{
		Low: int64(c.phase.low), High: int64(c.phase.high), Home: int64(c.phase.home), Strayed: c.phase.strayed,
		Rest: int64(c.rest), Plug: c.plug,
	}
	if !c.mark.asked.IsZero() {
		kept.Asked = c.mark.asked.UnixMilli()
	}
	if m := c.mark; m.zone != "" {
		kept.Mark = &memoMark{m.date.Year, int(m.date.Month), m.date.Day, m.zone, int64(m.statWh), int64(m.energyWh)}
	}
	return json.Marshal(kept)
}

// remembered goes on from a reading with the memo that was kept of it. Without one,
// or with one that does not fit, only what the reading tells is known.
func remembered(reading wattline.Reading, text []byte) *counted {
	c := &counted{Reading: reading, phase: unknownPhase(reading)}
	var kept memo
	if len(text) == 0 || json.Unmarshal(text, &kept) != nil {
		return c
	}
	c.plug = kept.Plug
	if kept.Asked != 0 {
		c.mark.asked = wattline.AtMilli(kept.Asked)
	}
	if m := kept.Mark; m != nil {
		c.mark.date = kasa.Date{Year: m.Year, Month: time.Month(m.Month), Day: m.Day}
		c.mark.zone, c.mark.statWh, c.mark.energyWh = m.Zone, wattline.Milli(m.Stat), wattline.Milli(m.Energy)
	}
	within := phase{low: wattline.Milli(kept.Low), high: wattline.Milli(kept.High), home: wattline.Milli(kept.Home), strayed: kept.Strayed}
	if within = within.narrowed(c.phase); within.low <= within.high {
		c.phase, c.rest = within, wattline.Milli(kept.Rest)
	}
	return c
}
