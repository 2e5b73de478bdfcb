package kasa_test

import (
	"encoding/json"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/wattline/wattline/agents/kasa"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The answers of real plugs, with what identifies their owners blanked.
const (
	hw1Sysinfo  = `{"active_mode":"schedule","alias":"Desk 1","dev_name":"Wi-Fi Smart Plug With Energy Monitoring","deviceId":"8006000000000000000000000000000000000001","err_code":0,"feature":"TIM:ENE","fwId":"00000000000000000000000000000000","hwId":"00000000000000000000000000000000","hw_ver":"1.0","icon_hash":"","latitude":0,"led_off":1,"longitude":0,"mac":"50:C7:BF:00:00:01","model":"HS110(EU)","oemId":"00000000000000000000000000000000","on_time":6023162,"relay_state":1,"rssi":-71,"sw_ver":"1.2.5 Build 171213 Rel.101523","type":"IOT.SMARTPLUGSWITCH","updating":0}`
	hw1Realtime = `{"current":0.014937,"err_code":0,"power":0.928511,"total":55.139000,"voltage":231.067823}`
	hw4Sysinfo  = `{"active_mode":"none","alias":"Desk 4","dev_name":"Smart Wi-Fi Plug With Energy Monitoring","deviceId":"8006000000000000000000000000000000000004","err_code":0,"feature":"TIM:ENE","hwId":"00000000000000000000000000000000","hw_ver":"4.0","icon_hash":"","latitude_i":0,"led_off":0,"longitude_i":0,"mac":"B0:95:75:00:00:04","mic_type":"IOT.SMARTPLUGSWITCH","model":"HS110(EU)","next_action":{"type":-1},"oemId":"00000000000000000000000000000000","on_time":0,"relay_state":0,"rssi":-60,"status":"new","sw_ver":"1.0.4 Build 191111 Rel.143500","updating":0}`
	hw4Realtime = `{"current_ma":451,"err_code":0,"power_mw":61753,"total_wh":16323,"voltage_mv":230837}`
	hs100       = `{"active_mode":"none","alias":"Lamp","deviceId":"8006000000000000000000000000000000000100","err_code":0,"feature":"TIM","hw_ver":"2.0","latitude":"-86.4193","led_off":0,"mac":"50-c7-bf-00-01-00","model":"HS100(US)","on_time":12,"relay_state":1,"rssi":-50,"sw_ver":"1.5.6","type":"IOT.SMARTPLUGSWITCH"}`
	hs300       = `{"alias":"Strip","child_num":2,"children":[{"alias":"Left","id":"800600000000000000000000000000000000030000","next_action":{"type":-1},"on_time":7,"state":1},{"alias":"Right","id":"800600000000000000000000000000000000030001","next_action":{"type":-1},"on_time":0,"state":0}],"deviceId":"8006000000000000000000000000000000000300","err_code":0,"feature":"TIM:ENE","hw_ver":"1.0","led_off":0,"mac":"B0:95:75:00:03:00","model":"HS300(US)","rssi":-40,"sw_ver":"1.0.10"}`
)

// script is what a fake plug does on one connection, the nth, counted from 1.
type script func(t *testing.T, conn net.Conn, nth int)

// fakePlug listens on a free port of the loopback and plays a script on every
// connection. Everything it did is over when the test is.
type fakePlug struct {
	target   kasa.Target
	listener net.Listener
	ended    sync.WaitGroup

	mu       sync.Mutex
	requests []string
	conns    []net.Conn
}

func newFakePlug(t *testing.T, play script) *fakePlug {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &fakePlug{listener: listener, target: mustParse(t, listener.Addr().String())}
	f.ended.Go(func() { f.accept(t, play) })
	t.Cleanup(func() {
		_ = listener.Close()
		f.mu.Lock()
		for _, conn := range f.conns {
			_ = conn.Close()
		}
		f.mu.Unlock()
		f.ended.Wait()
	})
	return f
}

func (f *fakePlug) accept(t *testing.T, play script) {
	for nth := 1; ; nth++ {
		conn, err := f.listener.Accept()
		if err != nil {
			return
		}
		f.mu.Lock()
		f.conns = append(f.conns, conn)
		f.mu.Unlock()
		f.ended.Go(func() {
			defer func() { _ = conn.Close() }()
			play(t, recorded{conn, f}, nth)
		})
	}
}

// recorded notes each request that readRequest takes off the connection.
type recorded struct {
	net.Conn
	plug *fakePlug
}

func (f *fakePlug) connections() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.conns)
}

func (f *fakePlug) seen() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string(nil), f.requests...)
}

// readRequest is empty when the client has gone.
func readRequest(conn net.Conn) string {
	payload, err := kasa.ReadFrame(conn, kasa.MaxFrame)
	if err != nil {
		return ""
	}
	if r, ok := conn.(recorded); ok {
		r.plug.mu.Lock()
		r.plug.requests = append(r.plug.requests, string(payload))
		r.plug.mu.Unlock()
	}
	return string(payload)
}

func send(conn net.Conn, payload string) { sendRaw(conn, frame(payload)) }

// sendRaw need not succeed: the client may have given up.
func sendRaw(conn net.Conn, data []byte) { _, _ = conn.Write(data) }

func frame(payload string) []byte { return kasa.AppendFrame(nil, []byte(payload)) }

// breakOff makes the end of the script a reset of the connection.
func breakOff(conn net.Conn) {
	if r, ok := conn.(recorded); ok {
		conn = r.Conn
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
}

// answers serves any number of requests on each connection.
func answers(answer func(request string) string) script {
	return func(_ *testing.T, conn net.Conn, _ int) {
		for request := readRequest(conn); request != ""; request = readRequest(conn) {
			send(conn, answer(request))
		}
	}
}

// answersOnce closes after each answer, as hardware 1 does.
func answersOnce(answer func(request string) string) script {
	return func(_ *testing.T, conn net.Conn, _ int) {
		if request := readRequest(conn); request != "" {
			send(conn, answer(request))
		}
	}
}

// model answers with the given bodies to whatever the request asks for.
func model(sysinfo, realtime string) func(request string) string {
	return func(request string) string {
		var asked map[string]map[string]json.RawMessage
		if json.Unmarshal([]byte(request), &asked) != nil {
			return "{}"
		}
		var modules []string
		if methods := asked["system"]; methods != nil {
			var parts []string
			if _, ok := methods["get_sysinfo"]; ok {
				parts = append(parts, `"get_sysinfo":`+sysinfo)
			}
			for _, set := range []string{"set_relay_state", "set_led_off"} {
				if _, ok := methods[set]; ok {
					parts = append(parts, `"`+set+`":{"err_code":0}`)
				}
			}
			modules = append(modules, `"system":{`+strings.Join(parts, ",")+`}`)
		}
		if asked["emeter"] != nil {
			modules = append(modules, `"emeter":{"get_realtime":`+realtime+`}`)
		}
		return "{" + strings.Join(modules, ",") + "}"
	}
}

func mustParse(t *testing.T, address string) kasa.Target {
	t.Helper()
	target, err := kasa.ParseAddress(address)
	if err != nil {
		t.Fatal(err)
	}
	return target
}

func outlet(target kasa.Target, name string) kasa.Target {
	target.Outlet = name
	return target
}

// newClient gives up soon: nothing in these tests is far away.
func newClient(t testing.TB, options kasa.Options) *kasa.Client {
	t.Helper()
	if options.ExchangeTimeout == 0 {
		options.ExchangeTimeout = 10 * time.Second
	}
	client := kasa.NewClient(options)
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// eventually waits for something that another goroutine brings about.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within 10 s: %s", what)
		}
	}
}
