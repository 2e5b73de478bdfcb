package collector

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestSlotsAreSpreadAndAnchored(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		device := rapid.StringMatching(`[a-z]{1,8}-[0-9]{1,3}`).Draw(t, "device")
		interval := time.Duration(rapid.Int64Range(1, 3600).Draw(t, "interval")) * time.Second
		now := start.Add(time.Duration(rapid.Int64Range(0, 1e15).Draw(t, "now")))
		slot := nextSlot(device, interval, now)
		if !slot.After(now) || slot.Sub(now) > interval {
			t.Fatalf("slot %v after %v at %v", slot, now, interval)
		}
		if next := nextSlot(device, interval, slot); next.Sub(slot) != interval {
			t.Fatalf("the slot after %v is %v", slot, next)
		}
	})
	counts := map[int]int{}
	for i := range 1000 {
		slot := nextSlot("desk-"+string(rune('a'+i%26))+"-"+time.Duration(i).String(), 5*time.Second, start)
		counts[int(slot.Sub(start)/(500*time.Millisecond))]++
	}
	for tenth, count := range counts {
		if count > 160 {
			t.Errorf("%d of 1000 devices are due in tenth %d of the interval", count, tenth)
		}
	}
}

func TestBackOffGrowsToTheIntervalAndNeverBeyond(t *testing.T) {
	const interval = 8 * time.Second
	for failures, want := range map[int]time.Duration{1: 2 * time.Second, 2: 4 * time.Second, 3: interval, 4: interval, 1000: interval} {
		if got := backOff(failures, interval, 0); got != want {
			t.Errorf("after %d failures: %v", failures, got)
		}
		if got := backOff(failures, interval, 0.999); got > want || got < want*4/5 {
			t.Errorf("with jitter after %d failures: %v", failures, got)
		}
	}
}
