package bus_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/bus"
	"github.com/wattline/wattline/internal/bus/bustest"
	"github.com/wattline/wattline/internal/testserver"
)

// run runs a program to its end.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%s is missing: apt-get install mosquitto mosquitto-clients (make deps)", name)
	}
	out, err := exec.CommandContext(t.Context(), path, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v: %s", name, err, out)
	}
	return string(out)
}

// An asker of nothing but a shell and mosquitto's clients: it waits on its reply
// topic for one message, and publishes an envelope.
const foreignAsker = `
set -eu
id=shell-$$
topic=wattline/reply/shell/$id
mosquitto_sub -h 127.0.0.1 -p "$PORT" -t "$topic" -C 1 -W 20 & reply=$!
now=$(date -u +%Y-%m-%dT%H:%M:%SZ)
deadline=$(date -u -d '+10 seconds' +%Y-%m-%dT%H:%M:%SZ)
envelope='{"v":1,"id":"'$id'","reply_to":"'$topic'","issued_at":"'$now'","deadline":"'$deadline'","body":{"n":20}}'
# The same id again until the reply is there: it is acted upon once.
while kill -0 "$reply" 2>/dev/null; do
	mosquitto_pub -h 127.0.0.1 -p "$PORT" -t wattline/query/worker/node/double -m "$envelope"
	sleep 0.1
done
wait "$reply"
`

func TestAForeignAskerIsAnswered(t *testing.T) {
	server := testserver.Mosquitto(t, testserver.MosquittoOptions{})
	node := bustest.Start(t, []string{server.URL()}, root, "node")
	calls := 0
	if _, err := node.Respond(bus.RespondOptions{Filter: query("node", "double"), Workers: 1},
		func(_ context.Context, request bus.Request) (any, error) {
			calls++
			var body struct{ N int }
			err := json.Unmarshal(request.Envelope.Body, &body)
			return map[string]int{"doubled": 2 * body.N}, err
		}); err != nil {
		t.Fatal(err)
	}
	out := shell(t, server, foreignAsker)
	var reply wattline.Reply
	if err := json.Unmarshal(out, &reply); err != nil || reply.Error != nil ||
		string(reply.Body) != `{"doubled":40}` || reply.Instance != "node" {
		t.Errorf("it got %s: %v", out, err)
	}
	node.Stop()
	if calls != 1 {
		t.Errorf("the request was acted upon %d times", calls)
	}
}

// A component of nothing but a shell, sed and mosquitto's clients: it announces
// itself, with a last will, and answers each query to its reply_to.
const foreignComponent = `
set -eu
broker="-h 127.0.0.1 -p $PORT"
presence=wattline/presence/shell-worker
field() { sed -n 's/.*"'"$1"'":"\([^"]*\)".*/\1/p'; }
mosquitto_sub $broker -i shell-worker -t 'wattline/query/worker/shell-worker/+' -F '%t %p' \
	--will-topic $presence --will-retain --will-payload '{"instance":"shell-worker","status":"offline"}' |
while read -r topic envelope; do
	id=$(echo "$envelope" | field id)
	to=$(echo "$envelope" | field reply_to)
	mosquitto_pub $broker -t "$to" \
		-m '{"v":1,"id":"'$id'","instance":"shell-worker","error":null,"body":{"verb":"'${topic##*/}'"}}'
done &
while kill -0 $! 2>/dev/null; do
	mosquitto_pub $broker -q 1 -r -t $presence -m '{"instance":"shell-worker","status":"online","roles":["worker"]}'
	sleep 1
done
`

func TestAForeignComponentIsAsked(t *testing.T) {
	server := testserver.Mosquitto(t, testserver.MosquittoOptions{})
	node := bustest.Start(t, []string{server.URL()}, root, "node")
	component := shellCommand(t, server, foreignComponent)
	if err := component.Start(); err != nil {
		t.Fatal(err)
	}
	waitLive(t, node, "worker")
	for _, verb := range []string{"first", "second"} {
		body, err := node.Ask(t.Context(), bus.Ask{Topic: query("", verb), Timeout: patience})
		if want := fmt.Sprintf(`{"verb":%q}`, verb); err != nil || string(body) != want {
			t.Errorf("it answers %s, %v, want %s", body, err, want)
		}
	}
	endGroup(t, component)
	// What it said last may come after its last will, and then holds until it expires.
	testserver.Eventually(t, wattline.PresenceTimeout+patience, func() error {
		if _, ok := node.Pick("worker", ""); ok {
			return context.DeadlineExceeded
		}
		return nil
	})
}

func shellCommand(t *testing.T, server *testserver.MosquittoServer, script string) *exec.Cmd {
	t.Helper()
	server.Client("mosquitto_sub") // fails with a hint if it is missing
	cmd := exec.CommandContext(t.Context(), "bash", "-c", script)
	cmd.Env = append(cmd.Environ(), "PORT="+server.Addr()[strings.LastIndex(server.Addr(), ":")+1:])
	inOwnGroup(cmd)
	return cmd
}

func shell(t *testing.T, server *testserver.MosquittoServer, script string) []byte {
	t.Helper()
	cmd := shellCommand(t, server, script)
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, &complaints)
	}
	return out
}

// BenchmarkAsk is a request and its reply over a mosquitto as it comes: QoS 0
// keeps clear of the 40 ms by which it delays a QoS 1 exchange.
func BenchmarkAsk(b *testing.B) {
	for name, lines := range map[string][]string{"stock": nil, "nodelay": {"set_tcp_nodelay true"}} {
		b.Run("mosquitto "+name, func(b *testing.B) {
			server := testserver.Mosquitto(b, testserver.MosquittoOptions{Lines: lines})
			benchmarkAsk(b, server.URL())
		})
	}
}

func benchmarkAsk(b *testing.B, url string) {
	quiet := func(name string) bustest.Node {
		log := &logBook{}
		return bustest.StartWith(b, root, bus.Options{Brokers: []string{url}, Instance: name, Log: log.Logger(slog.LevelDebug)})
	}
	asker, responder := quiet("asker"), quiet("responder")
	responder.Announce(component)
	waitLive(b, asker, component)
	if _, err := responder.Respond(bus.RespondOptions{Filter: query("responder", "")},
		func(context.Context, bus.Request) (any, error) { return 1, nil }); err != nil {
		b.Fatal(err)
	}
	var times []time.Duration
	for b.Loop() {
		began := time.Now()
		if _, err := asker.Ask(b.Context(), bus.Ask{Topic: query("", "any")}); err != nil {
			b.Fatal(err)
		}
		times = append(times, time.Since(began))
	}
	report(b, times)
}
