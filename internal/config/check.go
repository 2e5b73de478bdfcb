package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/fence"
)

// checker collects the faults of a configuration.
type checker struct{ faults []string }

func (c *checker) fail(key, reason string) { c.faults = append(c.faults, key+" "+reason) }

func (c *checker) check(key string, err error) {
	if err != nil {
		c.fail(key, err.Error())
	}
}

// The bounds of switch_on_per_s.
const (
	minSwitchOnPerS = 0.1
	maxSwitchOnPerS = 1000.0
)

// check reports every fault, a line each.
func (c Config) check() error {
	var found checker
	found.check("listen", CheckListen(c.Listen))
	if c.MetricsListen != "" {
		found.check("metrics_listen", CheckListen(c.MetricsListen))
	}
	found.check("site", wattline.CheckID(c.Site))
	found.check("timezone", checkTimezone(c.Timezone))
	if c.Data == "" {
		found.fail("data", "must name a folder")
	}
	if c.Instance != "" {
		found.check("instance", wattline.CheckID(c.Instance))
	}
	found.check("audit_retention", checkRetention(c.AuditRetention))
	c.checkLimits(&found)
	found.check("topic_root", wattline.CheckLocation(c.TopicRoot))
	if c.Poll < wattline.MinPoll || c.Poll > wattline.MaxPoll {
		found.fail("poll", fmt.Sprintf("must lie between %v and %v", wattline.MinPoll, wattline.MaxPoll))
	}
	if pace := c.SwitchOnPerS; !(pace == 0 || pace >= minSwitchOnPerS && pace <= maxSwitchOnPerS) {
		found.fail("switch_on_per_s", fmt.Sprintf("must lie between %g and %g, or be 0 for any number", minSwitchOnPerS, maxSwitchOnPerS))
	}
	_, err := fence.Parse(c.Networks)
	found.check("networks", err)
	if len(c.Ports) == 0 || slices.Contains(c.Ports, 0) {
		found.fail("ports", "must name at least one port, from 1 to 65535: plugs listen on 9999")
	}
	c.checkHTTP(&found)
	c.checkOIDC(&found)
	c.checkLive(&found)
	c.checkBroker(&found)
	c.checkBrokerTLS(&found)
	c.checkStore(&found)
	c.checkJournal(&found)
	c.checkDevices(&found)
	if len(found.faults) > 0 {
		return errors.New(strings.Join(found.faults, "\n"))
	}
	return nil
}

func (c Config) checkLimits(found *checker) {
	const most = 1e6
	if c.Limits.RequestsPerS < 0 || c.Limits.RequestsPerS > most {
		found.fail("limits.requests_per_s", "must lie between 0, for any number, and 1000000")
	}
	if c.Limits.Burst < 1 || c.Limits.Burst > most {
		found.fail("limits.burst", "must lie between 1 and 1000000")
	}
}

func (c Config) checkBroker(found *checker) {
	found.check("broker", c.Broker.check())
	for key, address := range map[string]string{"broker_listen": c.BrokerListen, "broker_cluster.listen": c.BrokerCluster.Listen} {
		if address == "" {
			continue
		}
		found.check(key, CheckListen(address))
		if !c.Broker.IsEmbedded() {
			found.fail(key, "goes with broker: embedded only")
		}
	}
	for i, peer := range c.BrokerCluster.Peers {
		found.check(fmt.Sprintf("broker_cluster.peers[%d]", i), CheckListen(peer))
	}
	if len(c.BrokerCluster.Peers) > 0 && c.BrokerCluster.Listen == "" {
		found.fail("broker_cluster.listen", "is missing")
	}
}

func (c Config) checkStore(found *checker) {
	switch c.Store {
	case StoreArchive:
		found.check("archive_retention", checkRetention(c.ArchiveRetention))
	case StoreInflux:
		found.check("influx.retention", checkRetention(c.Influx.Retention))
		parsed, err := url.Parse(c.Influx.URL)
		if err != nil || parsed.Scheme != "http" && parsed.Scheme != "https" || parsed.Host == "" {
			found.fail("influx.url", "must be a URL such as http://127.0.0.1:8086")
		} else if parsed.User != nil {
			found.fail("influx.url", "must hold no user or password: the token file is for that")
		}
		if c.Influx.Org == "" {
			found.fail("influx.org", "is missing")
		}
		if c.Influx.Bucket == "" {
			found.fail("influx.bucket", "is missing")
		} else if c.Influx.QuartersBucket == c.Influx.Bucket {
			found.fail("influx.quarters_bucket", "must be another bucket than influx.bucket, because readings have a retention")
		}
	default:
		found.fail("store", "must be archive or influx")
	}
	if c.HookName != "" {
		found.check("hook_name", wattline.CheckID(c.HookName))
	}
}

func checkRetention(retention time.Duration) error {
	const day = 24 * time.Hour
	if retention != 0 && retention < day {
		return errors.New("must be at least 24h, or 0s to keep everything")
	}
	return nil
}

func (c Config) checkJournal(found *checker) {
	if c.Journal.MaxMegabytes < 1 || c.Journal.MaxMegabytes > 1<<20 {
		found.fail("journal.max_megabytes", "must lie between 1 and 1048576")
	}
	const century = 100 * 365 * 24 * time.Hour
	if c.Journal.MaxAge < time.Hour || c.Journal.MaxAge > century {
		found.fail("journal.max_age", "must lie between 1h and 876000h")
	}
	for i, hook := range c.Journal.WaitFor {
		found.check(fmt.Sprintf("journal.wait_for[%d]", i), wattline.CheckID(hook))
	}
}

func (c Config) checkDevices(found *checker) {
	seen := map[string]int{}
	for i, device := range c.Devices {
		key := fmt.Sprintf("devices[%d]", i)
		if device.ID != "" {
			key += " (" + fmt.Sprintf("%.70s", device.ID) + ")"
		}
		if first, twice := seen[device.ID]; twice {
			found.fail(key+".id", fmt.Sprintf("is that of devices[%d] already", first))
		}
		seen[device.ID] = i
		if invalid, ok := errors.AsType[*wattline.Error](device.Registered(c.Site).Validate()); ok {
			for _, field := range invalid.Fields {
				found.fail(key+"."+strings.TrimSuffix(field.Field, "_s"), field.Reason)
			}
		} else if _, err := wattline.ParseAddress(device.Address); err != nil {
			found.check(key+".address", err)
		}
	}
}

func checkTimezone(name string) error {
	if _, err := time.LoadLocation(name); err != nil || name == "" || name == "Local" {
		return errors.New("must be an IANA name such as Europe/Madrid")
	}
	return nil
}

// CheckListen says what is wrong with an address to listen at.
func CheckListen(address string) error {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return errors.New("must be host:port, such as 127.0.0.1:8080")
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return errors.New("must end in a port from 0 to 65535")
	}
	return nil
}
