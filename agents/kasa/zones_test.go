package kasa

import (
	"testing"
	"time"
)

func TestEveryIndexOfThePlugsTableIsAZone(t *testing.T) {
	winter := time.Date(2026, 1, 15, 12, 0, 0, 0, time.UTC)
	for index := range 110 {
		if _, ok := zone(index); !ok {
			t.Errorf("index %d is no zone", index)
		}
	}
	for index, want := range map[int]struct {
		name    string
		seconds int
	}{
		0: {"Etc/GMT+12", -12 * 3600}, 6: {"America/Los_Angeles", -8 * 3600}, 18: {"America/New_York", -5 * 3600},
		38: {"UTC", 0}, 39: {"Europe/London", 0}, 43: {"Europe/Madrid", 3600}, 75: {"Asia/Kolkata", 5*3600 + 1800},
		84: {"Asia/Shanghai", 8 * 3600}, 96: {"Australia/Sydney", 11 * 3600}, 109: {"Pacific/Kiritimati", 14 * 3600},
	} {
		found, ok := zone(index)
		if !ok {
			t.Fatalf("index %d", index)
		}
		if _, seconds := winter.In(found).Zone(); found.String() != want.name || seconds != want.seconds {
			t.Errorf("index %d is %v, %d s from UTC in winter", index, found, seconds)
		}
	}
	for _, index := range []int{-1, 110, 1 << 30} {
		if found, ok := zone(index); ok {
			t.Errorf("index %d is %v", index, found)
		}
	}
}
