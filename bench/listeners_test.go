package bench_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// The clients of the benchmark of live events run as a process of their own, which
// does as little as a client can: it reads from its sockets and takes the time of
// each reading from the text. BENCH_TARGET says what they ask for: %d in it is the
// number of a plug, another one for each client.

// heard is how many readings took so many milliseconds; the last is those and more.
type heard [2000]int

// listeners is the running process of the clients.
type listeners struct {
	command *exec.Cmd
	input   io.WriteCloser
	output  *bufio.Reader
}

// startListeners returns when all clients are answered.
func startListeners(b *testing.B, target string) listeners {
	b.Helper()
	self, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	l := listeners{command: exec.CommandContext(b.Context(), self, "-helper", "listen")}
	l.command.Env, l.command.Stderr = append(os.Environ(), "BENCH_TARGET="+target), os.Stderr
	output, err := l.command.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if l.input, err = l.command.StdinPipe(); err != nil {
		b.Fatal(err)
	}
	if err := l.command.Start(); err != nil {
		b.Fatal(err)
	}
	l.output = bufio.NewReader(output)
	if _, err := l.output.ReadString('\n'); err != nil {
		b.Fatalf("the clients did not begin: %v", err)
	}
	return l
}

// stop ends the clients and is what they heard.
func (l listeners) stop(b *testing.B) (all heard) {
	b.Helper()
	_ = l.input.Close()
	if err := json.NewDecoder(l.output).Decode(&all); err != nil {
		b.Fatalf("the clients' account: %v", err)
	}
	if err := l.command.Wait(); err != nil {
		b.Fatal(err)
	}
	return all
}

// listen is the process of the clients. It says that they are all answered, and when
// its input ends, what they heard.
func listen() error {
	ears := ears{target: os.Getenv("BENCH_TARGET")}
	ended := make(chan error, liveSubscribers)
	var answered sync.WaitGroup
	answered.Add(liveSubscribers)
	for plug := range liveSubscribers {
		go func() { ended <- ears.listen(plug%livePlugs, answered.Done) }()
	}
	go func() { answered.Wait(); fmt.Println("ready") }()
	go func() { _, _ = io.Copy(io.Discard, os.Stdin); ended <- nil }()
	if err := <-ended; err != nil {
		return err
	}
	var all heard
	for ms := range all {
		all[ms] = int(ears.delays[ms].Load())
	}
	return json.NewEncoder(os.Stdout).Encode(all)
}

type ears struct {
	target string
	delays [len(heard{})]atomic.Int64
}

// listen is one client. It returns an error when the answer ends.
func (e *ears) listen(plug int, answered func()) error {
	target, err := url.Parse(strings.ReplaceAll(e.target, "%d", strconv.Itoa(plug)))
	if err != nil {
		return err
	}
	conn, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", target.Host)
	if err != nil {
		return err
	}
	defer conn.Close()
	request := &http.Request{Method: http.MethodGet, URL: target, Header: http.Header{"Authorization": {"Bearer " + adminToken}}}
	if err := request.Write(conn); err != nil {
		return err
	}
	response, err := http.ReadResponse(bufio.NewReaderSize(conn, 8<<10), request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("a client is answered %s", response.Status)
	}
	answered()
	for text, held := make([]byte, 16<<10), 0; ; {
		read, err := response.Body.Read(text[held:])
		if err != nil {
			return err
		}
		whole := bytes.LastIndexByte(text[:held+read], '\n') + 1
		e.hear(text[:whole])
		held = copy(text, text[whole:held+read])
	}
}

// hear counts the readings in some lines.
func (e *ears) hear(lines []byte) {
	const hour = 3_600_000
	now := time.Now().UnixMilli() % hour
	for {
		_, after, found := bytes.Cut(lines, []byte(`"time":"`))
		if !found || len(after) < len("2006-01-02T15:04:05.000") {
			return
		}
		digit := func(at int) int64 { return int64(after[at] - '0') }
		minute, second := 10*digit(14)+digit(15), 10*digit(17)+digit(18)
		sent := 60_000*minute + 1000*second + 100*digit(20) + 10*digit(21) + digit(22)
		took := (now - sent + hour) % hour
		e.delays[min(took, int64(len(e.delays)-1))].Add(1)
		lines = after
	}
}
