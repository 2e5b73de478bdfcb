package export_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"io"
	"math"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/export"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// row is of every kind.
type row struct {
	Name     string          `json:"name"`
	Time     wattline.Time   `json:"time"`
	PowerW   *wattline.Milli `json:"power_w,omitempty"`
	Count    int64           `json:"count"`
	Value    *float64        `json:"value,omitempty"`
	Relay    wattline.Relay  `json:"relay"`
	Doubtful bool            `json:"doubtful"`
	Several  []int64         `json:"-"`
}

func table() export.Table[row] {
	return export.Table[row]{
		Name: "rows",
		Columns: []export.Column[row]{
			{Name: "name", Kind: export.Text, Subject: true, Of: func(r *row) export.Value { return export.Of(r.Name) }},
			{Name: "time", Kind: export.Moment, Subject: true, Of: func(r *row) export.Value { return export.At(r.Time) }},
			{Name: "power_w", Unit: "W", Kind: export.Quantity, Of: func(r *row) export.Value { return export.Maybe(r.PowerW, export.Milli) }},
			{Name: "count", Kind: export.Integer, Of: func(r *row) export.Value { return export.Whole(r.Count) }},
			{Name: "value", Kind: export.Float, Of: func(r *row) export.Value { return export.Maybe(r.Value, export.Real) }},
			{Name: "relay", Kind: export.Switch, Of: func(r *row) export.Value { return export.True(r.Relay == wattline.RelayOn) }},
			{Name: "doubtful", Kind: export.Boolean, Of: func(r *row) export.Value { return export.True(r.Doubtful) }},
		},
		Subject: func(r *row) (string, wattline.Time) { return r.Name, r.Time },
	}
}

func noon() wattline.Time { return wattline.At(time.Date(2026, 3, 28, 12, 0, 0, 5e6, time.UTC)) }

func two() []row {
	return []row{
		{Name: "desk-1", Time: noon(), PowerW: new(wattline.Milli(61753)), Count: -3, Value: new(1e-7), Relay: wattline.RelayOn},
		{Name: "=a, \"b\"", Time: noon(), Relay: wattline.RelayOff, Doubtful: true},
	}
}

// written is what a writer makes of rows, given in so many portions.
func written(t testing.TB, of export.Table[row], options export.Options, portions ...[]row) []byte {
	t.Helper()
	var text bytes.Buffer
	writer, err := export.NewWriter(&text, of, options)
	if err != nil {
		t.Fatal(err)
	}
	for _, rows := range portions {
		if err := writer.Write(rows); err != nil {
			t.Fatal(err)
		}
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	return text.Bytes()
}

func TestEveryTextFormatSaysTheSameRows(t *testing.T) {
	for format, want := range map[export.Format]string{
		export.CSV: "name,time,power_w,count,value,relay,doubtful\r\n" +
			"desk-1,2026-03-28T12:00:00.005Z,61.753,-3,1e-7,on,false\r\n" +
			"\"'=a, \"\"b\"\"\",2026-03-28T12:00:00.005Z,,0,,off,true\r\n",
		export.NDJSON: `{"name":"desk-1","time":"2026-03-28T12:00:00.005Z","power_w":61.753,"count":-3,"value":1e-7,"relay":"on","doubtful":false}` + "\n" +
			`{"name":"=a, \"b\"","time":"2026-03-28T12:00:00.005Z","count":0,"relay":"off","doubtful":true}` + "\n",
		export.SenML: `[{"bver":26,"bn":"desk-1/","bt":1774699200.005,"n":"power_w","u":"W","v":61.753},` + "\n" +
			`{"n":"count","v":-3},` + "\n" + `{"n":"value","v":1e-7},` + "\n" + `{"n":"relay","vb":true},` + "\n" + `{"n":"doubtful","vb":false},` + "\n" +
			`{"bn":"0::3da:2c:20:22b:22/","bt":1774699200.005,"n":"count","v":0},` + "\n" + `{"n":"relay","vb":false},` + "\n" + `{"n":"doubtful","vb":true}]` + "\n",
	} {
		if diff := cmp.Diff(want, string(written(t, table(), export.Options{Format: format}, two()))); diff != "" {
			t.Errorf("%s: %s", format, diff)
		}
	}
}

func TestNoRowsAreStillWhole(t *testing.T) {
	for format, want := range map[export.Format]string{
		export.CSV: "name,time,power_w,count,value,relay,doubtful\r\n", export.NDJSON: "", export.SenML: "[]\n", export.SensML: "[]\n",
	} {
		if got := string(written(t, table(), export.Options{Format: format})); got != want {
			t.Errorf("%s: %q", format, got)
		}
	}
}

func TestWhatIsContinuedHasNoHead(t *testing.T) {
	whole := string(written(t, table(), export.Options{Format: export.CSV}, two()))
	first := string(written(t, table(), export.Options{Format: export.CSV}, two()[:1]))
	rest := string(written(t, table(), export.Options{Format: export.CSV, Continued: true}, two()[1:]))
	if first+rest != whole {
		t.Errorf("%q and %q are not %q", first, rest, whole)
	}
}

func TestARowMayHaveSeveralLines(t *testing.T) {
	of := table()
	of.Lines = func(r row) (lines []row) {
		for _, n := range r.Several {
			r.Count = n
			lines = append(lines, r)
		}
		return lines
	}
	text := string(written(t, of, export.Options{Format: export.CSV}, []row{{Name: "a", Time: noon(), Several: []int64{1, 2}}, {Name: "none"}}))
	if lines := strings.Split(text, "\r\n"); len(lines) != 4 || !strings.Contains(lines[1], ",1,") || !strings.Contains(lines[2], ",2,") {
		t.Errorf("%q", text)
	}
}

func rows() *rapid.Generator[[]row] {
	one := rapid.Custom(func(t *rapid.T) row {
		r := row{
			Name:  rapid.OneOf(rapid.SampledFrom([]string{"desk-1", "hq/f1", "", " a", "\"", "a\r\nb", "-1", "Büro", "a:b", "'=1", "''@", "0=", "0:"}), rapid.String()).Draw(t, "name"),
			Time:  wattline.AtMilli(rapid.OneOf(rapid.Int64Range(1_774_699_200_000, 1_774_699_320_000), rapid.Int64Range(946_684_800_000, 4_000_000_000_000)).Draw(t, "time")), // often in the same minute
			Count: rapid.Int64().Draw(t, "count"), Doubtful: rapid.Bool().Draw(t, "doubtful"),
			Relay: wattline.RelayOf(rapid.Bool().Draw(t, "relay")),
		}
		if rapid.Bool().Draw(t, "has power") {
			r.PowerW = new(wattline.Milli(rapid.Int64Range(-int64(wattline.MaxMilli), int64(wattline.MaxMilli)).Draw(t, "power")))
		}
		if rapid.Bool().Draw(t, "has value") {
			r.Value = new(rapid.Float64Range(-math.MaxFloat64, math.MaxFloat64).Draw(t, "value"))
		}
		return r
	})
	return rapid.SliceOfN(one, 0, 40)
}

// portions cuts rows anywhere.
func portions(t *rapid.T, all []row) (cut [][]row) {
	for len(all) > 0 {
		n := rapid.IntRange(1, len(all)).Draw(t, "portion")
		cut, all = append(cut, all[:n]), all[n:]
	}
	return cut
}

func TestCSVReadsBackAsWhatItWas(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		all := rows().Draw(rt, "rows")
		text := written(t, table(), export.Options{Format: export.CSV}, portions(rt, all)...)
		reader := csv.NewReader(bytes.NewReader(bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n"))))
		records, err := reader.ReadAll()
		if err != nil || len(records) != len(all)+1 {
			rt.Fatalf("%d records of %d rows: %v in %q", len(records), len(all), err, text)
		}
		for i, r := range all {
			got := records[i+1]
			if got[0] != "" && strings.ContainsRune("=+-@\t\r\n", rune(got[0][0])) {
				rt.Fatalf("%q is a formula", got[0])
			}
			got[0] = export.CSV.TextOf(got[0])
			want := []string{strings.ReplaceAll(r.Name, "\r\n", "\n"), r.Time.String(), "", strconv.FormatInt(r.Count, 10), "", string(r.Relay), strconv.FormatBool(r.Doubtful)}
			if r.PowerW != nil {
				want[2] = r.PowerW.String()
			}
			if r.Value != nil {
				if back, err := strconv.ParseFloat(got[4], 64); err != nil || back != *r.Value {
					rt.Fatalf("%v is written %q", *r.Value, got[4])
				}
				want[4] = got[4]
			}
			if diff := cmp.Diff(want, got); diff != "" {
				rt.Fatal(diff)
			}
		}
	})
}

func TestATextIsKnownByHowAFormatShowsIt(t *testing.T) {
	for shown, want := range map[export.Format]map[string]string{
		export.CSV: {
			"desk-1": "desk-1", "'=x": "=x", "=x": "=x", "''=x": "'=x", "'s-Hertogenbosch": "'s-Hertogenbosch", "'": "'", "": "",
		},
		export.SenML: {
			"hq/f1": "hq/f1", "0::3dx": "=x", "B:c3:bcro": "Büro", "0:3d": "0=", "0:": "", "0:/a": "/a", "a:": "a", "a:xx": "a:xx", "a:4": "a:4",
		},
		export.NDJSON: {"'=x": "'=x", "0::3dx": "0::3dx"}, export.Parquet: {"'=x": "'=x"},
	} {
		for text, want := range want {
			if got := shown.TextOf(text); got != want {
				t.Errorf("%s: %q is %q, not %q", shown, text, got, want)
			}
		}
	}
}

func TestSenMLResolvesToWhatItWas(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		all := rows().Draw(rt, "rows")
		var records []struct {
			BaseVersion *int     `json:"bver"`
			BaseName    *string  `json:"bn"`
			BaseTime    *float64 `json:"bt"`
			Name, Unit  string
			N           string      `json:"n"`
			U           string      `json:"u"`
			V           json.Number `json:"v"`
			VB          *bool       `json:"vb"`
		}
		text := written(t, table(), export.Options{Format: export.SensML}, portions(rt, all)...)
		if err := json.Unmarshal(text, &records); err != nil {
			rt.Fatalf("%v in %s", err, text)
		}
		names := map[string]string{}
		base, found := "", 0
		for i, r := range records {
			if (r.BaseVersion != nil) != (i == 0) {
				rt.Fatalf("record %d has a version: %v", i, r.BaseVersion)
			}
			if r.BaseName != nil {
				base = *r.BaseName
				if was, known := names[base]; known && was != all[found].Name {
					rt.Fatalf("%q and %q are both %q", was, all[found].Name, base)
				}
				names[base] = all[found].Name
				if name := export.SensML.TextOf(strings.TrimSuffix(base, "/")); name != all[found].Name {
					rt.Fatalf("%q is shown as %q, which is %q", all[found].Name, base, name)
				}
				if math.Abs(*r.BaseTime-float64(all[found].Time.UnixMilli())/1000) > 0.0005 {
					rt.Fatalf("%v is not %v", *r.BaseTime, all[found].Time)
				}
				found++
			}
			full := base + r.N
			if strings.Trim(full, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-:./_") != "" || strings.IndexByte("-:./_", full[0]) >= 0 {
				rt.Fatalf("%q is no name of SenML", full)
			}
			if r.N == "power_w" && (r.U != "W" || r.V.String() != all[found-1].PowerW.String()) {
				rt.Fatalf("%+v of %v", r, all[found-1].PowerW)
			}
		}
		if found != len(all) {
			rt.Fatalf("%d of %d rows", found, len(all))
		}
	})
}

func TestParquetReadsBackAsWhatItWas(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		all := rows().Draw(rt, "rows")
		data := written(t, table(), export.Options{Format: export.Parquet}, portions(rt, all)...)
		type stored struct {
			Name     *string  `parquet:"name,optional"`
			Time     *int64   `parquet:"time,optional,timestamp(millisecond)"`
			PowerW   *int64   `parquet:"power_w,optional,decimal(3:18)"`
			Count    *int64   `parquet:"count,optional"`
			Value    *float64 `parquet:"value,optional"`
			Relay    *string  `parquet:"relay,optional"`
			Doubtful *bool    `parquet:"doubtful,optional"`
		}
		got, err := parquet.Read[stored](bytes.NewReader(data), int64(len(data)))
		if err != nil || len(got) != len(all) {
			rt.Fatalf("%d of %d rows: %v", len(got), len(all), err)
		}
		for i, r := range all {
			want := stored{Name: &r.Name, Time: new(r.Time.UnixMilli()), Count: &r.Count, Value: r.Value, Relay: new(string(r.Relay)), Doubtful: &r.Doubtful}
			if r.PowerW != nil {
				want.PowerW = new(int64(*r.PowerW))
			}
			if !reflect.DeepEqual(want, got[i]) {
				rt.Fatal(cmp.Diff(want, got[i]))
			}
		}
	})
}

func TestParquetSaysTheUnitsAndIsWrittenInGroups(t *testing.T) {
	var data bytes.Buffer
	writer, err := export.NewWriter(&data, table(), export.Options{Format: export.Parquet})
	if err != nil {
		t.Fatal(err)
	}
	portion := make([]row, 10_000)
	for i := range portion {
		portion[i] = two()[0]
		portion[i].Count = int64(i*7919) % 1_000_003
	}
	held := 0
	for range 12 {
		before := data.Len()
		if err := writer.Write(portion); err != nil {
			t.Fatal(err)
		}
		if data.Len() == before {
			held++
		}
	}
	if held == 12 {
		t.Error("nothing is written before the end")
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	file, err := parquet.OpenFile(bytes.NewReader(data.Bytes()), int64(data.Len()))
	if err != nil {
		t.Fatal(err)
	}
	if unit, _ := file.Lookup("unit.power_w"); unit != "W" {
		t.Errorf("power is in %q", unit)
	}
	if groups := len(file.RowGroups()); groups != 3 || file.NumRows() != 120_000 {
		t.Errorf("%d rows in %d groups", file.NumRows(), groups)
	}
	var columns []string
	for _, column := range file.Root().Columns() {
		columns = append(columns, column.Name())
	}
	if got := strings.Join(columns, " "); got != "name time power_w count value relay doubtful" {
		t.Error(got)
	}
}

func TestAFormatThatIsNotThereIsRefused(t *testing.T) {
	if _, err := export.NewWriter(io.Discard, table(), export.Options{Format: "xml"}); err == nil {
		t.Error("it was taken")
	}
	for _, format := range export.Formats() {
		if _, err := export.NewWriter(io.Discard, table(), export.Options{Format: format}); err != nil || format.MediaType() == "application/octet-stream" {
			t.Errorf("%s: %v", format, err)
		}
	}
}
