package bench_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/gin-gonic/gin"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/agents/kasa"
	"github.com/wattline/wattline/internal/testserver"
)

// switchings is how often the relay is set; each is one round of all figures.
const switchings = 400

// BenchmarkRelay measures PUT relay from the request to the answer, and what it
// cannot do without: a bare gin request, two hops over the same broker, and two
// exchanges with a plug (set, and read back). All four take turns.
func BenchmarkRelay(b *testing.B) {
	b.Run("embedded broker", func(b *testing.B) { relay(b, "embedded broker", "") })
	b.Run("mosquitto", func(b *testing.B) {
		relay(b, "mosquitto", testserver.Mosquitto(b, testserver.MosquittoOptions{}).URL())
	})
}

func relay(b *testing.B, name, broker string) {
	devices := keeping(emulate(b, 6))
	s := up(b, systemOptions{devices: devices[:1], poll: time.Minute, broker: broker})
	floorGin := startGin(b)
	hops := newHops(b, s.broker)
	plug := dialPlug(b, devices[1].Address)
	client := &http.Client{}
	defer client.CloseIdleConnections()
	var put, floor []time.Duration
	for i := range switchings {
		body := `{"state":"` + []string{"off", "on"}[i%2] + `"}`
		took := do(b, client, http.MethodPut, s.url+"/api/v1/devices/"+devices[0].ID+"/relay", body)
		bare := do(b, client, http.MethodPut, floorGin+"/relay", body)
		bare += hops.roundTrip(b)
		bare += plug.exchange(b, fmt.Sprintf(`{"system":{"set_relay_state":{"state":%d}}}`, i%2))
		bare += plug.exchange(b, `{"system":{"get_sysinfo":{}}}`)
		put, floor = append(put, took), append(floor, bare)
	}
	for _, q := range []struct {
		name  string
		at    float64
		limit string
	}{{"p50", 0.5, "≤ 1.3"}, {"p99", 0.99, "≤ 3"}} {
		a, f := quantile(put, q.at), quantile(floor, q.at)
		results.row("PUT relay, "+name+", "+q.name, us(a), us(f), ratio(a, f), q.limit)
	}
	b.ReportMetric(float64(quantile(put, 0.5).Microseconds()), "µs-p50")
}

// keeping are the plugs that keep a connection open, so that both sides of the
// comparison do without a new one each time.
func keeping(devices []wattline.Device) []wattline.Device {
	return slices.DeleteFunc(devices, func(d wattline.Device) bool { return d.Labels["model"] != "hs110-hw4" })
}

func us(d time.Duration) string { return fmt.Sprintf("%d µs", d.Microseconds()) }

// hops is a message there and a message back over a broker, by the bare client.
type hops struct {
	asker mqtt.Client
	back  chan struct{}
}

func newHops(b *testing.B, broker string) hops {
	b.Helper()
	connect := func(name string) mqtt.Client {
		options := mqtt.NewClientOptions().AddBroker(strings.Replace(broker, "mqtt://", "tcp://", 1)).SetClientID(name)
		client := mqtt.NewClient(options)
		if token := client.Connect(); token.Wait() && token.Error() != nil {
			b.Fatal(token.Error())
		}
		b.Cleanup(func() { client.Disconnect(0) })
		return client
	}
	h := hops{asker: connect("bench-asker"), back: make(chan struct{}, 1)}
	answerer := connect("bench-answerer")
	subscribe := func(client mqtt.Client, topic string, handle mqtt.MessageHandler) {
		if token := client.Subscribe(topic, 0, handle); token.Wait() && token.Error() != nil {
			b.Fatal(token.Error())
		}
	}
	payload := []byte(strings.Repeat("x", 250))
	subscribe(answerer, "bench/there", func(client mqtt.Client, _ mqtt.Message) { client.Publish("bench/back", 0, false, payload) })
	subscribe(h.asker, "bench/back", func(mqtt.Client, mqtt.Message) { h.back <- struct{}{} })
	return h
}

func (h hops) roundTrip(b *testing.B) time.Duration {
	b.Helper()
	began := time.Now()
	h.asker.Publish("bench/there", 0, false, []byte(strings.Repeat("x", 250)))
	select {
	case <-h.back:
	case <-time.After(10 * time.Second):
		b.Fatal("a bare message was lost")
	}
	return time.Since(began)
}

// barePlug is a connection to a plug with nothing around it.
type barePlug struct {
	conn  net.Conn
	frame []byte
}

func dialPlug(b *testing.B, address string) *barePlug {
	b.Helper()
	conn, err := (&net.Dialer{}).DialContext(b.Context(), "tcp", address)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { conn.Close() })
	return &barePlug{conn: conn}
}

func (p *barePlug) exchange(b *testing.B, request string) time.Duration {
	b.Helper()
	began := time.Now()
	p.frame = kasa.AppendFrame(p.frame[:0], []byte(request))
	if _, err := p.conn.Write(p.frame); err != nil {
		b.Fatal(err)
	}
	if _, err := kasa.ReadFrame(p.conn, kasa.MaxFrame); err != nil {
		b.Fatal(err)
	}
	return time.Since(began)
}

// startGin runs serveGin in a process of its own.
func startGin(b *testing.B) string {
	b.Helper()
	self, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	running := testserver.Program(b, exec.CommandContext(b.Context(), self, "-helper", "gin"))
	var url string
	testserver.Eventually(b, readyWithin, func() error {
		line, _, whole := strings.Cut(running.Output(), "\n")
		if !whole {
			return io.ErrUnexpectedEOF
		}
		url = line
		return nil
	})
	return url
}

// serveGin is the floor of the HTTP side: gin, one JSON object in, one out.
func serveGin() {
	gin.SetMode(gin.ReleaseMode)
	engine := gin.New()
	state := gin.H{
		"device": "desk-1", "availability": "up", "since": "2026-03-02T08:00:00.000Z", "time": "2026-03-02T08:00:05.000Z",
		"relay": "on", "capabilities": []string{"relay", "meter", "led"}, "power_w": 61.753, "voltage_v": 230.8, "current_a": 0.451,
	}
	engine.PUT("/relay", func(c *gin.Context) {
		var body struct {
			State string `json:"state" binding:"required"`
		}
		if err := c.ShouldBindJSON(&body); err != nil {
			c.Status(http.StatusBadRequest)
			return
		}
		c.JSON(http.StatusOK, state)
	})
	engine.GET("/state", func(c *gin.Context) { c.JSON(http.StatusOK, state) })
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Printf("http://%s\n", listener.Addr())
	_ = http.Serve(listener, engine)
}
