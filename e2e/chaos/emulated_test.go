package chaos_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/e2e/chaos/truth"
	"github.com/wattline/wattline/internal/testserver"
)

// emulated is the plugs, in a process that nobody kills: what it tells is the truth.
type emulated struct {
	t       *testing.T
	control door
	devices []wattline.Device
}

// keptAnswers is more than a plug gives in the longest run.
const keptAnswers = 100_000

func startEmulator(t *testing.T, binary, folder string, plugs int) *emulated {
	t.Helper()
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(testserver.FreePort(t)))
	list := filepath.Join(folder, "plugs.json")
	out, err := os.Create(list)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd := exec.CommandContext(context.Background(), binary, "emulator", "--json", "--control", address,
		"--plugs", strconv.Itoa(plugs), "--answers", strconv.Itoa(keptAnswers), "--profile", "heater")
	cmd.Stdout = out
	testserver.Program(t, cmd)
	e := &emulated{t: t, control: newDoor("emulator", address)}
	testserver.Eventually(t, patience, func() error {
		text, err := os.ReadFile(list)
		if err != nil {
			return err
		}
		return json.Unmarshal(text, &e.devices)
	})
	return e
}

func (e *emulated) put(path, body string) {
	e.t.Helper()
	if a := e.control.send(context.Background(), http.MethodPut, path, body); a.err != nil || a.status != http.StatusNoContent {
		e.t.Fatalf("%s %s: %d %s %v", path, body, a.status, a.body, a.err)
	}
}

// misbehave sets a fault; * is every plug.
func (e *emulated) misbehave(plug, fault string) {
	e.t.Helper()
	e.put("/plugs/"+plug+"/fault", fmt.Sprintf(`{"fault":%q}`, fault))
}

func (e *emulated) setClock(plug, ahead string) {
	e.t.Helper()
	e.put("/plugs/"+plug+"/clock", fmt.Sprintf(`{"ahead":%q}`, ahead))
}

// relays is the position of each plug's relay.
func (e *emulated) relays() (map[string]wattline.Relay, error) {
	var views []struct {
		ID      string
		Outlets []struct{ On bool }
	}
	relays := map[string]wattline.Relay{}
	err := e.control.get(context.Background(), "/plugs", &views)
	for _, v := range views {
		relays[v.ID] = wattline.RelayOf(v.Outlets[0].On)
	}
	return relays, err
}

// answers is everything that a plug answered.
func (e *emulated) answers(plug string) (all []truth.Answer) {
	e.t.Helper()
	for {
		var page []struct {
			N        int64          `json:"n"`
			At       wattline.Time  `json:"at"`
			Method   string         `json:"method"`
			On       bool           `json:"on"`
			Sent     bool           `json:"sent"`
			PowerW   wattline.Milli `json:"power_w"`
			VoltageV wattline.Milli `json:"voltage_v"`
			CurrentA wattline.Milli `json:"current_a"`
			MeterWh  wattline.Milli `json:"meter_wh"`
		}
		if err := e.control.get(context.Background(), fmt.Sprintf("/plugs/%s/answers?after=%d", plug, len(all)), &page); err != nil {
			e.t.Fatal(err)
		}
		for _, a := range page {
			if a.N != int64(len(all)+1) {
				e.t.Fatalf("%s gave its answer %d after %d: the emulator keeps too few", plug, a.N, len(all))
			}
			all = append(all, truth.Answer{
				N: a.N, At: a.At.Time, Switched: a.Method == "set_relay_state", On: a.On, Sent: a.Sent,
				PowerW: a.PowerW, VoltageV: a.VoltageV, CurrentA: a.CurrentA, MeterWh: a.MeterWh,
			})
		}
		if len(page) == 0 {
			return all
		}
	}
}

// energy is what went through a plug, in thousandths of a watt-hour.
func (e *emulated) energy(plug string, from, to time.Time) (wattline.Milli, error) {
	const microjoules = 3_600_000 // of a thousandth of a watt-hour
	var body struct {
		Energy int64 `json:"true_energy_uj"`
	}
	query := url.Values{"from": {from.UTC().Format(time.RFC3339Nano)}, "to": {to.UTC().Format(time.RFC3339Nano)}}
	err := e.control.get(context.Background(), "/plugs/"+plug+"/energy?"+query.Encode(), &body)
	return wattline.Milli(body.Energy / microjoules), err
}
