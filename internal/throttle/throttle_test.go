package throttle_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/throttle"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestThrottle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := throttle.New(throttle.Options{PerSecond: 0.5, Burst: 3, Keys: 10})
		step(t, "lets a key have its burst at once, then as often as it says", func(t *testing.T) {
			for i := range 3 {
				if wait := slow.Take("a"); wait != 0 {
					t.Fatalf("take %d waits %v", i, wait)
				}
			}
			wait := slow.Take("a")
			if wait <= time.Second || wait > 2*time.Second {
				t.Fatalf("the fourth waits %v", wait)
			}
			if again := slow.Wait("a"); again != wait {
				t.Errorf("a refusal costs: %v, then %v", wait, again)
			}
			time.Sleep(wait)
			if wait := slow.Take("a"); wait != 0 {
				t.Errorf("after the time it named it waits %v more", wait)
			}
		})
		step(t, "keeps keys apart", func(t *testing.T) {
			if slow.Wait("b") != 0 || slow.Take("b") != 0 {
				t.Error("another key waits")
			}
		})
		step(t, "remembers a bounded number", func(t *testing.T) {
			for i := range 10 {
				slow.Take(fmt.Sprint(i))
			}
			if slow.Take("a") != 0 {
				t.Error("the oldest was not forgotten")
			}
		})
		step(t, "says busy, and for how long", func(t *testing.T) {
			err := &throttle.Exceeded{Reason: "too many", Wait: time.Minute}
			if known := wattline.AsError(err); known.Code != wattline.CodeBusy || known.Message != "too many" || err.RetryAfter() != time.Minute {
				t.Errorf("%v", known)
			}
		})
	})
}

// step is a subtest, which a test on a clock of its own cannot have.
func step(t *testing.T, name string, test func(t *testing.T)) {
	t.Helper()
	failed := t.Failed()
	if test(t); t.Failed() && !failed {
		t.Log("in:", name)
	}
}
