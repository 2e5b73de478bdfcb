package testserver

import (
	"os"
	"sync"
	"testing"
)

// SharedInflux is one InfluxDB for all tests of a package, started by the first
// that asks for it. The zero value is ready for use:
//
//	var influx testserver.SharedInflux
//
//	func TestMain(m *testing.M) { goleak.VerifyTestMain(influx.Around(m)) }
//
//	func TestSomething(t *testing.T) {
//		server := influx.For(t)
//		bucket := server.NewBucket()
//
// Safe for concurrent use.
type SharedInflux struct {
	mu       sync.Mutex
	around   bool
	instance *influxInstance
	err      error
}

// Main is what *testing.M is, and what goleak.VerifyTestMain takes.
type Main interface{ Run() int }

// Around returns a Main that runs m and then stops the server.
func (s *SharedInflux) Around(m Main) Main {
	s.around = true
	return runner(func() int {
		code := m.Run()
		s.end()
		return code
	})
}

// For returns the server for one test, which shares it with all others: it
// should make a bucket of its own and must not kill or stop the server.
func (s *SharedInflux) For(t testing.TB) *InfluxServer {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.around {
		t.Fatal("a SharedInflux needs TestMain to call Around, or nobody would stop it")
	}
	if s.instance == nil && s.err == nil {
		s.instance, s.err = startShared(FreePort(t))
	}
	if s.err != nil {
		t.Fatal(s.err)
	}
	t.Cleanup(func() { s.instance.printed.logIfFailed(t, "influxd") })
	return &InfluxServer{influxInstance: s.instance, t: t}
}

func startShared(port int) (*influxInstance, error) {
	folder, err := os.MkdirTemp("", "wattline-influxd-")
	if err != nil {
		return nil, err
	}
	instance, err := newInfluxInstance(folder, port)
	if err == nil {
		err = instance.startAndSetUp()
	}
	if err != nil {
		if instance != nil {
			instance.run.kill()
		}
		_ = os.RemoveAll(folder)
		return nil, err
	}
	return instance, nil
}

func (s *SharedInflux) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.instance != nil {
		s.instance.run.kill() // nobody wants its data any more
		_ = os.RemoveAll(s.instance.folder)
	}
}

type runner func() int

func (r runner) Run() int { return r() }
