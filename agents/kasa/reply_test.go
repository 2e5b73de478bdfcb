package kasa

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/wattline/wattline"
)

var replySeeds = []string{
	`{"emeter":{"get_realtime":{"current":0.014937,"err_code":0,"power":0.928511,"total":55.139,"voltage":231.067823}},"system":{"get_sysinfo":{"alias":"a","err_code":0,"feature":"TIM:ENE","latitude":"-86.4","relay_state":1}}}`,
	`{"system":{"get_sysinfo":{"children":[{"id":"00","state":0},{"id":"01","state":1,"next_action":{"type":-1}}]}}}`,
	`{"emeter":{"err_code":-1,"err_msg":"module not support"},"system":{"set_relay_state":{"err_code":0}}}`,
	`{"err_code":-1}`,
	` { "a\u0041\"" : [ 1 , -2.5e-3 , true , false , null , {} , [] , "\ud83d\ude00" ] } `,
	`{"system":null}`,
	`{"a":01}`, `{"a":1.}`, `{"a":"\x"}`, `{"a":"` + "\n" + `"}`, `{"a":1}x`, `{,}`, `{"a":1,}`, `[1]`, `{"a":nul}`, `{`, ``,
}

// What is not JSON must never be taken for an answer, and nothing that is taken
// may break what comes after.
func FuzzReplyDecode(f *testing.F) {
	for _, seed := range replySeeds {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var r reply
		if err := r.decode(data); err != nil {
			return
		}
		if !json.Valid(data) {
			t.Errorf("%q is not JSON but was taken", data)
		}
		interpretAll(&r)
	})
}

// interpretAll does with a decoded answer what a poll may do; it must not panic.
func interpretAll(r *reply) {
	_ = r.sysinfo.appendIdentity(nil)
	info := r.sysinfo.info()
	for _, name := range []string{"", "00", "01"} {
		if at, err := info.outlet(name); err == nil {
			_, _ = r.sysinfo.measure(at.index)
		}
	}
	_, _ = r.realtime.meter()
	_ = r.failure(r.emeter, r.realtime.status, "get_realtime")
}

// FuzzScanner compares the walk over any JSON with encoding/json.
func FuzzScanner(f *testing.F) {
	for _, seed := range replySeeds {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s := scanner{data: data}
		keys := map[string]string{}
		err := s.document(func(key []byte) error {
			value, err := s.value(1)
			keys[string(key)] = string(value)
			return err
		})
		var want map[string]json.RawMessage
		valid := json.Unmarshal(data, &want) == nil && want != nil
		if valid != (err == nil) && !errors.Is(err, errTooDeep) {
			t.Fatalf("%q: error %v, encoding/json says %v", data, err, valid)
		}
		for key, value := range want {
			if got, ok := keys[key]; err == nil && ok && got != string(value) {
				t.Errorf("%q: %q is %q, encoding/json says %q", data, key, got, value)
			}
		}
	})
}

func TestDeepNestingIsRefused(t *testing.T) {
	deep := `{"a":` + strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000) + "}"
	var r reply
	if err := r.decode([]byte(deep)); ClassOf(err) != ClassGarbage {
		t.Errorf("error %v", err)
	}
}

func TestDecodingAllocatesNothing(t *testing.T) {
	answer := []byte(replySeeds[0])
	var r reply
	if n := testing.AllocsPerRun(100, func() {
		if err := r.decode(answer); err != nil {
			t.Error(err)
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzDaysDecode: statistics are read from any bytes without harm.
func FuzzDaysDecode(f *testing.F) {
	f.Add([]byte(`{"time":{"get_time":{"year":2026,"month":9,"mday":7,"hour":1,"min":2,"sec":3},"get_timezone":{"index":43}},"emeter":{"get_daystat":{"day_list":[{"year":2026,"month":9,"day":1,"energy":0.404}]}}}`))
	for _, seed := range replySeeds {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var r daysReply
		if err := r.decode(data); err != nil {
			return
		}
		if !json.Valid(data) {
			t.Errorf("%q is not JSON but was taken", data)
		}
		days := Days{Wh: map[Date]wattline.Milli{}}
		_ = r.readClock(time.Now(), &days)
		_ = r.readDays(Date{2026, 9, 1}, &days)
	})
}
