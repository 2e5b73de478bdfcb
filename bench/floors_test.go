package bench_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"

	"github.com/wattline/wattline"
)

// The floors of the ingest benchmark run as processes of their own, so that their
// CPU time is theirs alone. BENCH_TARGET says where to write.

// appendBare appends all fields of the readings to a TSDB, a batch to a commit.
func appendBare() error {
	db, err := tsdb.Open(os.Getenv("BENCH_TARGET"), nil, nil, tsdb.DefaultOptions(), nil)
	if err != nil {
		return err
	}
	batches, err := allBatches()
	if err != nil {
		return err
	}
	series := map[string]*bareSeries{}
	took := cpuOf(func() {
		for _, batch := range batches {
			if err = appendBatch(db, batch, series); err != nil {
				return
			}
		}
	})
	fmt.Println(took)
	return errors.Join(err, db.Close())
}

// bareSeries is what a careful writer remembers of a device.
type bareSeries struct {
	labels [9]labels.Labels
	refs   [9]storage.SeriesRef
}

func appendBatch(db *tsdb.DB, batch []wattline.Reading, known map[string]*bareSeries) error {
	app := db.Appender(context.Background())
	for _, r := range batch {
		of := known[r.Device]
		if of == nil {
			of = &bareSeries{}
			for f := range of.labels {
				of.labels[f] = labels.FromStrings("__name__", fmt.Sprint("field_", f), "device", r.Device)
			}
			known[r.Device] = of
		}
		at := r.Time.UnixMilli()
		for f, value := range [9]float64{
			float64(r.EnergyWh), float64(r.CoversS), float64(r.PowerW), float64(r.VoltageV), float64(r.CurrentA),
			float64(r.MeterWh), 1, float64(r.RSSIdBm), float64(r.Quality),
		} {
			ref, err := app.Append(of.refs[f], of.labels[f], at, value)
			if err != nil {
				return err
			}
			of.refs[f] = ref
		}
	}
	return app.Commit()
}

// postBare posts the readings as line protocol, a batch to a request. The lines
// are made beforehand.
func postBare() error {
	target, token, _ := strings.Cut(os.Getenv("BENCH_TARGET"), " ")
	var bodies [][]byte
	batches, err := allBatches()
	if err != nil {
		return err
	}
	for _, batch := range batches {
		bodies = append(bodies, linesOf(batch))
	}
	client := &http.Client{Timeout: time.Minute}
	took := cpuOf(func() {
		for _, body := range bodies {
			if err = post(client, target, token, body); err != nil {
				return
			}
		}
	})
	fmt.Println(took)
	return err
}

func post(client *http.Client, target, token string, body []byte) error {
	request, err := http.NewRequestWithContext(context.Background(), http.MethodPost, target, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Token "+token)
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusNoContent {
		err = fmt.Errorf("%s: %s", response.Status, answer)
	}
	return err
}

func linesOf(batch []wattline.Reading) []byte {
	var lines []byte
	for _, r := range batch {
		lines = fmt.Appendf(lines, "reading,device=%s power_w=%v,voltage_v=%v,current_a=%v,energy_wh=%v,meter_wh=%v,covers_s=%v,relay=%t,rssi_dbm=%di,quality=%di %d\n",
			r.Device, r.PowerW, r.VoltageV, r.CurrentA, r.EnergyWh, r.MeterWh, r.CoversS, r.Relay == wattline.RelayOn, r.RSSIdBm, r.Quality, r.Time.UnixMilli())
	}
	return lines
}

func allBatches() ([][]wattline.Reading, error) {
	devices, err := strconv.Atoi(os.Getenv("BENCH_DEVICES"))
	if err != nil {
		return nil, err
	}
	var batches [][]wattline.Reading
	for first := 0; first < ingested; first += batchReadings {
		batch := make([]wattline.Reading, batchReadings)
		for i := range batch {
			batch[i] = numbered(first+i, devices)
		}
		batches = append(batches, batch)
	}
	return batches, nil
}
