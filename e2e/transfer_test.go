package e2e_test

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/store"
	"github.com/wattline/wattline/internal/testserver"
	"github.com/wattline/wattline/internal/transfer"
	"github.com/wattline/wattline/internal/transfer/influx1"
)

const (
	exportedDevices  = 6
	exportedDays     = 10
	exportedReadings = exportedDays * exportedPerDay // of each device
	exportedPerDay   = 600
)

// exported is what the older system had, up to a noon.
type exported struct{ noon time.Time }

// at is when a reading was taken: every ten seconds for an hour and a half of each of
// the days before today.
func (e exported) at(i int) time.Time {
	const day = 24 * time.Hour
	return e.noon.Add(time.Duration(i/exportedPerDay-exportedDays+1)*day + time.Duration(i%exportedPerDay)*10*time.Second)
}

// export writes it.
func export(t *testing.T, path string) exported {
	t.Helper()
	const day = 24 * time.Hour
	e := exported{time.Now().UTC().Truncate(day).Add(-day / 2)}
	var text strings.Builder
	text.WriteString("# DML\n# CONTEXT-DATABASE:sp\n# CONTEXT-RETENTION-POLICY:autogen\n# writing tsm data\n")
	for _, measurement := range []string{"power", "status"} {
		for d := range exportedDevices {
			for i := range exportedReadings {
				value := fmt.Sprint(float64(i%1000) / 7)
				if measurement == "status" {
					value = fmt.Sprintf("%di", i/100%2)
				}
				fmt.Fprintf(&text, "%s,column=%d,id=sp_w.r1.c%d,row=1,type=w value=%s %d\n",
					measurement, d, d, value, e.at(i).UnixNano())
			}
		}
	}
	if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return e
}

// TestHistoryMovesFromStoreToStore: an export goes into the archive, from there to
// InfluxDB, and from there to another archive; the copies are killed on their way.
func TestHistoryMovesFromStoreToStore(t *testing.T) {
	t.Parallel()
	server := testserver.Influx(t)
	o := newOffice(t, "archive_retention: 0s")
	o.write("influx.token", server.Token()+"\n")
	o.settings = append(o.settings, fmt.Sprintf("influx: {url: %q, org: %s, bucket: %s, token_file: influx.token}", server.URL(), server.Org(), server.Bucket()))
	o.declare()
	e := export(t, filepath.Join(o.folder, "export.lp"))

	const all = exportedDevices * exportedReadings
	imported := run(t, o.folder, "import", "influx1", "export.lp", "--json")
	var taken influx1.Report
	if err := json.Unmarshal([]byte(imported.stdout), &taken); err != nil || imported.code != 0 || taken.Written != all {
		t.Fatalf("import: exit code %d, %v: %.2000s%s", imported.code, err, imported.stdout, imported.stderr)
	}

	for range 2 {
		o.killedCopy(func() int { return readingsIn(server) }, "--from", "archive", "--to", "influx")
	}
	o.copied("wattline.yaml", all, "--from", "archive", "--to", "influx")
	if n := readingsIn(server); n != all {
		t.Errorf("InfluxDB has %d readings", n)
	}

	settings, err := os.ReadFile(filepath.Join(o.folder, "wattline.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	o.write("back.yaml", strings.Replace(string(settings), "data: ./data", "data: ./back", 1))
	for range 2 {
		o.killedCopy(func() int { return kilobytesIn(filepath.Join(o.folder, "back", "archive")) },
			"--from", "influx", "--to", "archive", "-c", "back.yaml")
	}
	o.copied("back.yaml", all, "--from", "influx", "--to", "archive")
	o.copied("back.yaml", all, "--from", "archive", "--to", "influx", "--verify-only")
	o.copied("wattline.yaml", exportedReadings, "--from", "archive", "--to", "influx", "--verify-only", "--devices", "sp_w.r1.c3")

	t.Run("a difference is found", func(t *testing.T) { tamper(t, o, server) })
	t.Run("quarter-hours are made anew, and nothing that was right is", func(t *testing.T) { rebuild(o.in(t), e) })
	t.Run("an archive in use says what to do", func(t *testing.T) {
		o := o.in(t)
		w := o.up()
		defer w.Stop()
		got := run(t, o.folder, "history", "copy", "--from", "archive", "--to", "influx")
		if got.code != 1 || contains(got.stderr, "in use") != nil || contains(got.stderr, "set store: influx and restart it instead") != nil {
			t.Errorf("exit code %d: %s", got.code, got.stderr)
		}
	})
}

// killedCopy begins a copy and kills it when the target has grown by some of it.
func (o *office) killedCopy(size func() int, args ...string) {
	o.t.Helper()
	before := size()
	copying := start(o.t, o.folder, append([]string{"history", "copy"}, args...)...)
	testserver.Eventually(o.t, patience, func() error {
		if now := size(); now < before+100 {
			return fmt.Errorf("the target does not grow: %d, %d before", now, before)
		}
		return nil
	})
	copying.Kill()
}

// readingsIn counts those of the bucket.
func readingsIn(server *testserver.InfluxServer) int {
	rows := server.Query(fmt.Sprintf(`from(bucket: %q) |> range(start: -30d) |> filter(fn: (r) => r._measurement == "reading" and r._field == "power_w") |> group() |> count()`, server.Bucket()))
	if len(rows) == 0 {
		return 0
	}
	n, _ := strconv.Atoi(rows[0]["_value"])
	return n
}

// kilobytesIn are those of all files in a folder, none if there is none.
func kilobytesIn(folder string) int {
	var size int64
	_ = filepath.WalkDir(folder, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil {
			return nil //nolint:nilerr // files come and go
		}
		if info, err := entry.Info(); err == nil && !entry.IsDir() {
			size += info.Size()
		}
		return nil
	})
	return int(size >> 10)
}

// copied runs a copy to its end, which must find everything in its place.
func (o *office) copied(config string, readings int64, args ...string) {
	o.t.Helper()
	got := run(o.t, o.folder, append([]string{"history", "copy", "--json", "-c", config}, args...)...)
	var report transfer.Report
	if err := json.Unmarshal([]byte(got.stdout), &report); err != nil {
		o.t.Fatalf("%v: exit code %d, %v: %s", args, got.code, err, got.stderr)
	}
	if got.code != 0 || report.Done != readings || !report.OK() || report.Extra != 0 {
		o.t.Errorf("%v: exit code %d, %d readings, want %d: %.2000s", args, got.code, report.Done, readings, got.stdout)
	}
}

// tamper changes one reading in InfluxDB and takes another away.
func tamper(t *testing.T, o *office, server *testserver.InfluxServer) {
	rows := server.Query(fmt.Sprintf(`from(bucket: %q) |> range(start: -30d) |> filter(fn: (r) => r._measurement == "reading" and r._field == "power_w" and r.device == "sp_w.r1.c2") |> limit(n: 2)`, server.Bucket()))
	changed, err := wattline.ParseTime(rows[0]["_time"])
	if err != nil {
		t.Fatal(err)
	}
	server.Write(server.Bucket(), fmt.Sprintf("reading,device=sp_w.r1.c2 power_w=12345 %d", changed.UnixNano()))
	got := run(t, o.folder, "history", "copy", "--verify-only", "--from", "archive", "--to", "influx")
	day := changed.Format(time.DateOnly)
	if got.code != 1 || contains(got.stdout, "differs  sp_w.r1.c2  "+day) != nil || contains(got.stdout, "0 missing, 1 different") != nil {
		t.Errorf("exit code %d: %s%s", got.code, got.stdout, got.stderr)
	}
}

// rebuild does it with a system that runs and with the store alone.
func rebuild(o *office, e exported) {
	days := func(more ...string) (done store.Rebuilt) {
		o.t.Helper()
		from, to := e.at(0).Format(time.DateOnly), e.at(exportedReadings).Format(time.DateOnly)
		got := run(o.t, o.folder, append([]string{"history", "rebuild", "--json", "--from", from, "--to", to}, more...)...)
		if err := json.Unmarshal([]byte(got.stdout), &done); err != nil || got.code != 0 {
			o.t.Fatalf("exit code %d, %v: %s", got.code, err, got.stderr)
		}
		return done
	}
	const all = exportedDevices * exportedDays
	w := o.up()
	if done := days(); done.Days != all {
		o.t.Errorf("a running system goes through %d days, want %d", done.Days, all)
	}
	if done := days("--devices", "sp_w.r1.c1"); done != (store.Rebuilt{Days: exportedDays}) {
		o.t.Errorf("again, of one device: %+v", done)
	}
	w.Stop()
	for _, more := range [][]string{{}, {"--offline"}} {
		if done := days(more...); done != (store.Rebuilt{Days: all}) {
			o.t.Errorf("the store alone, with %v: %+v", more, done)
		}
	}
}

func TestMovingCommandsSayWhatIsWrong(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.declare()
	o.write("bad.lp", "power,id=sp_g0 value=1 1585217932000000000\npower\n")
	o.write("map.yaml", "sp_g0: {devce: x}\n")
	o.write("new.yaml", "data: ./new\n")
	o.write("other.lp", "# CONTEXT-DATABASE:home\npower,id=sp_g0 value=1 1585217932000000000\n")
	nobody := "http://" + freeAddr(t)
	for name, c := range map[string]struct {
		args []string
		code int
		says string
	}{
		"a copy to itself":          {[]string{"history", "copy", "--from", "archive", "--to", "archive"}, 2, "--from and --to must be"},
		"a copy from nowhere":       {[]string{"history", "copy"}, 2, "--from and --to must be"},
		"a time that is none":       {[]string{"history", "copy", "--from", "archive", "--to", "influx", "--since", "never"}, 2, `--since "never" must be`},
		"a copy without InfluxDB":   {[]string{"history", "copy", "--from", "influx", "--to", "archive"}, 1, "influx.token_file is missing"},
		"a copy of no archive":      {[]string{"history", "copy", "--from", "archive", "--to", "influx", "-c", "new.yaml"}, 1, "there is no archive"},
		"a gateway that is away":    {[]string{"history", "rebuild", "--from", "2026-03-01", "--to", "2026-03-02", "--url", nobody}, 1, "no gateway answers at " + nobody},
		"a rebuild from never":      {[]string{"history", "rebuild", "--from", "never", "-c", "none.yaml"}, 2, "--from"},
		"an import of a folder":     {[]string{"import", "influx1", "."}, 1, ". is not a file"},
		"a rebuild of no time":      {[]string{"history", "rebuild"}, 2, "--from must be given"},
		"an import of nothing":      {[]string{"import", "influx1", "none.lp"}, 1, "none.lp"},
		"an import without a file":  {[]string{"import", "influx1"}, 2, "accepts 1 arg"},
		"a bad line, strictly":      {[]string{"import", "influx1", "bad.lp", "--strict"}, 1, "line 2: "},
		"a map with a mistyped key": {[]string{"import", "influx1", "bad.lp", "--map", "map.yaml"}, 1, `did you mean "device"?`},
	} {
		t.Run(name, func(t *testing.T) {
			got := run(t, o.folder, c.args...)
			if got.code != c.code || contains(got.stderr, c.says) != nil {
				t.Errorf("exit code %d: %s", got.code, got.stderr)
			}
		})
	}
	t.Run("an import of another database names it", func(t *testing.T) {
		got := run(t, o.folder, "import", "influx1", "other.lp", "--dry-run")
		if got.code != 1 || contains(got.stdout, "of database sp in it") != nil || contains(got.stdout, "It has database home") != nil {
			t.Errorf("exit code %d: %s%s", got.code, got.stdout, got.stderr)
		}
	})
	for name, c := range map[string]struct{ flag, says string }{
		"a gateway elsewhere needs no configuration here": {"--url=" + nobody, "no gateway answers at " + nobody},
		"a store that is not there is not made":           {"--offline", "there is no archive"},
	} {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			got := run(t, folder, "history", "rebuild", "--from", "2026-03-01", "--to", "2026-03-02", c.flag)
			if got.code != 1 || contains(got.stderr, c.says) != nil {
				t.Errorf("exit code %d: %s", got.code, got.stderr)
			}
			if left, err := os.ReadDir(folder); err != nil || len(left) > 0 {
				t.Errorf("it leaves %v, %v", left, err)
			}
		})
	}
}
