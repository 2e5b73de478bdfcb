package kasa_test

import (
	"context"
	"errors"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wattline/wattline/agents/kasa"
)

// pipedPlug answers over in-memory connections, so that it can live in a bubble
// of its own time. It answers a request when it may.
type pipedPlug struct {
	answer   func(request string) string
	mayReply chan struct{}

	mu       sync.Mutex
	requests []string
	dialled  int
	closed   int
}

func (p *pipedPlug) dial(context.Context, string, string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	p.mu.Lock()
	p.dialled++
	p.mu.Unlock()
	go p.serve(theirs)
	return ours, nil
}

func (p *pipedPlug) serve(conn net.Conn) {
	for request := readRequest(conn); request != ""; request = readRequest(conn) {
		p.mu.Lock()
		p.requests = append(p.requests, request)
		p.mu.Unlock()
		if p.mayReply != nil {
			<-p.mayReply
		}
		send(conn, p.answer(request))
	}
	p.mu.Lock()
	p.closed++
	p.mu.Unlock()
}

func (p *pipedPlug) open() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dialled - p.closed
}

var somewhere = kasa.Target{Host: "plug", Port: 9999}

func TestCommandsGoBeforePollsInTheOrderTheyCame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plug := &pipedPlug{answer: model(hs100, ""), mayReply: make(chan struct{})}
		client := kasa.NewClient(kasa.Options{Dial: plug.dial, ExchangeTimeout: time.Hour})
		var asked sync.WaitGroup
		for _, ask := range []func() error{
			func() error { _, err := client.Read(t.Context(), somewhere); return err },
			func() error { _, err := client.Read(t.Context(), somewhere); return err },
			func() error { _, err := client.Identify(t.Context(), somewhere); return err },
			func() error { return client.SetRelay(t.Context(), somewhere, true) },
			func() error { return client.SetLED(t.Context(), somewhere, true) },
			func() error { return client.SetRelay(t.Context(), somewhere, false) },
		} {
			asked.Go(func() {
				if err := ask(); err != nil {
					t.Error(err)
				}
			})
			synctest.Wait()
		}
		close(plug.mayReply)
		asked.Wait()
		const sysinfo = `{"system":{"get_sysinfo":{}}}`
		want := []string{
			sysinfo, // had the turn already
			`{"system":{"set_relay_state":{"state":1}}}`,
			`{"system":{"set_led_off":{"off":0}}}`,
			`{"system":{"set_relay_state":{"state":0}}}`,
			sysinfo, sysinfo,
		}
		if diff := cmp.Diff(want, plug.requests); diff != "" {
			t.Errorf("requests (-want +got):\n%s", diff)
		}
		_ = client.Close()
	})
}

func TestReadingBackGoesBeforePolls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plug := &pipedPlug{answer: model(hs100, ""), mayReply: make(chan struct{})}
		client := kasa.NewClient(kasa.Options{Dial: plug.dial, ExchangeTimeout: time.Hour})
		var order []string
		var mu sync.Mutex
		var asked sync.WaitGroup
		for _, ask := range []struct {
			name string
			read func(context.Context, kasa.Target) (kasa.Measurement, error)
		}{{"first", client.Read}, {"poll", client.Read}, {"read back", client.ReadBack}} {
			asked.Go(func() {
				_, err := ask.read(t.Context(), somewhere)
				mu.Lock()
				defer mu.Unlock()
				order = append(order, ask.name)
				if err != nil {
					t.Error(err)
				}
			})
			synctest.Wait()
		}
		for range 3 {
			plug.mayReply <- struct{}{}
			synctest.Wait()
		}
		asked.Wait()
		if diff := cmp.Diff([]string{"first", "read back", "poll"}, order); diff != "" {
			t.Errorf("order (-want +got):\n%s", diff)
		}
		_ = client.Close()
	})
}

func TestQueueIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plug := &pipedPlug{answer: model(hs100, ""), mayReply: make(chan struct{})}
		client := kasa.NewClient(kasa.Options{Dial: plug.dial, ExchangeTimeout: time.Hour, MaxQueued: 2})
		var asked sync.WaitGroup
		for range 3 {
			asked.Go(func() {
				if _, err := client.Read(t.Context(), somewhere); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		if _, err := client.Read(t.Context(), somewhere); kasa.ClassOf(err) != kasa.ClassBusy {
			t.Errorf("a poll more than may wait: error %v", err)
		}
		asked.Go(func() {
			if err := client.SetRelay(t.Context(), somewhere, true); err != nil {
				t.Errorf("polls must not keep a command out: %v", err)
			}
		})
		synctest.Wait()
		if got := client.Stats().Busy; got != 1 {
			t.Errorf("%d counted as busy", got)
		}
		close(plug.mayReply)
		asked.Wait()
		_ = client.Close()
	})
}

func TestWhoGivesUpWaitingLeavesTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plug := &pipedPlug{answer: model(hs100, ""), mayReply: make(chan struct{})}
		client := kasa.NewClient(kasa.Options{Dial: plug.dial, ExchangeTimeout: time.Hour, MaxQueued: 1})
		var asked sync.WaitGroup
		asked.Go(func() { _, _ = client.Read(t.Context(), somewhere) })
		synctest.Wait()
		for range 3 { // each would be refused if the one before still held a place
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			_, err := client.Read(ctx, somewhere)
			cancel()
			if kasa.ClassOf(err) != kasa.ClassTimeout || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("error %v", err)
			}
		}
		close(plug.mayReply)
		asked.Wait()
		if len(plug.requests) != 1 {
			t.Errorf("%d requests were sent", len(plug.requests))
		}
		_ = client.Close()
	})
}

func TestAddressesThatAreNoLongerAskedAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plug := &pipedPlug{answer: model(hs100, "")}
		client := kasa.NewClient(kasa.Options{Dial: plug.dial, MaxAddresses: 1})
		other := kasa.Target{Host: "other", Port: 9999}
		read := func(target kasa.Target) error {
			_, err := client.Read(t.Context(), target)
			return err
		}
		if err := read(somewhere); err != nil {
			t.Error(err)
		}
		if err := read(other); kasa.ClassOf(err) != kasa.ClassBusy {
			t.Errorf("an address more than there may be: error %v", err)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if n := plug.open(); n != 0 {
			t.Errorf("%d idle connections", n)
		}
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if err := read(other); err != nil {
			t.Error(err)
		}
		_ = client.Close()
	})
}

func TestCloseEndsEverything(t *testing.T) {
	for name, dial := range map[string]func(*pipedPlug) func(context.Context, string, string) (net.Conn, error){
		"while the plug hangs": func(p *pipedPlug) func(context.Context, string, string) (net.Conn, error) { return p.dial },
		"while connecting": func(*pipedPlug) func(context.Context, string, string) (net.Conn, error) {
			return func(ctx context.Context, _, _ string) (net.Conn, error) {
				<-ctx.Done()
				return nil, ctx.Err()
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				plug := &pipedPlug{answer: model(hs100, ""), mayReply: make(chan struct{})}
				client := kasa.NewClient(kasa.Options{Dial: dial(plug), ConnectTimeout: time.Hour, ExchangeTimeout: time.Hour})
				var asked sync.WaitGroup
				for range 4 {
					asked.Go(func() {
						_, err := client.Read(t.Context(), somewhere)
						if kasa.ClassOf(err) != kasa.ClassCanceled || !errors.Is(err, kasa.ErrClosed) {
							t.Errorf("error %v", err)
						}
					})
				}
				synctest.Wait()
				_ = client.Close()
				asked.Wait()
				if _, err := client.Read(t.Context(), somewhere); !errors.Is(err, kasa.ErrClosed) {
					t.Errorf("after Close: error %v", err)
				}
				close(plug.mayReply)
				synctest.Wait()
				if n := plug.open(); n != 0 {
					t.Errorf("%d connections left", n)
				}
			})
		})
	}
}

func TestOneRequestAtATimePerAddress(t *testing.T) {
	for name, serve := range map[string]func(func(string) string) script{"kept open": answers, "closing": answersOnce} {
		t.Run(name, func(t *testing.T) {
			var inFlight, most atomic.Int32
			plug := newFakePlug(t, serve(func(request string) string {
				if n := inFlight.Add(1); n > most.Load() {
					most.Store(n)
				}
				defer inFlight.Add(-1)
				return model(hs300, hw4Realtime)(request)
			}))
			client := newClient(t, kasa.Options{MaxQueued: 1000})
			var asked sync.WaitGroup
			for i := range 100 {
				target := outlet(plug.target, []string{"00", "01"}[i%2])
				asked.Go(func() {
					var err error
					if i%3 == 0 {
						err = client.SetRelay(t.Context(), target, i%2 == 0)
					} else {
						_, err = client.Read(t.Context(), target)
					}
					if err != nil {
						t.Error(err)
					}
				})
			}
			asked.Wait()
			if n := most.Load(); n != 1 {
				t.Errorf("%d requests at once", n)
			}
		})
	}
}

// Every third answer is whole, every third is followed by the end of the
// connection, and every third is none at all.
func TestTenThousandExchangesLeaveNothingBehind(t *testing.T) {
	before := descriptors(t)
	func() {
		var count atomic.Int32
		plug := newFakePlug(t, func(_ *testing.T, conn net.Conn, _ int) {
			for request := readRequest(conn); request != ""; request = readRequest(conn) {
				n := count.Add(1) % 3
				if n == 2 {
					return
				}
				send(conn, model(hw4Sysinfo, hw4Realtime)(request))
				if n == 1 {
					return
				}
			}
		})
		client := newClient(t, kasa.Options{})
		var asked sync.WaitGroup
		for range 4 {
			asked.Go(func() {
				for count.Load() < 10_000 {
					_, _ = client.Read(t.Context(), plug.target)
				}
			})
		}
		asked.Wait()
		if stats := client.Stats(); stats.Exchanges < 5_000 {
			t.Errorf("%+v", stats)
		}
		_ = client.Close()
		_ = plug.listener.Close()
	}()
	eventually(t, "as many descriptors as before", func() bool { return descriptors(t) <= before })
}

func descriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/dev/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

func TestRefusalWithAnOpenWebPortIsToldToBeKLAP(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var probes, webOpen atomic.Int32
		client := kasa.NewClient(kasa.Options{Dial: func(_ context.Context, _, address string) (net.Conn, error) {
			if address == "plug:80" {
				probes.Add(1)
				if webOpen.Load() > 0 {
					ours, theirs := net.Pipe()
					_ = theirs.Close()
					return ours, nil
				}
			}
			return nil, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
		}})
		defer func() { _ = client.Close() }()
		refused := func(target kasa.Target) *kasa.Error {
			t.Helper()
			_, err := client.Read(t.Context(), target)
			var known *kasa.Error
			if !errors.As(err, &known) || known.Class != kasa.ClassRefused {
				t.Fatalf("error %v", err)
			}
			return known
		}
		for range 5 {
			if err := refused(somewhere); err.KLAP {
				t.Errorf("with a closed web port: %v", err)
			}
		}
		webOpen.Store(1)
		for range 5 {
			if err := refused(somewhere); err.KLAP {
				t.Errorf("the web port was tried again at once: %v", err)
			}
		}
		time.Sleep(11 * time.Minute)
		for range 5 {
			if err := refused(somewhere); !err.KLAP || !strings.Contains(err.Error(), "the plug has KLAP firmware") {
				t.Errorf("not told to be KLAP: %v", err)
			}
		}
		if n := probes.Load(); n != 2 {
			t.Errorf("the web port was tried %d times", n)
		}
		if err := refused(kasa.Target{Host: "plug", Port: 9998}); err.KLAP || probes.Load() != 2 {
			t.Errorf("another port than the plugs' says nothing about firmware: %v", err)
		}
	})
}
