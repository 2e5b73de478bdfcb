package e2e_test

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/testserver"
)

// TestNoReadingIsLostOrDoubled kills what stands between a plug and its store,
// and afterwards holds what is stored against what was heard on MQTT meanwhile.
func TestNoReadingIsLostOrDoubled(t *testing.T) {
	t.Parallel()
	for _, store := range []string{"archive", "influx"} {
		t.Run(store, func(t *testing.T) {
			t.Parallel()
			s := startScene(t, store)
			s.heardMore(6)

			s.components.Kill()
			s.heardMore(8)
			s.components = s.roles("registry", "history", "hook")
			s.heardMore(4)

			if s.server != nil {
				s.server.Kill()
				s.heardMore(8)
				s.server.Start()
			}

			s.agents.Kill()
			s.agents = s.roles("collector", "controller")
			s.heardMore(8)

			s.components.Kill()
			s.agents.Kill()
			s.agents = s.roles("collector", "controller")
			s.heardMore(4)
			s.components = s.roles("registry", "history", "hook")
			s.heardMore(2)
			s.freeze()
			s.settle()
		})
	}
}

// scene is three processes on emulated plugs, and somebody who listens.
type scene struct {
	*office
	parts

	plugs  emulated
	heard  *recorder
	server *testserver.InfluxServer
	bucket string
	since  time.Time
}

func startScene(t *testing.T, store string) *scene {
	t.Helper()
	broker := testserver.Mosquitto(t, testserver.MosquittoOptions{})
	s := &scene{since: time.Now(), plugs: startEmulator(t, "--plugs", "4")}
	s.office = newOffice(t, outsideBroker(broker))
	if store == "influx" {
		s.server = testserver.Influx(t)
		s.bucket = s.server.Bucket()
		s.influxStore(s.server, s.bucket)
	} else {
		s.settings = append(s.settings, "store: archive")
	}
	s.declare(s.plugs.devices...)
	s.heard = (mqtt{t, broker.Addr()}).record("wattline/data/#")
	s.parts = s.apart()
	return s
}

// heardMore waits until so many more readings have been heard.
func (s *scene) heardMore(readings int) {
	s.t.Helper()
	already := len(s.heard.readings())
	testserver.Eventually(s.t, patience, func() error {
		if now := len(s.heard.readings()); now < already+readings {
			return fmt.Errorf("%d readings were heard, %d more than before", now, now-already)
		}
		return nil
	})
}

// freeze makes the plugs refuse, so that no reading is added. Those that were
// taken have been heard when it returns.
func (s *scene) freeze() {
	s.t.Helper()
	if got, err := s.plugs.send(http.MethodPut, "/plugs/*/fault", `{"fault":"refuse"}`); err != nil || got.status != http.StatusNoContent {
		s.t.Fatal(got.status, err)
	}
	for _, d := range s.plugs.devices {
		s.eventuallyState(d.ID, "down", func(state wattline.FreshState) bool { return state.State.Availability == wattline.AvailabilityDown })
	}
}

type identity struct {
	device string
	time   wattline.Time
}

// settle waits until as many readings are stored as were numbered, and compares
// them.
func (s *scene) settle() {
	s.t.Helper()
	heard := s.heard.readings()
	last := uint64(0)
	numbers := map[uint64]bool{}
	streams := map[string]bool{}
	for _, r := range heard {
		last = max(last, r.Seq)
		streams[r.Stream] = true
		numbers[r.Seq] = true
	}
	if len(streams) != 1 {
		s.t.Errorf("the readings came in %d streams, for one journal", len(streams))
	}
	if unheard := int(last) - len(numbers); unheard > 2*len(s.plugs.devices) {
		s.t.Errorf("%d of %d numbers were never heard live; two kills may account for one of each plug", unheard, last)
	}
	var stored map[identity]wattline.Reading
	testserver.Eventually(s.t, patience, func() (err error) {
		if stored, err = s.stored(); err == nil && uint64(len(stored)) < last {
			err = fmt.Errorf("%d readings are stored of %d", len(stored), last)
		}
		return err
	})
	if uint64(len(stored)) != last {
		s.t.Errorf("%d readings are stored, %d were numbered", len(stored), last)
	}
	for _, want := range heard {
		got, ok := stored[identity{want.Device, want.Time}]
		want.Stream, want.Seq = "", 0
		if !ok || got != want {
			s.t.Errorf("%+v was heard; stored is %+v", want, got)
		}
	}
	s.inInflux(stored)
	s.neverFalls(stored)
}

// stored is what REST answers; a reading that comes twice is an error.
func (s *scene) stored() (map[identity]wattline.Reading, error) {
	stored := map[identity]wattline.Reading{}
	for _, d := range s.plugs.devices {
		readings, err := s.tryReadings(d.ID, s.since)
		if err != nil {
			return nil, err
		}
		for _, r := range readings {
			if _, twice := stored[identity{r.Device, r.Time}]; twice {
				s.t.Errorf("%s at %s is stored twice", r.Device, r.Time)
			}
			stored[identity{r.Device, r.Time}] = r
		}
	}
	return stored, nil
}

// inInflux asks InfluxDB itself.
func (s *scene) inInflux(stored map[identity]wattline.Reading) {
	s.t.Helper()
	if s.server == nil {
		return
	}
	rows := influxRows(s.server, s.bucket, "power_w")
	if len(rows) != len(stored) {
		s.t.Errorf("InfluxDB has %d readings, REST answers %d", len(rows), len(stored))
	}
	for id, r := range stored {
		if got := rows[id.device+" "+influxTime(id.time)]; got != r.PowerW.String() {
			s.t.Errorf("power of %s at %s is %q in InfluxDB, %s over REST", id.device, id.time, got, r.PowerW)
		}
	}
}

// neverFalls: the counter goes on over all that was killed.
func (s *scene) neverFalls(stored map[identity]wattline.Reading) {
	s.t.Helper()
	byDevice := map[string][]wattline.Reading{}
	for _, r := range stored {
		byDevice[r.Device] = append(byDevice[r.Device], r)
	}
	for device, readings := range byDevice {
		slices.SortFunc(readings, func(a, b wattline.Reading) int { return a.Time.Compare(b.Time.Time) })
		for i, r := range readings[1:] {
			if r.EnergyWh < readings[i].EnergyWh {
				s.t.Errorf("the counter of %s falls from %v to %v at %s", device, readings[i].EnergyWh, r.EnergyWh, r.Time)
			}
		}
	}
}
