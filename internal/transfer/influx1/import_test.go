package influx1_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/store"
	"github.com/wattline/wattline/internal/store/storetest"
	"github.com/wattline/wattline/internal/transfer/influx1"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func sample(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// imported imports a text into a store that it makes, unless there is one.
func imported(t *testing.T, text []byte, options influx1.Options) (*influx1.Report, []wattline.Reading) {
	t.Helper()
	if options.Store == nil {
		options.Store = storetest.NewMemory()
	}
	if options.Folder == "" {
		options.Folder = t.TempDir()
	}
	options.Export = bytes.NewReader(text)
	report, err := influx1.Import(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	if left, err := filepath.Glob(filepath.Join(options.Folder, "*.sqlite*")); err != nil || len(left) > 0 {
		t.Errorf("%v stays behind", left)
	}
	return report, everything(t, options.Store)
}

func everything(t *testing.T, s store.Store) []wattline.Reading {
	t.Helper()
	devices, err := s.Devices(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(devices) == 0 {
		return nil
	}
	all, err := s.Readings(t.Context(), store.Query{Devices: devices, From: start().AddDate(-10, 0, 0), To: start().AddDate(5, 0, 0), Limit: store.MaxLimit})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// start is where the samples begin.
func start() time.Time { return time.Date(2020, 3, 26, 10, 18, 52, 0, time.UTC) }

func TestEveryFormatGivesTheSameReadings(t *testing.T) {
	golden := filepath.Join("testdata", "readings.ndjson")
	if *update {
		_, readings := imported(t, sample(t, "select.csv"), influx1.Options{})
		var text bytes.Buffer
		for _, r := range readings {
			if err := json.NewEncoder(&text).Encode(r); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(golden, text.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string][]byte{
		"influx_inspect export":             sample(t, "export.lp"),
		"influx_inspect export -compress":   zipped(t, sample(t, "export.lp")),
		"CSV with a column for each tag":    sample(t, "select.csv"),
		"CSV with the tags in one column":   sample(t, "grouped.csv"),
		"CSV with the line ends of Windows": bytes.ReplaceAll(sample(t, "select.csv"), []byte("\n"), []byte("\r\n")),
		"CSV without an end of its last":    bytes.TrimRight(sample(t, "grouped.csv"), "\n"),
	} {
		t.Run(name, func(t *testing.T) {
			_, readings := imported(t, text, influx1.Options{})
			var got strings.Builder
			for _, r := range readings {
				line, err := json.Marshal(r)
				if err != nil {
					t.Fatal(err)
				}
				fmt.Fprintf(&got, "%s\n", line)
			}
			if diff := cmp.Diff(string(sample(t, "readings.ndjson")), got.String()); diff != "" {
				t.Errorf("(-want +got; -update writes the golden file anew)\n%s", diff)
			}
		})
	}
}

func zipped(t *testing.T, text []byte) []byte {
	t.Helper()
	var packed bytes.Buffer
	writer := gzip.NewWriter(&packed)
	if _, err := writer.Write(text); err != nil {
		t.Fatal(err)
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	return packed.Bytes()
}

func TestAnExportOfAnotherDatabaseIsNotAllRight(t *testing.T) {
	for name, text := range map[string]string{
		"another database":    "# CONTEXT-DATABASE:home\npower,id=a value=1 1585217932000000000\n# CONTEXT-DATABASE:telegraf\n# CONTEXT-DATABASE:home\ncpu value=1 1\n",
		"another measurement": "cpu value=1 1585217932000000000\n",
		"nothing":             "",
		"CSV of nothing":      "name,time,id,value\n",
	} {
		t.Run(name, func(t *testing.T) {
			report, readings := imported(t, []byte(text), influx1.Options{})
			if report.OK() || len(readings) > 0 {
				t.Errorf("%+v", report)
			}
			if named := strings.Join(report.Databases, " "); name == "another database" && named != "home telegraf" {
				t.Errorf("it names %q", named)
			}
		})
	}
}

func TestTheReportCountsEveryLine(t *testing.T) {
	report, _ := imported(t, sample(t, "export.lp"), influx1.Options{})
	want := influx1.Tally{
		Lines: 48, Points: 28, Other: 3, Bad: 5, Databases: []string{"_internal"},
		BadLines: []influx1.BadLine{
			{29, "column 56: field value has unrecognized type"},
			{41, "the status is 7, neither 0 nor 1"},
			{43, `"skipped missing file: /var/lib/influxdb/data/sp/autogen/7/000000002-000000001.tsm": the export lacks a file`},
			{47, `the id "SP Q9" must be 1 to 63 of a-z, 0-9, dot, hyphen and underscore, and begin with a letter or digit: give it a device in the map file`},
			{48, "the time \"\" is neither RFC 3339 nor in nanoseconds"},
		},
	}
	if diff := cmp.Diff(want, report.Tally); diff != "" {
		t.Error(diff)
	}
	if report.OK() || report.Written != 16 {
		t.Errorf("%+v", report)
	}
	devices := []influx1.DeviceReport{
		{
			ID: "sp_g0", Place: influx1.Place{Device: "sp_g0", Location: "meeting-room/g0", Kind: "meeting-room"},
			Readings: 4, First: after(0), Last: after(16), EnergyWh: 6117,
		},
		{
			ID: "sp_p2", Place: influx1.Place{Device: "sp_p2", Location: "printer/p2", Kind: "printer"},
			Readings: 4, First: after(3), Last: after(18), EnergyWh: 572,
		},
		{
			ID: "sp_w.r1.c1", Place: influx1.Place{Device: "sp_w.r1.c1", Location: "grid/r1/c1", Kind: "workstation"},
			Readings: 8, First: after(0), Last: after(90), Gaps: 1, EnergyWh: 314,
		},
	}
	if diff := cmp.Diff(devices, report.Devices); diff != "" {
		t.Error(diff)
	}
}

func after(seconds int) wattline.Time {
	return wattline.At(start().Add(time.Duration(seconds) * time.Second))
}

func TestAFileThatIsNoExportIsRefused(t *testing.T) {
	long := "power,id=sp_g0 value=1" + strings.Repeat(" ", 20_000) + "1585217932000000000\n"
	for name, c := range map[string]struct {
		text   []byte
		strict bool
		says   string
	}{
		"cut short in a compressed file": {zipped(t, sample(t, "export.lp"))[:400], false, "cut short or damaged"},
		"not compressed after all":       {[]byte("\x1f\x8bhello"), false, "unpack it"},
		"with a bad line, where every line counts": {
			sample(t, "export.lp"), true, "line 29",
		},
		"with too long a line, where every line counts": {[]byte(long), true, "line 1: it is longer than 16384 bytes"},
		"with two ids for one device": {
			[]byte("power,id=sp_g0 value=1 1585217932000000000\npower,id=sp_g1 value=1 1585217932000000000\n"), false,
			"sp_g0 and sp_g1 would both be the device sp_g1",
		},
	} {
		t.Run(name, func(t *testing.T) {
			target := storetest.NewMemory()
			_, err := influx1.Import(t.Context(), influx1.Options{
				Export: bytes.NewReader(c.text), Store: target, Folder: t.TempDir(), Strict: c.strict,
				Places: map[string]influx1.Place{"sp_g0": {Device: "sp_g1"}},
			})
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v", err)
			}
			if all := everything(t, target); all != nil {
				t.Errorf("%d readings were written", len(all))
			}
		})
	}
	t.Run("but not for one bad line", func(t *testing.T) {
		text := []byte(long + "power,id=sp_g0 value=1 1585217932000000000\n")
		report, readings := imported(t, text, influx1.Options{})
		if report.Bad != 1 || report.BadLines[0].Line != 1 || len(readings) != 1 {
			t.Errorf("%+v", report)
		}
	})
}

func TestPlaces(t *testing.T) {
	for line, want := range map[string]influx1.Place{
		"power,id=sp_w.r1.c2,type=w,row=1,column=2 value=1": {"sp_w.r1.c2", "grid/r1/c2", "workstation"},
		"power,id=w.r1.c2,type=w,row=r1,column=c2 value=1":  {"w.r1.c2", "grid/r1/c2", "workstation"},
		"power,id=sp_w.r16.c4 value=1":                      {"sp_w.r16.c4", "grid/r16/c4", "workstation"},
		"power,id=sp_g3,type=g value=1":                     {"sp_g3", "meeting-room/g3", "meeting-room"},
		"power,id=sp_m1,type=m value=1":                     {"sp_m1", "meeting-room/m1", "meeting-room"},
		"power,id=sp_p0 value=1":                            {"sp_p0", "printer/p0", "printer"},
		"power,id=lamp,type=x value=1":                      {"lamp", "other/lamp", "other"},
		"power,id=Mapped\\ 1,type=p value=1":                {"printer-1", "hq/f1/copy-room", "copier"},
		"power,id=moved,type=w,row=1,column=2 value=1":      {"moved", "hq/f2", "workstation"},
		"power,id=sp_w.r1.c2,type=w,column=2 value=1":       {"sp_w.r1.c2", "workstation/w.r1.c2", "workstation"},
	} {
		t.Run(line, func(t *testing.T) {
			report, _ := imported(t, []byte(line+" 1585217932000000000\n"), influx1.Options{Places: map[string]influx1.Place{
				"Mapped 1": {Device: "printer-1", Location: "hq/f1/copy-room", Kind: "copier"},
				"moved":    {Location: "hq/f2"},
				"unused":   {},
			}})
			if len(report.Devices) != 1 || report.Devices[0].Place != want {
				t.Errorf("%+v", report)
			}
			if !slices.Contains(report.Unused, "unused") {
				t.Errorf("unused: %v", report.Unused)
			}
		})
	}
}

func TestADryRunWritesNothing(t *testing.T) {
	report, err := influx1.Import(t.Context(), influx1.Options{Export: bytes.NewReader(sample(t, "select.csv")), Folder: t.TempDir()})
	if err != nil || report.Written != 0 || len(report.Devices) != 3 || report.Devices[2].Readings != 8 {
		t.Errorf("%+v, %v", report, err)
	}
}

// refusing refuses what comes before an instant.
type refusing struct {
	*storetest.Memory

	before time.Time
}

func (r refusing) Write(ctx context.Context, readings []wattline.Reading) error {
	refused := &store.RefusedError{}
	for i, reading := range readings {
		if reading.Time.Before(r.before) {
			refused.Readings = append(refused.Readings, store.RefusedReading{Index: i, Reason: "too old"})
		} else if err := r.Memory.Write(ctx, readings[i:i+1]); err != nil {
			return err
		}
	}
	if len(refused.Readings) == 0 {
		return nil
	}
	return refused
}

func TestRefusedReadingsAreListed(t *testing.T) {
	report, readings := imported(t, sample(t, "select.csv"), influx1.Options{Store: refusing{storetest.NewMemory(), start().Add(5 * time.Second)}})
	if report.Refused != 3 || len(report.Refusals) != 3 || report.Refusals[0].Reason != "too old" || report.OK() {
		t.Errorf("%+v", report)
	}
	if report.Written != 13 || len(readings) != 13 {
		t.Errorf("%d were written, %d are there", report.Written, len(readings))
	}
}

func TestTwoImportsAtOnceAreRefused(t *testing.T) {
	folder := t.TempDir()
	var second error
	_, err := influx1.Import(t.Context(), influx1.Options{Export: reader(func([]byte) (int, error) {
		_, second = influx1.Import(t.Context(), influx1.Options{Export: strings.NewReader(""), Folder: folder})
		return 0, errors.New("enough")
	}), Folder: folder})
	if err == nil || second == nil || !strings.Contains(second.Error(), "in use") {
		t.Error(err, second)
	}
}

type reader func([]byte) (int, error)

func (r reader) Read(into []byte) (int, error) { return r(into) }
