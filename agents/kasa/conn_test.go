package kasa_test

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/agents/kasa"
)

func TestFaultsOnTheWireHaveTheirClasses(t *testing.T) {
	reply := frame(model(hw4Sysinfo, hw4Realtime)(`{"system":{"get_sysinfo":{}}}`))
	for name, test := range map[string]struct {
		play   script
		class  kasa.Class
		reason string
	}{
		"closes without an answer": {func(_ *testing.T, conn net.Conn, _ int) { readRequest(conn) }, kasa.ClassClosed, "without an answer"},
		"ends within the header": {func(_ *testing.T, conn net.Conn, _ int) {
			readRequest(conn)
			sendRaw(conn, reply[:2])
		}, kasa.ClassShort, "in its header"},
		"ends within the answer": {func(_ *testing.T, conn net.Conn, _ int) {
			readRequest(conn)
			sendRaw(conn, reply[:100])
		}, kasa.ClassShort, "in its payload"},
		"says that nothing follows": {func(_ *testing.T, conn net.Conn, _ int) {
			readRequest(conn)
			sendRaw(conn, make([]byte, 4))
		}, kasa.ClassShort, "length is 0"},
		"says that too much follows": {func(_ *testing.T, conn net.Conn, _ int) {
			readRequest(conn)
			sendRaw(conn, []byte{0x7f, 0xff, 0xff, 0xff})
			readRequest(conn)
		}, kasa.ClassOversize, "at most 65536"},
		"sends rubbish without the cipher": {func(_ *testing.T, conn net.Conn, _ int) {
			readRequest(conn)
			sendRaw(conn, binary.BigEndian.AppendUint32(nil, 20))
			sendRaw(conn, []byte(strings.Repeat("{}", 10)))
			readRequest(conn)
		}, kasa.ClassGarbage, "not JSON"},
		"breaks the connection": {func(_ *testing.T, conn net.Conn, _ int) {
			readRequest(conn)
			breakOff(conn)
		}, kasa.ClassReset, "broke the connection"},
		"breaks the connection within the answer": {func(_ *testing.T, conn net.Conn, _ int) {
			readRequest(conn)
			sendRaw(conn, reply[:100])
			breakOff(conn)
		}, kasa.ClassReset, "broke the connection"},
	} {
		t.Run(name, func(t *testing.T) {
			plug := newFakePlug(t, test.play)
			_, err := newClient(t, kasa.Options{}).Read(t.Context(), plug.target)
			var known *kasa.Error
			if !errors.As(err, &known) || known.Class != test.class || !strings.Contains(err.Error(), test.reason) {
				t.Fatalf("error %v, want %s about %q", err, test.class, test.reason)
			}
			if !known.Sent {
				t.Error("the request had gone out")
			}
			if n := plug.connections(); n != 1 {
				t.Errorf("%d connections: what fails on a new connection is not for the client to repeat", n)
			}
		})
	}
}

func TestPlugThatHangs(t *testing.T) {
	hang := func(_ *testing.T, conn net.Conn, _ int) {
		readRequest(conn)
		readRequest(conn)
	}
	drip := func(_ *testing.T, conn net.Conn, _ int) {
		readRequest(conn)
		for _, b := range frame(strings.Repeat(" ", 60_000)) {
			if _, err := conn.Write([]byte{b}); err != nil {
				return
			}
			time.Sleep(time.Millisecond)
		}
	}
	for name, play := range map[string]script{"silently": hang, "dripping on for ever": drip} {
		t.Run(name+", costs no more than the exchange's timeout", func(t *testing.T) {
			plug := newFakePlug(t, play)
			client := newClient(t, kasa.Options{ExchangeTimeout: 50 * time.Millisecond})
			if _, err := client.Read(t.Context(), plug.target); kasa.ClassOf(err) != kasa.ClassTimeout {
				t.Errorf("error %v", err)
			}
		})
		t.Run(name+", costs no more than the caller's deadline", func(t *testing.T) {
			plug := newFakePlug(t, play)
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			if _, err := newClient(t, kasa.Options{ExchangeTimeout: time.Hour}).Read(ctx, plug.target); kasa.ClassOf(err) != kasa.ClassTimeout {
				t.Errorf("error %v", err)
			}
		})
		t.Run(name+", is let go of when the caller gives up", func(t *testing.T) {
			plug := newFakePlug(t, play)
			ctx, cancel := context.WithCancel(t.Context())
			go func() {
				for len(plug.seen()) == 0 {
					time.Sleep(time.Millisecond)
				}
				cancel()
			}()
			_, err := newClient(t, kasa.Options{ExchangeTimeout: time.Hour}).Read(ctx, plug.target)
			if kasa.ClassOf(err) != kasa.ClassCanceled || !errors.Is(err, context.Canceled) {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestAnswerMayComeByteByByte(t *testing.T) {
	plug := newFakePlug(t, func(_ *testing.T, conn net.Conn, _ int) {
		for request := readRequest(conn); request != ""; request = readRequest(conn) {
			for _, b := range frame(model(hw4Sysinfo, hw4Realtime)(request)) {
				sendRaw(conn, []byte{b})
			}
		}
	})
	if _, err := newClient(t, kasa.Options{}).Read(t.Context(), plug.target); err != nil {
		t.Error(err)
	}
}

func TestNetworkFailuresHaveTheirClasses(t *testing.T) {
	failing := func(err error) func(context.Context, string, string) (net.Conn, error) {
		return func(context.Context, string, string) (net.Conn, error) {
			return nil, &net.OpError{Op: "dial", Net: "tcp", Err: err}
		}
	}
	for _, test := range []struct {
		err    error
		class  kasa.Class
		reason string
	}{
		{syscall.ECONNREFUSED, kasa.ClassRefused, "nothing listens"},
		{syscall.EHOSTUNREACH, kasa.ClassNoRoute, "no route"},
		{syscall.ENETUNREACH, kasa.ClassNoRoute, "no route"},
		{syscall.ETIMEDOUT, kasa.ClassTimeout, "no connection in time"},
		{syscall.ECONNRESET, kasa.ClassReset, "broke"},
		{syscall.EMFILE, kasa.ClassLocal, "too many open files"},
		{&net.DNSError{Name: "plug-x", Err: "no such host", IsNotFound: true}, kasa.ClassNoRoute, `the name "plug-x" cannot be resolved`},
		{&net.DNSError{Name: "plug-x", Err: "timeout", IsTimeout: true}, kasa.ClassNoRoute, "resolved"},
	} {
		client := newClient(t, kasa.Options{Dial: failing(test.err), KLAPPort: 1})
		_, err := client.Read(t.Context(), kasa.Target{Host: "plug-x", Port: 9999})
		var known *kasa.Error
		if !errors.As(err, &known) || known.Class != test.class || !strings.Contains(err.Error(), test.reason) || known.Sent || known.KLAP {
			t.Errorf("%v: error %v", test.err, err)
		}
		if !errors.Is(err, test.err) {
			t.Errorf("%v: the cause is lost from %v", test.err, err)
		}
	}
	t.Run("a connection that never comes", func(t *testing.T) {
		never := func(ctx context.Context, _, _ string) (net.Conn, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		client := newClient(t, kasa.Options{ConnectTimeout: 20 * time.Millisecond, Dial: never})
		if _, err := client.Read(t.Context(), kasa.Target{Host: "plug-x", Port: 9999}); kasa.ClassOf(err) != kasa.ClassTimeout {
			t.Errorf("error %v", err)
		}
	})
}

func TestClassesMapToTheCodesOfTheSystem(t *testing.T) {
	for class, code := range map[kasa.Class]wattline.Code{
		kasa.ClassRefused: wattline.CodeDeviceUnreachable, kasa.ClassGarbage: wattline.CodeDeviceError,
		kasa.ClassUnsupported: wattline.CodeUnsupported, kasa.ClassBusy: wattline.CodeBusy,
		kasa.ClassCanceled: wattline.CodeTimeout, kasa.ClassLocal: wattline.CodeInternal, "": wattline.CodeInternal,
	} {
		if got := class.Code(); got != code {
			t.Errorf("%q is %s, want %s", class, got, code)
		}
	}
}

func TestConnections(t *testing.T) {
	poll := func(t *testing.T, client *kasa.Client, plug *fakePlug, times int) {
		t.Helper()
		for range times {
			if _, err := client.Read(t.Context(), plug.target); err != nil {
				t.Fatal(err)
			}
		}
	}
	patient := kasa.Options{IdleTimeout: time.Hour}
	t.Run("one is enough for a plug that keeps it open", func(t *testing.T) {
		plug := newFakePlug(t, answers(model(hw4Sysinfo, hw4Realtime)))
		client := newClient(t, patient)
		poll(t, client, plug, 20)
		if n := plug.connections(); n != 1 {
			t.Errorf("%d connections", n)
		}
		if got, want := client.Stats(), (kasa.Stats{Exchanges: 21, Connects: 1}); got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
	})
	t.Run("a plug that closes after each answer is known by it, and no request is sent in vain", func(t *testing.T) {
		plug := newFakePlug(t, answersOnce(model(hw1Sysinfo, hw1Realtime)))
		client := newClient(t, patient)
		poll(t, client, plug, 20)
		if requests, connections := len(plug.seen()), plug.connections(); requests != 21 || connections != 21 {
			t.Errorf("%d requests on %d connections", requests, connections)
		}
		if stats := client.Stats(); stats.Resends > 1 || stats.Failures > 0 {
			t.Errorf("%+v", stats)
		}
	})
	t.Run("what a plug closes on without an answer is sent once more", func(t *testing.T) {
		plug := newFakePlug(t, func(_ *testing.T, conn net.Conn, nth int) {
			send(conn, model(hw4Sysinfo, hw4Realtime)(readRequest(conn)))
			if nth == 1 {
				readRequest(conn)
				return
			}
			readRequest(conn)
		})
		client := newClient(t, patient)
		poll(t, client, plug, 1)
		if stats := client.Stats(); stats.Resends != 1 || stats.Connects != 2 || stats.Failures != 0 {
			t.Errorf("%+v", stats)
		}
	})
	t.Run("but only once", func(t *testing.T) {
		plug := newFakePlug(t, func(_ *testing.T, conn net.Conn, nth int) {
			if request := readRequest(conn); nth == 1 {
				send(conn, model(hw4Sysinfo, hw4Realtime)(request))
				readRequest(conn)
			}
		})
		client := newClient(t, patient)
		if _, err := client.Read(t.Context(), plug.target); kasa.ClassOf(err) != kasa.ClassClosed {
			t.Errorf("error %v", err)
		}
		if n := len(plug.seen()); n != 3 {
			t.Errorf("%d requests", n)
		}
	})
	t.Run("bytes after the answer are never taken for the next answer", func(t *testing.T) {
		stale := frame(model(strings.Replace(hw4Sysinfo, `"relay_state":0`, `"relay_state":1`, 1), hw4Realtime)(`{"system":{"get_sysinfo":{}}}`))
		plug := newFakePlug(t, func(_ *testing.T, conn net.Conn, nth int) {
			for request := readRequest(conn); request != ""; request = readRequest(conn) {
				both := frame(model(hw4Sysinfo, hw4Realtime)(request))
				if nth%2 == 1 {
					both = append(both, stale...)
				}
				sendRaw(conn, both)
			}
		})
		client := newClient(t, patient)
		for range 10 {
			got, err := client.Read(t.Context(), plug.target)
			if err != nil || got.Relay != wattline.RelayOff {
				t.Fatalf("%+v, error %v", got, err)
			}
		}
	})
	t.Run("nor are those that come while nobody asks", func(t *testing.T) {
		late := make(chan struct{})
		plug := newFakePlug(t, func(_ *testing.T, conn net.Conn, nth int) {
			for request := readRequest(conn); request != ""; request = readRequest(conn) {
				send(conn, model(hw4Sysinfo, hw4Realtime)(request))
				if nth == 1 && strings.Contains(request, "emeter") {
					sendRaw(conn, frame(`{"system":{"get_sysinfo":{"relay_state":1}}}`))
					close(late)
				}
			}
		})
		client := newClient(t, patient)
		poll(t, client, plug, 1)
		<-late
		got, err := client.Read(t.Context(), plug.target)
		if err != nil || got.Relay != wattline.RelayOff {
			t.Errorf("%+v, error %v", got, err)
		}
	})
	t.Run("an answer too late is never taken for that to the next request", func(t *testing.T) {
		plug := newFakePlug(t, func(_ *testing.T, conn net.Conn, nth int) {
			request := readRequest(conn)
			if nth == 1 {
				readRequest(conn) // until the client has given up
			}
			send(conn, model(hw4Sysinfo, hw4Realtime)(request))
			readRequest(conn)
		})
		client := newClient(t, patient)
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		if err := client.SetRelay(ctx, plug.target, true); kasa.ClassOf(err) != kasa.ClassTimeout {
			t.Errorf("error %v", err)
		}
		if _, err := client.Identify(t.Context(), plug.target); err != nil {
			t.Error(err)
		}
		if n := plug.connections(); n != 2 {
			t.Errorf("%d connections", n)
		}
	})
	t.Run("none stays when it is said so", func(t *testing.T) {
		plug := newFakePlug(t, answers(model(hw4Sysinfo, hw4Realtime)))
		client := newClient(t, kasa.Options{IdleTimeout: -1})
		poll(t, client, plug, 3)
		if n := plug.connections(); n != 4 {
			t.Errorf("%d connections for four requests", n)
		}
	})
	t.Run("an idle one is closed, so that others get their turn", func(t *testing.T) {
		closed := make(chan struct{})
		plug := newFakePlug(t, func(_ *testing.T, conn net.Conn, _ int) {
			send(conn, model(hs100, "")(readRequest(conn)))
			if readRequest(conn) == "" {
				close(closed)
			}
		})
		client := newClient(t, kasa.Options{IdleTimeout: 5 * time.Millisecond})
		poll(t, client, plug, 1)
		<-closed
	})
}
