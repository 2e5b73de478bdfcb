package testserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	mosquittoPatience = 15 * time.Second
	clientPatience    = 2 * time.Minute
)

// MosquittoOptions says how a mosquitto differs from a stock one.
type MosquittoOptions struct {
	// Persistence keeps retained messages and queues on disk across Stop and
	// Start. After Kill there is what the last autosave wrote, by default nothing.
	Persistence bool
	// Lines are added to the configuration as they are, for example
	// "set_tcp_nodelay true".
	Lines []string
}

// MosquittoServer is a mosquitto with its stock configuration, that is, one
// listener on 127.0.0.1 for anybody.
type MosquittoServer struct {
	t       testing.TB
	path    string
	folder  string
	port    int
	run     *process
	printed output
}

// Mosquitto starts a mosquitto and stops it at the end of the test.
func Mosquitto(t testing.TB, options MosquittoOptions) *MosquittoServer {
	t.Helper()
	path, err := findServer("mosquitto")
	if err != nil {
		t.Fatal("mosquitto is missing: apt-get install mosquitto mosquitto-clients (make deps)")
	}
	m := &MosquittoServer{t: t, path: path, folder: t.TempDir(), port: FreePort(t)}
	if err := os.WriteFile(m.configFile(), []byte(m.config(options)), 0o600); err != nil {
		t.Fatalf("write mosquitto's configuration: %v", err)
	}
	t.Cleanup(func() {
		m.run.stop()
		m.printed.logIfFailed(t, "mosquitto")
	})
	m.Start()
	return m
}

// Addr is host:port.
func (m *MosquittoServer) Addr() string { return net.JoinHostPort(loopback, strconv.Itoa(m.port)) }

// URL is mqtt://host:port.
func (m *MosquittoServer) URL() string { return "mqtt://" + m.Addr() }

// Start starts it again, on the same port, after Kill or Stop.
func (m *MosquittoServer) Start() {
	m.t.Helper()
	cmd := exec.Command(m.path, "-c", m.configFile())
	cmd.Stdout, cmd.Stderr = &m.printed, &m.printed
	run, err := startProcess(cmd)
	if err != nil {
		m.t.Fatal(err)
	}
	m.run = run
	if err := run.ready(mosquittoPatience, m.greets); err != nil {
		m.t.Fatalf("mosquitto: %v", err)
	}
}

// Kill ends it as a crash would (SIGKILL) and returns when it is gone.
func (m *MosquittoServer) Kill() { m.run.kill() }

// Stop ends it in good order and returns when it is gone.
func (m *MosquittoServer) Stop() { m.run.stop() }

// Output is what it has printed so far.
func (m *MosquittoServer) Output() string { return m.printed.String() }

// Reload has it read its files of passwords and rights anew (SIGHUP).
func (m *MosquittoServer) Reload() {
	m.t.Helper()
	if err := m.run.running.Signal(syscall.SIGHUP); err != nil {
		m.t.Fatalf("reload mosquitto: %v", err)
	}
}

// Erase removes what it keeps on disk, so that it comes back empty. Call it
// between Stop or Kill and Start.
func (m *MosquittoServer) Erase() {
	m.t.Helper()
	err := os.Remove(filepath.Join(m.folder, "mosquitto.db"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		m.t.Fatalf("erase mosquitto's data: %v", err)
	}
}

// Client is one of mosquitto's own clients, "mosquitto_pub" or
// "mosquitto_sub", set up for this broker. It is killed at the end of the test, and
// after two minutes: one that hangs must not take the time of all tests.
func (m *MosquittoServer) Client(name string, args ...string) *exec.Cmd {
	m.t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		m.t.Fatalf("%s is missing: apt-get install mosquitto-clients (make deps)", name)
	}
	args = append([]string{"-h", loopback, "-p", strconv.Itoa(m.port)}, args...)
	ctx, cancel := context.WithTimeout(m.t.Context(), clientPatience)
	m.t.Cleanup(cancel)
	return exec.CommandContext(ctx, path, args...)
}

func (m *MosquittoServer) configFile() string { return filepath.Join(m.folder, "mosquitto.conf") }

func (m *MosquittoServer) config(options MosquittoOptions) string {
	lines := []string{
		fmt.Sprintf("listener %d %s", m.port, loopback),
		"allow_anonymous true",
	}
	if os.Geteuid() == 0 {
		lines = append(lines, "user root") // else it could not read the test's folder
	}
	if options.Persistence {
		lines = append(lines, "persistence true", "persistence_location "+m.folder+"/")
	}
	lines = append(lines, options.Lines...)
	return strings.Join(lines, "\n") + "\n"
}

// greets sends an MQTT 3.1.1 CONNECT and expects any CONNACK: a refusal is as
// good a sign of life as an acceptance.
func (m *MosquittoServer) greets() error {
	const (
		connect = "\x10\x0c\x00\x04MQTT\x04\x02\x00\x3c\x00\x00" // clean session, keep alive 60 s, no client id
		connack = 0x20
	)
	conn, err := net.DialTimeout("tcp", m.Addr(), time.Second)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(time.Second)); err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	if _, err := io.WriteString(conn, connect); err != nil {
		return fmt.Errorf("greet: %w", err)
	}
	var answer [4]byte
	if _, err := io.ReadFull(conn, answer[:]); err != nil {
		return fmt.Errorf("be greeted: %w", err)
	}
	if answer[0] != connack {
		return fmt.Errorf("greeted with % x, which is no CONNACK", answer)
	}
	return nil
}
