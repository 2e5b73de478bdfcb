package emulator_test

import (
	"encoding/json"
	"net"
	"testing"
	"time"

	"github.com/wattline/wattline/agents/emulator"
	"github.com/wattline/wattline/agents/kasa"
)

// Whatever is asked, the answer is an object or there is none.
func FuzzAnswer(f *testing.F) {
	for _, seed := range []string{
		both, `{"context":{"child_ids":["00"]},"system":{"set_relay_state":{"state":0}}}`, `{"emeter":{"get_daystat":{"year":2026,"month":9}}}`,
		`{"count_down":{"add_rule":{"enable":1,"delay":1,"act":0,"name":"x"},"get_rules":null}}`, `{"system":{"reboot":{"delay":0}}}`,
		`{"system":null,"":{"":{}}}`, `{"time":{"set_timezone":{"index":3}}}`, `{"system":{"set_dev_location":{"latitude":1e308,"longitude":-1e308}}}`,
	} {
		f.Add([]byte(seed), uint8(0))
	}
	f.Fuzz(func(t *testing.T, request []byte, which uint8) {
		models := emulator.Models()
		plug := newPlug(t, emulator.Spec{Model: models[int(which)%len(models)], Profile: emulator.Printer}, emulator.Options{})
		for range 2 {
			reply, ok := plug.Answer(request)
			if !ok {
				continue
			}
			var parsed map[string]any
			if err := json.Unmarshal(reply, &parsed); err != nil {
				t.Fatalf("%v in %q to %q", err, reply, request)
			}
		}
	})
}

// Whatever arrives on a connection, the plug comes to an end with it and serves
// the next client.
func FuzzConnection(f *testing.F) {
	f.Add(kasa.AppendFrame(nil, []byte(sysinfo)), uint8(0), uint8(4))
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"), uint8(1), uint8(1))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0}, uint8(2), uint8(3))
	f.Fuzz(func(t *testing.T, data []byte, which, cut uint8) {
		models := emulator.Models()
		plug := newPlug(t, emulator.Spec{Model: models[int(which)%len(models)]}, emulator.Options{})
		talk(t, plug, data, int(cut), 2*time.Millisecond)
		frame := kasa.AppendFrame(nil, []byte(sysinfo))
		if talk(t, plug, frame, len(frame), patience) == 0 {
			t.Fatal("the next client gets no answer")
		}
	})
}

// talk sends data in two pieces, and returns how much came back before the plug
// had nothing to say for a while.
func talk(t *testing.T, plug *emulator.Plug, data []byte, cut int, within time.Duration) int {
	client, server := net.Pipe()
	done := make(chan struct{})
	go func() { plug.ServeConn(t.Context(), server); close(done) }()
	cut = min(cut, len(data))
	go func() {
		_, _ = client.Write(data[:cut])
		_, _ = client.Write(data[cut:])
	}()
	_ = client.SetReadDeadline(time.Now().Add(within))
	n, _ := client.Read(make([]byte, 4096))
	_ = client.Close()
	<-done
	return n
}
