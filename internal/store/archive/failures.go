package archive

import (
	"errors"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

// The TSDB's counters of what it does not return as an error.
const (
	lateLogFailures = "prometheus_tsdb_out_of_order_wbl_writes_failed_total"
	logsMended      = "prometheus_tsdb_wal_corruptions_total"
)

var errLateLog = errors.New("the log of late readings could not be written")

// failures is what the TSDB registers its metrics with. It keeps the two
// counters above and lets go of the rest.
type failures struct{ *prometheus.Registry }

func newFailures() *failures { return &failures{prometheus.NewRegistry()} }

// Register keeps a collector if it is one of the two.
func (f *failures) Register(collector prometheus.Collector) error {
	described := make(chan *prometheus.Desc)
	go func() {
		defer close(described)
		collector.Describe(described)
	}()
	wanted := false
	for desc := range described {
		wanted = wanted || isNamed(desc, lateLogFailures) || isNamed(desc, logsMended)
	}
	if !wanted {
		return nil
	}
	return f.Registry.Register(collector)
}

// MustRegister panics where Register fails.
func (f *failures) MustRegister(collectors ...prometheus.Collector) {
	for _, collector := range collectors {
		if err := f.Register(collector); err != nil {
			panic(err)
		}
	}
}

func isNamed(desc *prometheus.Desc, name string) bool {
	want := fmt.Sprintf("Desc{fqName: %q,", name)
	text := desc.String()
	return len(text) >= len(want) && text[:len(want)] == want
}

// ofLateLog is an error if late samples that were committed did not reach their
// log.
func (f *failures) ofLateLog() error {
	count, err := f.count(lateLogFailures)
	if err != nil {
		return err
	}
	if count > 0 {
		return errLateLog
	}
	return nil
}

// mended tells whether the TSDB had to mend a log when it was opened.
func (f *failures) mended() (bool, error) {
	count, err := f.count(logsMended)
	return count > 0, err
}

func (f *failures) count(name string) (float64, error) {
	families, err := f.Gather()
	if err != nil {
		return 0, fmt.Errorf("read the TSDB's counters: %w", err)
	}
	for _, family := range families {
		if family.GetName() == name {
			return family.GetMetric()[0].GetCounter().GetValue(), nil
		}
	}
	return 0, fmt.Errorf("the TSDB has no counter %s", name)
}
