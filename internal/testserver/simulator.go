package testserver

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"
)

const simulatorPatience = 30 * time.Second

// SimulatedPlug describes one plug of the npm simulator.
type SimulatedPlug struct {
	Model    string `json:"model"`              // hs100, hs105, hs110 (hw1), hs110v2 (hw2), hs200, hs220, hs300 …
	Address  string `json:"address"`            // 127.0.0.1 if empty; any of 127.0.0.0/8 will do
	Port     int    `json:"port"`               // a free one if 0
	Alias    string `json:"alias,omitempty"`    // "Mock " and the model if empty
	DeviceID string `json:"deviceId,omitempty"` // 40 hex digits; random if empty
	MAC      string `json:"mac,omitempty"`      // random if empty

	// ResponseDelayMS is how long it thinks about each request.
	ResponseDelayMS int `json:"responseDelay,omitempty"`
	// UnreliableShare (0 to 1) of the replies are random bytes.
	UnreliableShare float64 `json:"unreliablePercent,omitempty"`
	// CloseAfterReply makes it close the connection after each reply, as an HS110 hw1 does.
	CloseAfterReply bool `json:"closeAfterReply,omitempty"`
}

// SimulatedMeter is what a plug measures, in the same units for all models.
type SimulatedMeter struct {
	PowerW    float64 `json:"power"`
	VoltageV  float64 `json:"voltage"`
	CurrentA  float64 `json:"current"`
	EnergyKWh float64 `json:"total"`
}

// PlugSimulator is a process with simulated plugs. Safe for concurrent use.
type PlugSimulator struct {
	t       testing.TB
	addrs   []string
	run     *process
	printed output

	mu        sync.Mutex
	questions *os.File
	replies   *os.File
	lines     *bufio.Reader
}

// Simulator starts the plugs in one process and stops it at the end of the test.
func Simulator(t testing.TB, plugs ...SimulatedPlug) *PlugSimulator {
	t.Helper()
	s := &PlugSimulator{t: t}
	plugs = slices.Clone(plugs) // the defaults are filled in below
	for i, plug := range plugs {
		if plug.Address == "" {
			plugs[i].Address = loopback
		}
		if plug.Port == 0 {
			plugs[i].Port = FreePort(t)
		}
		s.addrs = append(s.addrs, net.JoinHostPort(plugs[i].Address, strconv.Itoa(plugs[i].Port)))
	}
	t.Cleanup(func() {
		s.run.kill()
		s.closePipes()
		s.printed.logIfFailed(t, "the simulator")
	})
	if err := s.start(plugs); err != nil {
		t.Fatalf("simulator of plugs: %v", err)
	}
	return s
}

func (s *PlugSimulator) start(plugs []SimulatedPlug) error {
	node, script, err := findNPM("simulator.js")
	if err != nil {
		return err
	}
	argument, err := json.Marshal(plugs)
	if err != nil {
		return fmt.Errorf("encode the plugs: %w", err)
	}
	cmd := exec.Command(node, script, string(argument))
	cmd.Stderr = &s.printed
	// Pipes of our own have deadlines, and Wait does not close them.
	stdin, questions, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("make a pipe: %w", err)
	}
	defer func() { _ = stdin.Close() }()
	replies, stdout, err := os.Pipe()
	if err != nil {
		_ = questions.Close()
		return fmt.Errorf("make a pipe: %w", err)
	}
	defer func() { _ = stdout.Close() }()
	s.questions, s.replies, s.lines = questions, replies, bufio.NewReader(replies)
	cmd.Stdin, cmd.Stdout = stdin, stdout
	if s.run, err = startProcess(cmd); err != nil {
		return err
	}
	_ = stdout.Close() // else its end would not be the end of what it says
	var ready struct{ Ready []any }
	return s.readLine(&ready)
}

// Plug returns the plug with that index in the list given to Simulator.
func (s *PlugSimulator) Plug(index int) *RunningPlug {
	return &RunningPlug{simulator: s, index: index}
}

type question struct {
	Op       string          `json:"op"`
	Index    int             `json:"index"`
	Outlet   *int            `json:"child,omitempty"`
	Realtime *SimulatedMeter `json:"realtime,omitempty"`
	Relay    *int            `json:"relay,omitempty"`
}

func (s *PlugSimulator) exchange(q question, answer any) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := json.NewEncoder(s.questions).Encode(q); err != nil {
		return fmt.Errorf("ask: %w", err)
	}
	return s.readLine(answer)
}

func (s *PlugSimulator) readLine(answer any) error {
	if err := s.replies.SetReadDeadline(time.Now().Add(simulatorPatience)); err != nil {
		return fmt.Errorf("set a deadline: %w", err)
	}
	line, err := s.lines.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("read its answer: %w", err)
	}
	var trouble struct{ Error string }
	if err := json.Unmarshal(line, &trouble); err != nil {
		return fmt.Errorf("decode %q: %w", line, err)
	}
	if trouble.Error != "" {
		return fmt.Errorf("refused: %s", trouble.Error)
	}
	if answer == nil {
		return nil
	}
	if err := json.Unmarshal(line, answer); err != nil {
		return fmt.Errorf("decode %q: %w", line, err)
	}
	return nil
}

func (s *PlugSimulator) closePipes() {
	for _, pipe := range []io.Closer{s.questions, s.replies} {
		_ = pipe.Close() // nothing is left to be said; a nil file only says so
	}
}
