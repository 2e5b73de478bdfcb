package e2e_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/testserver"
)

// TestSeparateProcesses is three processes, a stock mosquitto, an InfluxDB and
// plugs that are none of ours.
func TestSeparateProcesses(t *testing.T) {
	t.Parallel()
	since := time.Now()
	plugs := simulatedOffice(t)
	plugs.load(0)
	broker := testserver.Mosquitto(t, testserver.MosquittoOptions{})
	server := influx.For(t)
	bucket := server.NewBucket()
	o := newOffice(t, outsideBroker(broker))
	o.influxStore(server, bucket)
	o.declare(plugs.devices...)
	heard := (mqtt{t, broker.Addr()}).record("wattline/data/#")
	running := o.apart()

	t.Run("devices are listed and up", func(t *testing.T) { checkListed(t, o, &plugs) })
	t.Run("readings are those of the plugs to the last digit", func(t *testing.T) { checkNumbers(t, o, &plugs, since) })
	t.Run("relays move at the plugs", func(t *testing.T) { checkSwitching(t, o, &plugs) })
	t.Run("a plug that leaves is down, and returns", func(t *testing.T) { checkAway(t, o, &plugs) })
	t.Run("energy is asked for by window and group", func(t *testing.T) { checkConsumption(t, o, &plugs, since) })

	t.Run("InfluxDB itself has the readings that REST answers", func(t *testing.T) {
		running.agents.Stop()
		o := o.in(t)
		readings := map[string][]wattline.Reading{}
		testserver.Eventually(t, patience, func() error {
			stored := 0
			for _, id := range plugs.metered() {
				readings[id] = o.readingsOf(id)
				stored += len(readings[id])
			}
			if want := len(heard.readings()); stored != want {
				return fmt.Errorf("%d readings are stored, %d were heard", stored, want)
			}
			return nil
		})
		for field, of := range map[string]func(wattline.Reading) wattline.Milli{
			"power_w":   func(r wattline.Reading) wattline.Milli { return r.PowerW },
			"voltage_v": func(r wattline.Reading) wattline.Milli { return r.VoltageV },
			"current_a": func(r wattline.Reading) wattline.Milli { return r.CurrentA },
			"energy_wh": func(r wattline.Reading) wattline.Milli { return r.EnergyWh },
			"meter_wh":  func(r wattline.Reading) wattline.Milli { return r.MeterWh },
		} {
			rows := influxRows(server, bucket, field)
			answered := 0
			for _, id := range plugs.metered() {
				for _, r := range readings[id] {
					answered++
					if got := rows[id+" "+influxTime(r.Time)]; got != of(r).String() {
						t.Errorf("%s of %s at %s is %q in InfluxDB, %s over REST", field, id, r.Time, got, of(r))
					}
				}
			}
			if answered == 0 || answered != len(rows) {
				t.Errorf("InfluxDB has %d of %s, REST answers %d", len(rows), field, answered)
			}
		}
	})
}
