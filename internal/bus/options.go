package bus

import (
	"cmp"
	"crypto/tls"
	"fmt"
	"log/slog"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/telemetry"
)

// Options says who the process is and where its broker is. The bounds may be
// left zero.
type Options struct {
	// Brokers are tried in their order: mqtt://host:1883 or mqtts://user@host:8883.
	Brokers []string
	// Username and Password authenticate at the broker. A URL may name the user,
	// never the password.
	Username, Password string
	// TLS is for mqtts; nil means the system's roots and TLS 1.2 or newer.
	TLS *tls.Config
	// Instance is this process's name, unique on the broker, and its client id.
	Instance string
	// Version is announced with the presence.
	Version string
	Topics  wattline.Topics
	Log     *slog.Logger
	Metrics *telemetry.Registry

	// MaxPending bounds the asks that wait for a reply (4,096).
	MaxPending int
	// MaxRetained bounds the topics kept by Retain (65,536).
	MaxRetained int
	// MaxMessage bounds a payload in bytes, in and out (4 MiB).
	MaxMessage int
	// MaxRemembered bounds the request ids that one responder remembers (16,384).
	// Beyond it commands are refused with busy; of queries the oldest are forgotten.
	MaxRemembered int
	// Outbound bounds each of the two queues of messages to send (4,096).
	Outbound int
	// InFlight bounds the QoS 1 messages that the broker has not acknowledged (512).
	InFlight int
	// DrainTimeout bounds how long the end of Run waits for handlers (5 s).
	DrainTimeout time.Duration
}

const (
	defaultMaxPending    = 4096
	defaultMaxRetained   = 65536
	defaultMaxMessage    = 4 << 20
	defaultMaxRemembered = 16384
	defaultOutbound      = 4096
	defaultInFlight      = 512
	defaultDrainTimeout  = 5 * time.Second
)

// check fills in what was left out and reports every fault as a CodeInvalid error.
func (o *Options) check() ([]broker, error) {
	var faults wattline.Faults
	faults.Check("instance", wattline.CheckID(o.Instance))
	if len(o.Brokers) == 0 {
		faults.Add("broker", "is missing")
	}
	brokers := make([]broker, len(o.Brokers))
	for i, text := range o.Brokers {
		parsed, err := parseBroker(text)
		faults.Check(fmt.Sprintf("broker[%d]", i), err)
		brokers[i] = parsed
	}
	if len(faults) > 0 {
		return nil, wattline.Invalid(faults...)
	}
	o.Log = cmp.Or(o.Log, slog.New(slog.DiscardHandler))
	if o.TLS == nil {
		o.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	fill(&o.MaxPending, defaultMaxPending)
	fill(&o.MaxRetained, defaultMaxRetained)
	fill(&o.MaxMessage, defaultMaxMessage)
	fill(&o.MaxRemembered, defaultMaxRemembered)
	fill(&o.Outbound, defaultOutbound)
	fill(&o.InFlight, defaultInFlight)
	fill(&o.DrainTimeout, defaultDrainTimeout)
	return brokers, nil
}

func fill[T int | time.Duration](bound *T, byDefault T) {
	if *bound <= 0 {
		*bound = byDefault
	}
}
