package e2e_test

import (
	"context"
	"encoding/json"
	"net"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/agents/emulator"
	"github.com/wattline/wattline/internal/config"
	"github.com/wattline/wattline/internal/testserver"
)

func TestPlugCommands(t *testing.T) {
	t.Parallel()
	plugs := simulatedOffice(t)
	plugs.load(0)

	for _, d := range plugs.devices {
		plug := plugs.plugs[d.ID]
		t.Run(d.ID+" is switched and read", func(t *testing.T) {
			for _, to := range []string{"off", "on"} {
				got := run(t, ".", "plug", to, d.Address)
				if got.code != 0 || plug.Report().On != (to == "on") {
					t.Errorf("plug %s: exit code %d, on %t: %s", to, got.code, plug.Report().On, got.stderr)
				}
			}
			var view struct {
				Relay    wattline.Relay  `json:"relay"`
				PowerW   *wattline.Milli `json:"power_w"`
				VoltageV *wattline.Milli `json:"voltage_v"`
				CurrentA *wattline.Milli `json:"current_a"`
				MeterWh  *wattline.Milli `json:"meter_wh"`
			}
			got := run(t, ".", "plug", "read", d.Address, "--json")
			if err := json.Unmarshal([]byte(got.stdout), &view); err != nil || got.code != 0 {
				t.Fatalf("plug read --json: exit code %d, %v: %s%s", got.code, err, got.stdout, got.stderr)
			}
			text := run(t, ".", "plug", "read", d.Address).stdout
			report := plug.Report()
			if !report.Metered {
				if view.PowerW != nil || strings.Contains(text, "power") {
					t.Errorf("a plug without a meter measures %s", got.stdout)
				}
				return
			}
			reading := wattline.Reading{
				Device: d.ID, PowerW: *view.PowerW, VoltageV: *view.VoltageV, CurrentA: *view.CurrentA, MeterWh: *view.MeterWh, Relay: view.Relay,
			}
			if difference := plugs.differs(reading); difference != "" {
				t.Error(difference)
			}
			if err := contains(text, view.PowerW.String()+" W"); err != nil {
				t.Error(err)
			}
		})
	}

	t.Run("a strip lists its outlets", func(t *testing.T) {
		strip, _, _ := strings.Cut(plugs.devices[len(plugs.devices)-1].Address, "/")
		got := run(t, ".", "plug", "read", strip)
		for _, outlet := range []string{"/00", "/05"} {
			if err := contains(got.stdout, strip+outlet); err != nil {
				t.Error(err)
			}
		}
		if got.code != 0 {
			t.Error(got.code, got.stderr)
		}
	})
}

func TestExitCodes(t *testing.T) {
	t.Parallel()
	closed := freeAddr(t)
	for name, c := range map[string]struct {
		args []string
		code int
		says string
	}{
		"nobody at the address":                  {[]string{"plug", "read", closed}, 1, "connection refused"},
		"nobody to switch":                       {[]string{"plug", "off", closed}, 1, "connection refused"},
		"an address that is none":                {[]string{"plug", "read", "192.0.2.1.7"}, 2, "address"},
		"an address with a bad port":             {[]string{"plug", "read", "192.0.2.1:0"}, 2, "port"},
		"no address":                             {[]string{"plug", "read"}, 2, "accepts 1 arg"},
		"an unknown command":                     {[]string{"plugg"}, 2, `unknown command "plugg"`},
		"an unknown command of a command":        {[]string{"plug", "toggle", closed}, 2, `unknown command`},
		"an unknown flag":                        {[]string{"up", "--confg", "x"}, 2, "unknown flag: --confg"},
		"a flag of the wrong type":               {[]string{"demo", "--plugs", "many"}, 2, "invalid argument"},
		"no plugs":                               {[]string{"demo", "--plugs", "0"}, 2, "--plugs must lie between"},
		"an address to listen at without a port": {[]string{"demo", "--listen", "nope"}, 2, "--listen must be host:port"},
		"a port that is none":                    {[]string{"demo", "--broker-listen", ":99999"}, 2, "--broker-listen must end in a port"},
		"a folder without a name":                {[]string{"demo", "--data", ""}, 2, "--data must name"},
		"nothing to emulate":                     {[]string{"emulator", "--plugs", "0"}, 2, "--plugs"},
		"a time that stands":                     {[]string{"emulator", "--speed", "0"}, 2, "--speed must be above 0"},
		"an unknown role":                        {[]string{"run", "collectr"}, 2, `unknown role "collectr"`},
		"a flag that is required":                {[]string{"broker", "acl"}, 2, "required flag"},
		"no role":                                {[]string{"run"}, 2, "requires at least 1 arg"},
		"an unknown log level":                   {[]string{"check", "--log-level", "loud"}, 2, "--log-level must be"},
		"an unknown fault":                       {[]string{"emulator", "--faults", "desk-1=explode"}, 2, "--faults"},
		"a fault of an unknown plug":             {[]string{"emulator", "--plugs", "1", "--faults", "desk-99=hang"}, 2, "desk-99"},
		"a token without a role":                 {[]string{"token", "create", "--name", "x", "--scope", "*"}, 2, "--role must be"},
		"a token of no scope":                    {[]string{"token", "create", "--name", "x", "--role", "viewer"}, 2, "--scope must be"},
		"a token until whenever":                 {[]string{"token", "create", "--name", "x", "--role", "viewer", "--scope", "*", "--expires", "soon"}, 2, "--expires must be"},
		"a token of nowhere":                     {[]string{"token", "list"}, 1, "start Wattline once"},
		"a password from nowhere":                {[]string{"user", "password", "ana"}, 2, "--password-file"},
		"a head that is none":                    {[]string{"audit", "verify", "--head", "1"}, 2, "--head must be"},
		"no configuration":                       {[]string{"up", "-c", "none.yaml"}, 1, "none.yaml"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := run(t, t.TempDir(), c.args...)
			if got.code != c.code || !strings.Contains(got.stderr, c.says) || got.stdout != "" {
				t.Errorf("exit code %d, want %d; it says %q, want %q; on stdout %q", got.code, c.code, got.stderr, c.says, got.stdout)
			}
			if c.code == 2 && !strings.Contains(got.stderr, "--help") {
				t.Errorf("it does not say where help is: %q", got.stderr)
			}
		})
	}
}

func TestHelp(t *testing.T) {
	t.Parallel()
	for _, command := range []string{
		"", "demo", "up", "run", "check", "plug", "plug read", "plug on", "plug off", "emulator",
		"token", "token create", "token list", "token revoke", "user", "user add", "user list", "user password", "user remove", "audit", "audit verify",
	} {
		got := run(t, ".", append(strings.Fields(command), "--help")...)
		if got.code != 0 || !strings.Contains(got.stdout, "\nExamples:\n") || !strings.Contains(got.stdout, "Usage:") {
			t.Errorf("wattline %s --help: exit code %d:\n%s", command, got.code, got.stdout)
		}
	}
	t.Run("the version is what the linker was told", func(t *testing.T) {
		if got := run(t, ".", "--version"); got.code != 0 || got.stdout != "wattline "+builtVersion+"\n" {
			t.Errorf("exit code %d: %q", got.code, got.stdout)
		}
	})
	t.Run("completion is a script that the shell takes", func(t *testing.T) {
		got := run(t, ".", "completion", "bash")
		check := exec.CommandContext(soon(t), "bash", "-n")
		check.Stdin = strings.NewReader(got.stdout)
		if printed, err := check.CombinedOutput(); got.code != 0 || err != nil || !strings.Contains(got.stdout, "wattline") {
			t.Errorf("exit code %d, bash: %v: %s", got.code, err, printed)
		}
		if roles := run(t, ".", "__complete", "run", ""); !strings.Contains(roles.stdout, "collector\n") {
			t.Errorf("completing a role offers %q", roles.stdout)
		}
	})
}

func TestCheck(t *testing.T) {
	t.Parallel()
	plugs := simulatedOffice(t)
	plugs.load(0)
	broker := testserver.Mosquitto(t, testserver.MosquittoOptions{})

	t.Run("all is in order", func(t *testing.T) {
		o := newOffice(t, outsideBroker(broker))
		server := influx.For(t)
		o.influxStore(server, server.NewBucket())
		o.declare(plugs.devices...)
		got := run(t, o.folder, "check", "-c", "wattline.yaml")
		if got.code != 0 {
			t.Errorf("exit code %d: %s%s", got.code, got.stdout, got.stderr)
		}
		for _, says := range []string{"configuration", "broker", "there and back", "store", "InfluxDB at " + server.URL(), "plug desk-1", "61.753 W", "plug strip-2"} {
			if err := contains(got.stdout, says); err != nil {
				t.Error(err)
			}
		}
		if strings.Contains(got.stdout, "FAIL") || strings.Contains(got.stdout+got.stderr, server.Token()) {
			t.Errorf("it says %s%s", got.stdout, got.stderr)
		}
		wantNothingLeft(t, broker)
	})

	t.Run("each thing that is not in order is named", func(t *testing.T) {
		o := newOffice(t, "broker: mqtt://"+freeAddr(t))
		server := influx.For(t)
		o.influxStore(server, "no-such-bucket")
		o.declare(plugs.devices[0], device("desk-8", "workstation", freeAddr(t)))
		got := run(t, o.folder, "check", "-c", "wattline.yaml", "--json")
		var findings []struct {
			What, Detail string
			OK           bool
		}
		if err := json.Unmarshal([]byte(got.stdout), &findings); err != nil || got.code != 1 {
			t.Fatalf("exit code %d, %v: %s%s", got.code, err, got.stdout, got.stderr)
		}
		ok := map[string]bool{}
		said := map[string]string{}
		for _, f := range findings {
			ok[f.What], said[f.What] = f.OK, f.Detail
		}
		want := map[string]bool{"configuration": true, "broker": false, "store": false, "plug desk-1": true, "plug desk-8": false}
		for what, fine := range want {
			if ok[what] != fine {
				t.Errorf("%s is in order: %t: %s", what, ok[what], said[what])
			}
		}
		for what, says := range map[string]string{"plug desk-8": "refused", "store": "no-such-bucket", "broker": "connect"} {
			if err := contains(said[what], says); err != nil {
				t.Errorf("%s: %v", what, err)
			}
		}
	})

	t.Run("a wrong file is told by its line", func(t *testing.T) {
		o := newOffice(t)
		o.write("wattline.yaml", "site: hq\npol: 5s\n")
		got := run(t, o.folder, "check")
		if err := contains(got.stdout, `line 2: unknown key "pol"; did you mean "poll"?`); got.code != 1 || err != nil {
			t.Error(got.code, err, got.stderr)
		}
	})
}

// wantNothingLeft: a check leaves no presence behind that says online.
func wantNothingLeft(t *testing.T, broker *testserver.MosquittoServer) {
	t.Helper()
	for topic, payload := range (mqtt{t, broker.Addr()}).record("wattline/#").newest() {
		if !strings.Contains(payload, `"offline"`) {
			t.Errorf("it left %s on %s", payload, topic)
		}
	}
}

func TestTheDeployedConfiguration(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../deploy/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	loaded, err := config.Load("../deploy/wattline.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := net.SplitHostPort(loaded.Listen); err != nil {
		t.Error(err)
	}
}

func TestDiscoverFindsThePlugsOfANetwork(t *testing.T) {
	t.Parallel()
	port := testserver.FreePort(t)
	office, err := emulator.NewOffice(emulator.OfficeOptions{
		Plugs: 3, Strips: 1, OwnAddresses: true, Host: "127.0.5.1", BasePort: port, Options: emulator.Options{Discovery: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	if err := office.Listen(ctx); err != nil {
		t.Fatal(err)
	}
	go func() { ended <- office.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	got := run(t, ".", "discover", "127.0.5.0/29", "--port", strconv.Itoa(port), "--json")
	var found []wattline.FoundPlug
	if err := json.Unmarshal([]byte(got.stdout), &found); err != nil || got.code != 0 || len(found) != 4 {
		t.Fatalf("exit code %d, %v: %s%s", got.code, err, got.stdout, got.stderr)
	}
	for i, plug := range office.Plugs() {
		if found[i].Address != plug.Addr() || found[i].DeviceID != plug.DeviceID() || found[i].KLAP {
			t.Errorf("%+v", found[i])
		}
	}
	if len(found[3].Outlets) != 6 || !strings.HasSuffix(found[3].Outlets[5].Address, "/05") {
		t.Errorf("the strip: %+v", found[3])
	}
	for _, args := range [][]string{{"10.0.0.0/8"}, {"desk-1"}, {"--per-second", "0"}} {
		if got := run(t, ".", append([]string{"discover"}, args...)...); got.code != 2 {
			t.Errorf("%v: exit code %d: %s", args, got.code, got.stderr)
		}
	}
}
