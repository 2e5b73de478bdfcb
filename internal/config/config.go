// Package config reads Wattline's one configuration file. It is strict: an
// unknown key, a key given twice or a value of the wrong type is an error that
// names the line, and every key can be left out.
package config

import (
	"cmp"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/fence"
)

// Embedded is the value of broker for the one that Wattline brings.
const Embedded = "embedded"

// The stores.
const (
	StoreArchive = "archive"
	StoreInflux  = "influx"
)

// Config is the whole file. Load fills in the defaults and checks it.
type Config struct {
	// Listen is the HTTP API's address.
	Listen string `yaml:"listen"`
	// TLS is for Listen; without it, the API is plain HTTP.
	TLS TLS `yaml:"tls"`
	// TrustedProxies are the addresses and networks whose word about who asks is
	// taken (X-Forwarded-For, X-Forwarded-Proto).
	TrustedProxies []string `yaml:"trusted_proxies"`
	// Hosts are names under which the API may be asked while it listens on loopback,
	// such as that of a proxy in front of it.
	Hosts []string `yaml:"hosts"`
	// CORS lets pages of other origins use the API.
	CORS CORS `yaml:"cors"`
	// OIDC is a provider at which people sign in.
	OIDC OIDC `yaml:"oidc"`
	// Compatibility answers the routes of the IoToad system too.
	Compatibility bool `yaml:"compatibility"`
	// MetricsListen is where /metrics, /-/healthy and /-/ready are served besides
	// the gateway's; empty for nowhere.
	MetricsListen string `yaml:"metrics_listen"`
	// Site names the network that this installation's agents can reach.
	Site string `yaml:"site"`
	// Timezone is the IANA name of the calendar that windows follow by default.
	Timezone string `yaml:"timezone"`
	// Data is the folder of everything that is kept on disk.
	Data string `yaml:"data"`
	// Instance names this process among those of the broker; one is made up if empty.
	Instance string `yaml:"instance"`
	// TopicRoot is the first level of every topic.
	TopicRoot string `yaml:"topic_root"`
	// Broker is "embedded", or the addresses of MQTT brokers.
	Broker Broker `yaml:"broker"`
	// BrokerPasswordFile holds the password of the user in the broker's address;
	// WATTLINE_BROKER_PASSWORD goes before it.
	BrokerPasswordFile string `yaml:"broker_password_file"`
	// BrokerCAFile holds the certificates that mqtts brokers are checked against,
	// instead of the system's.
	BrokerCAFile string `yaml:"broker_ca_file"`
	// BrokerCertFile and BrokerKeyFile are what this process shows to mqtts brokers
	// that ask for a certificate.
	BrokerCertFile string `yaml:"broker_cert_file"`
	BrokerKeyFile  string `yaml:"broker_key_file"`
	// BrokerListen is where the embedded broker can be reached by others.
	BrokerListen string `yaml:"broker_listen"`
	// BrokerTLS is for the embedded broker's listener.
	BrokerTLS BrokerTLS `yaml:"broker_tls"`
	// BrokerCluster joins embedded brokers.
	BrokerCluster Cluster `yaml:"broker_cluster"`
	// Store is "archive" or "influx".
	Store string `yaml:"store"`
	// HookName is what the hook that fills the store is called; see Hook.
	HookName string `yaml:"hook_name"`
	// ArchiveRetention is for how long the archive keeps readings; 0s for ever.
	ArchiveRetention time.Duration `yaml:"archive_retention"`
	// Influx is the InfluxDB to use.
	Influx Influx `yaml:"influx"`
	// Journal bounds what a collector keeps for hooks that are away.
	Journal Journal `yaml:"journal"`
	// Live bounds the connections that listen to live events.
	Live Live `yaml:"live"`
	// Poll is the interval for devices without their own.
	Poll time.Duration `yaml:"poll"`
	// SwitchOnPerS is how many devices of the site are switched on in a second at
	// most, against inrush; 0 is any number.
	SwitchOnPerS float64 `yaml:"switch_on_per_s"`
	// Limits bound what each token and user may ask of the API.
	Limits Limits `yaml:"limits"`
	// AuditRetention is for how long the audit keeps who did what; 0s for ever.
	AuditRetention time.Duration `yaml:"audit_retention"`
	// Networks are those that devices from elsewhere than this file may be in.
	Networks []string `yaml:"networks"`
	// Ports are those that they may have.
	Ports []uint16 `yaml:"ports"`
	// Devices are those that the registry publishes.
	Devices []Device `yaml:"devices"`

	folder string
}

// Limits bound what each token and user may ask of the API.
type Limits struct {
	// RequestsPerS is how many requests in a second in the long run; 0 for any number.
	RequestsPerS float64 `yaml:"requests_per_s"`
	// Burst is how many at once.
	Burst int `yaml:"burst"`
}

// Influx is where an InfluxDB 2 is and what to use there.
type Influx struct {
	URL    string `yaml:"url"`
	Org    string `yaml:"org"`
	Bucket string `yaml:"bucket"`
	// TokenFile holds the token; WATTLINE_INFLUX_TOKEN goes before it.
	TokenFile string `yaml:"token_file"`
	// QuartersBucket is where the quarter-hours are kept for ever: the name of
	// Bucket and "-quarters" if empty.
	QuartersBucket string `yaml:"quarters_bucket"`
	// Retention is for how long Bucket keeps readings if it has to be made; 0s for
	// ever. That of a bucket that is there is not changed.
	Retention time.Duration `yaml:"retention"`
}

// Journal bounds a collector's journal.
type Journal struct {
	// MaxMegabytes bounds its size on disk.
	MaxMegabytes int64 `yaml:"max_megabytes"`
	// MaxAge bounds the age of what it keeps.
	MaxAge time.Duration `yaml:"max_age"`
	// WaitFor names the hooks whose stored position is waited for before anything
	// is dropped, even if they have never been seen.
	WaitFor []string `yaml:"wait_for"`
}

// GoneAfter is after how long without a word of a collector nobody counts on what its
// journal held: a day longer than it keeps readings, and than it does by default, for
// its configuration may be another than this one.
func (j Journal) GoneAfter() time.Duration {
	const day = 24 * time.Hour
	return max(j.MaxAge, Default().Journal.MaxAge) + day
}

// Cluster joins embedded brokers into one.
type Cluster struct {
	// Name is the same for all members.
	Name string `yaml:"name"`
	// SecretFile holds what the members prove to each other that they belong;
	// WATTLINE_CLUSTER_SECRET goes before it.
	SecretFile string `yaml:"secret_file"`
	// Listen is where the other brokers reach this one; empty for no cluster.
	Listen string `yaml:"listen"`
	// Peers are the Listen addresses of the others.
	Peers []string `yaml:"peers"`
}

// Device is an entry of devices.
type Device struct {
	ID        string              `yaml:"id"`
	Kind      string              `yaml:"kind"`
	Location  string              `yaml:"location"`
	Address   string              `yaml:"address"`
	Site      string              `yaml:"site"`
	Labels    map[string]string   `yaml:"labels"`
	Protected wattline.Protection `yaml:"protected"`
	Poll      time.Duration       `yaml:"poll"`
}

// Default is what an empty file means.
func Default() Config {
	const twoYears = 2 * 365 * 24 * time.Hour
	return Config{
		Listen:           "127.0.0.1:8080",
		Site:             "default",
		Timezone:         "UTC",
		Data:             "./data",
		TopicRoot:        wattline.DefaultTopicRoot,
		Broker:           Broker{Embedded},
		Store:            StoreArchive,
		ArchiveRetention: twoYears,
		AuditRetention:   twoYears,
		Limits:           Limits{RequestsPerS: 200, Burst: 2000},
		OIDC:             OIDC{Scopes: []string{"profile", "email"}, NameClaim: "sub", GroupsClaim: "groups"},
		Influx:           Influx{Retention: twoYears},
		Journal:          Journal{MaxMegabytes: 1024, MaxAge: 30 * 24 * time.Hour},
		Live:             Live{Connections: 4096, ConnectionsEach: 256},
		Poll:             5 * time.Second,
		SwitchOnPerS:     10,
		Networks:         fence.Private().Texts(),
		Ports:            []uint16{wattline.DefaultPort},
	}
}

// Registered is the entry as the registry publishes it.
func (d Device) Registered(site string) wattline.Device {
	if d.Site != "" {
		site = d.Site
	}
	return wattline.Device{
		ID: d.ID, Kind: d.Kind, Location: d.Location, Site: site, Address: d.Address,
		Labels: d.Labels, Protected: d.Protected, PollS: wattline.Milli(d.Poll.Milliseconds()),
	}
}

// Registered is all devices as the registry publishes them.
func (c Config) Registered() []wattline.Device {
	devices := make([]wattline.Device, len(c.Devices))
	for i, device := range c.Devices {
		devices[i] = device.Registered(c.Site)
	}
	return devices
}

// Hook is the name of the hook that fills the store: the store's unless configured.
// Journals count by it who has stored what.
func (c Config) Hook() string { return cmp.Or(c.HookName, c.Store) }

// Fence is the networks that devices from elsewhere than this file may be in. Load
// has checked them.
func (c Config) Fence() fence.Networks {
	networks, err := fence.Parse(c.Networks)
	if err != nil {
		return nil
	}
	return networks
}

// Location is the calendar's time zone. Load has checked it.
func (c Config) Location() *time.Location {
	location, err := time.LoadLocation(c.Timezone)
	if err != nil {
		return time.UTC
	}
	return location
}
