package api

import (
	"encoding/csv"
	"encoding/json"
	"io"
	"strconv"
	"strings"

	"github.com/wattline/wattline"
)

// table is how rows are written as CSV (RFC 4180): the head, and the lines of one
// row, which may be none or several.
type table[T any] struct {
	head  []string
	lines func(T) [][]string
}

func (t table[T]) encoder(w io.Writer) func(items []T) error {
	records := csv.NewWriter(w)
	records.UseCRLF = true
	_ = records.Write(t.head) // it stays in the writer, which keeps its error
	return func(items []T) error {
		for _, item := range items {
			for _, line := range t.lines(item) {
				if err := records.Write(line); err != nil {
					return err
				}
			}
		}
		records.Flush()
		return records.Error()
	}
}

func readingsTable() table[wattline.Reading] {
	return table[wattline.Reading]{
		head: []string{
			"device", "time", "power_w", "voltage_v", "current_a", "energy_wh", "meter_wh", "relay", "rssi_dbm", "covers_s", "quality",
		},
		lines: func(r wattline.Reading) [][]string {
			return [][]string{{
				r.Device, r.Time.String(), r.PowerW.String(), r.VoltageV.String(), r.CurrentA.String(), r.EnergyWh.String(),
				r.MeterWh.String(), string(r.Relay), strconv.Itoa(r.RSSIdBm), r.CoversS.String(), r.Quality.String(),
			}}
		},
	}
}

func consumptionTable() table[wattline.Consumption] {
	return table[wattline.Consumption]{
		head: []string{"group", "start", "end", "energy_wh", "mean_w", "min_w", "max_w", "coverage", "estimated"},
		lines: func(r wattline.Consumption) [][]string {
			return [][]string{{
				harmless(r.Group), r.Start.String(), r.End.String(), known(r.EnergyWh), known(r.MeanW), known(r.MinW), known(r.MaxW),
				r.Coverage.String(), strconv.FormatBool(r.Estimated),
			}}
		},
	}
}

// aggregateTable has a line for each value where an operation gives several, and
// one without where it has none.
func aggregateTable(op wattline.Op) table[wattline.Aggregate] {
	start := func(r wattline.Aggregate, rest ...string) []string {
		return append([]string{harmless(r.Group), r.Start.String(), r.End.String(), strconv.FormatInt(r.Count, 10)}, rest...)
	}
	head := []string{"group", "start", "end", "count"}
	switch op {
	case wattline.OpTop, wattline.OpBottom, wattline.OpSample:
		return table[wattline.Aggregate]{append(head, "value", "time", "device"), func(r wattline.Aggregate) (lines [][]string) {
			for _, v := range r.Values {
				lines = append(lines, start(r, v.Value.String(), known(v.Time), v.Device))
			}
			return orEmpty(lines, start(r, "", "", ""))
		}}
	case wattline.OpDistinct:
		return table[wattline.Aggregate]{append(head, "distinct", "value", "times"), func(r wattline.Aggregate) (lines [][]string) {
			for _, v := range r.Values {
				lines = append(lines, start(r, decimal(r.Value), v.Value.String(), strconv.FormatInt(v.Count, 10)))
			}
			return orEmpty(lines, start(r, decimal(r.Value), "", ""))
		}}
	}
	return table[wattline.Aggregate]{append(head, "value"), func(r wattline.Aggregate) [][]string {
		return [][]string{start(r, decimal(r.Value))}
	}}
}

func orEmpty(lines [][]string, empty []string) [][]string {
	if len(lines) == 0 {
		return [][]string{empty}
	}
	return lines
}

// known is a value's text, empty where there is none.
func known[T interface{ String() string }](value *T) string {
	if value == nil {
		return ""
	}
	return (*value).String()
}

// decimal writes a number as JSON does.
func decimal(value *float64) string {
	if value == nil {
		return ""
	}
	text, err := json.Marshal(*value)
	if err != nil {
		return "" // no number of ours is infinite
	}
	return string(text)
}

// harmless keeps a spreadsheet from taking somebody's label for a formula: what
// begins like one gets an apostrophe before it.
func harmless(text string) string {
	if text != "" && strings.ContainsRune("=+-@\t\r\n", rune(text[0])) {
		return "'" + text
	}
	return text
}
