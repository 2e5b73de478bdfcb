package bus

import (
	"strconv"
	"testing"
	"time"

	"github.com/wattline/wattline"
)

// tableTest drives a table by a clock of its own.
type tableTest struct {
	*presenceTable
	t   *testing.T
	now time.Time
}

func newTableTest(t *testing.T) *tableTest {
	tt := &tableTest{presenceTable: newPresenceTable(), t: t, now: time.Now()}
	tt.connected(tt.now)
	return tt
}

func (tt *tableTest) online(instance string, retained bool) outcome {
	return tt.hear(wattline.Presence{
		Instance: instance, Status: wattline.PresenceOnline, Roles: []string{"worker"}, Clock: wattline.At(tt.now),
	}, retained, tt.now)
}

func (tt *tableTest) pass(d time.Duration) []wattline.Presence {
	tt.now = tt.now.Add(d)
	return tt.expire(tt.now)
}

func (tt *tableTest) wantLive(instance string, want bool) {
	tt.t.Helper()
	if got := tt.isLive(instance); got != want {
		tt.t.Errorf("%s is alive: %v, want %v", instance, got, want)
	}
}

func TestThreeHeartbeatsMissedMeanOffline(t *testing.T) {
	tt := newTableTest(t)
	tt.online("a", false)
	tt.online("b", true)
	if gone := tt.pass(wattline.PresenceTimeout - time.Millisecond); len(gone) != 0 {
		t.Errorf("too early: %+v", gone)
	}
	tt.online("a", false)
	gone := tt.pass(time.Millisecond)
	if len(gone) != 1 || gone[0].Instance != "b" || gone[0].Status != wattline.PresenceOffline {
		t.Errorf("gone are %+v", gone)
	}
	tt.wantLive("a", true)
	tt.wantLive("b", false)
	if again := tt.pass(time.Second); len(again) != 0 {
		t.Errorf("told twice: %+v", again)
	}
}

func TestARetainedPresenceCountsOnce(t *testing.T) {
	tt := newTableTest(t)
	stale := wattline.Presence{Instance: "a", Status: wattline.PresenceOnline, Clock: wattline.At(tt.now)}
	tt.hear(stale, true, tt.now)
	tt.wantLive("a", true)
	for range 4 {
		tt.pass(wattline.PresenceHeartbeat)
		tt.hear(stale, true, tt.now) // what another subscription brings up again
	}
	tt.wantLive("a", false)
	tt.online("a", true) // newer than what it had said
	tt.wantLive("a", true)
}

func TestWithoutAConnectionNobodyExpires(t *testing.T) {
	tt := newTableTest(t)
	tt.online("a", false)
	tt.pass(wattline.PresenceTimeout - time.Second)
	tt.disconnected(tt.now)
	tt.pass(time.Hour)
	tt.wantLive("a", true)
	tt.connected(tt.now)
	tt.pass(time.Second - time.Millisecond)
	tt.wantLive("a", true)
	tt.pass(time.Millisecond)
	tt.wantLive("a", false)
}

func TestAnArrivalIsToldOncePerConnection(t *testing.T) {
	tt := newTableTest(t)
	for i, want := range []bool{true, true, false} { // retained, first live, second live
		if got := tt.online("a", i == 0).arrived; got != want {
			t.Errorf("announcement %d: arrived is %v", i, got)
		}
	}
	tt.disconnected(tt.now)
	tt.connected(tt.now)
	if !tt.online("a", false).arrived || tt.online("a", false).arrived {
		t.Error("it does not arrive once on the next connection")
	}
	tt.hear(wattline.Presence{Instance: "a", Status: wattline.PresenceOffline}, false, tt.now)
	if !tt.online("a", false).arrived {
		t.Error("it does not arrive after its end")
	}
}

func TestChangesAreToldAndClocksAreNoChange(t *testing.T) {
	tt := newTableTest(t)
	if !tt.online("a", false).changed {
		t.Error("its coming is no change")
	}
	tt.pass(time.Second)
	if tt.online("a", false).changed {
		t.Error("a heartbeat is a change")
	}
	p := wattline.Presence{Instance: "a", Status: wattline.PresenceOnline, Roles: []string{"worker"}, Stream: "s", Seq: 1}
	if !tt.hear(p, false, tt.now).changed {
		t.Error("a journal's number is no change")
	}
	p.Status = wattline.PresenceOffline
	if !tt.hear(p, true, tt.now).changed || tt.hear(p, true, tt.now).changed {
		t.Error("its end is not told once")
	}
}

func TestAClockIsFoundToBeOffOnce(t *testing.T) {
	tt := newTableTest(t)
	announce := func(skew, after time.Duration, retained bool) bool {
		tt.pass(after)
		p := wattline.Presence{Instance: "a", Status: wattline.PresenceOnline, Clock: wattline.At(tt.now.Add(skew))}
		return tt.hear(p, retained, tt.now).skewed
	}
	const beat, atOnce = wattline.PresenceHeartbeat, time.Millisecond
	steps := []struct {
		skew     time.Duration
		after    time.Duration
		retained bool
		told     bool
	}{
		{-time.Hour, beat, true, false}, // retained: it is old
		{-2 * time.Second, beat, false, false},
		{500 * time.Millisecond, beat, false, false}, // it was held up on its way
		{2 * time.Second, beat, false, false},
		{2 * time.Second, atOnce, false, true}, // no message comes before it was sent
		{2 * time.Second, beat, false, false},
		{0, beat, false, false},
		{-11 * time.Second, beat, false, false},
		{-3 * time.Second, atOnce, false, false}, // both were held up together
		{-3 * time.Second, beat, false, true},
		{0, beat, false, false},
		{-time.Hour, beat, false, false},
		{-time.Hour, atOnce, false, true}, // no stall is that long
		{-3 * time.Second, beat, false, false},
	}
	for i, step := range steps {
		if told := announce(step.skew, step.after, step.retained); told != step.told {
			t.Errorf("step %d: told is %v", i, told)
		}
	}
	if worst := tt.worstSkew(); worst < 2900*time.Millisecond || worst > 3100*time.Millisecond {
		t.Errorf("the worst skew is %v", worst)
	}
	if tt.hear(wattline.Presence{Instance: "b", Status: wattline.PresenceOnline}, false, tt.now).skewed {
		t.Error("a presence without a clock is off")
	}
}

func TestThereIsRoomForSoManyInstancesAndTheDeadMakeRoom(t *testing.T) {
	tt := newTableTest(t)
	for i := range maxInstances {
		tt.online("i"+strconv.Itoa(i), false)
	}
	if !tt.online("one-more", false).full {
		t.Error("there is no bound")
	}
	tt.pass(wattline.PresenceTimeout)
	if tt.online("one-more", false).full || len(tt.entries) != maxInstances {
		t.Errorf("the dead make no room; there are %d", len(tt.entries))
	}
}

func TestThoseThatServeTakeTurns(t *testing.T) {
	tt := newTableTest(t)
	for _, instance := range []string{"a", "b", "c"} {
		tt.online(instance, false)
	}
	picked := make(map[string]int)
	for range 30 {
		instance, ok := tt.pick("worker", "hq")
		if !ok {
			t.Fatal("nobody serves")
		}
		picked[instance]++
	}
	if picked["a"] != 10 || picked["b"] != 10 || picked["c"] != 10 {
		t.Errorf("they are picked %v times", picked)
	}
	if _, ok := tt.pick("other", ""); ok {
		t.Error("a role that nobody has is served")
	}
}

func TestTheLastWillOfAnEarlierLifeDoesNotEndTheNextOne(t *testing.T) {
	tt := newTableTest(t)
	earlier := wattline.Presence{Instance: "a", Status: wattline.PresenceOnline, Since: wattline.At(tt.now)}
	later := earlier
	later.Since = wattline.At(tt.now.Add(5 * time.Second))
	tt.hear(earlier, false, tt.now)
	tt.hear(later, false, tt.now)
	earlier.Status, later.Status = wattline.PresenceOffline, wattline.PresenceOffline
	if got := tt.hear(earlier, false, tt.now); got.changed {
		t.Errorf("a late last will changed %+v", got)
	}
	tt.wantLive("a", true)
	tt.hear(later, false, tt.now)
	tt.wantLive("a", false)
}
