package testserver

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

const (
	influxPatience = 60 * time.Second // for a machine that does other things as well

	influxUser     = "test"
	influxPassword = "test-password"
	influxToken    = "test-token-of-no-value"
	influxOrg      = "office"
	influxBucket   = "wattline"
)

// InfluxServer is an InfluxDB 2.7 that has been set up with a token that may do
// everything, an organisation and a bucket without retention limit.
type InfluxServer struct {
	*influxInstance

	t testing.TB
}

// Influx starts an InfluxDB, sets it up and stops it at the end of the test. It
// takes a quarter of a second; see SharedInflux where that adds up. The flags are more
// of influxd's.
func Influx(t testing.TB, flags ...string) *InfluxServer {
	t.Helper()
	instance, err := newInfluxInstance(t.TempDir(), FreePort(t))
	if err != nil {
		t.Fatal(err)
	}
	instance.flags = flags
	t.Cleanup(func() {
		instance.run.stop()
		instance.printed.logIfFailed(t, "influxd")
	})
	if err := instance.startAndSetUp(); err != nil {
		t.Fatal(err)
	}
	return &InfluxServer{influxInstance: instance, t: t}
}

// Start starts it again, on the same port with the same data, after Kill or Stop.
func (s *InfluxServer) Start() {
	s.t.Helper()
	if err := s.start(); err != nil {
		s.t.Fatal(err)
	}
}

// Kill ends it as a crash would (SIGKILL) and returns when it is gone.
func (s *InfluxServer) Kill() { s.run.kill() }

// Stop ends it in good order and returns when it is gone.
func (s *InfluxServer) Stop() { s.run.stop() }

// influxInstance is what does not depend on any one test. Its exported methods
// show through InfluxServer.
type influxInstance struct {
	path    string
	folder  string
	port    int
	flags   []string
	orgID   string
	run     *process
	printed output
}

func newInfluxInstance(folder string, port int) (*influxInstance, error) {
	path, err := findInflux()
	if err != nil {
		return nil, err
	}
	return &influxInstance{path: path, folder: folder, port: port}, nil
}

// URL is http://host:port.
func (i *influxInstance) URL() string {
	return "http://" + net.JoinHostPort(loopback, strconv.Itoa(i.port))
}

// Token is one that may do everything.
func (i *influxInstance) Token() string { return influxToken }

// Org is the name of the organisation.
func (i *influxInstance) Org() string { return influxOrg }

// Bucket is the name of the bucket made at set-up.
func (i *influxInstance) Bucket() string { return influxBucket }

func (i *influxInstance) startAndSetUp() error {
	if err := i.start(); err != nil {
		return err
	}
	return i.setUp()
}

// Engine is the folder of the points.
func (i *influxInstance) Engine() string { return filepath.Join(i.folder, "engine") }

func (i *influxInstance) start() error {
	cmd := exec.Command(i.path, append([]string{
		"--http-bind-address", net.JoinHostPort(loopback, strconv.Itoa(i.port)),
		"--bolt-path", filepath.Join(i.folder, "influxd.bolt"),
		"--sqlite-path", filepath.Join(i.folder, "influxd.sqlite"),
		"--engine-path", i.Engine(),
		"--reporting-disabled",
	}, i.flags...)...)
	cmd.Env = influxEnv(i.folder)
	cmd.Stdout, cmd.Stderr = &i.printed, &i.printed
	run, err := startProcess(cmd)
	if err != nil {
		return err
	}
	i.run = run
	if err := run.ready(influxPatience, i.healthy); err != nil {
		return fmt.Errorf("influxd: %w", err)
	}
	return nil
}

// influxEnv keeps the settings of the person who runs the tests out of them.
func influxEnv(home string) []string {
	env := slices.DeleteFunc(os.Environ(), func(entry string) bool {
		return strings.HasPrefix(entry, "INFLUX") || strings.HasPrefix(entry, "HOME=")
	})
	return append(env, "HOME="+home)
}

// findInflux is $WATTLINE_INFLUXD or what tools/influxd/build.sh builds.
func findInflux() (string, error) {
	path := os.Getenv("WATTLINE_INFLUXD")
	if path == "" {
		root, err := moduleRoot()
		if err != nil {
			return "", err
		}
		path = filepath.Join(root, ".cache", "bin", "influxd")
	}
	if _, err := exec.LookPath(path); err != nil {
		return "", fmt.Errorf("influxd is missing: tools/influxd/build.sh (make deps) or set WATTLINE_INFLUXD: %w", err)
	}
	return path, nil
}
