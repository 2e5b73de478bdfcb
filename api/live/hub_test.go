package live_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/api/live"
	"github.com/wattline/wattline/internal/access"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newHub(t testing.TB, options live.Options) *live.Hub {
	t.Helper()
	hub, err := live.New(options)
	if err != nil {
		t.Fatal(err)
	}
	return hub
}

func guest(t testing.TB, scope string) access.Principal {
	t.Helper()
	parsed, err := access.ParseScope(scope)
	if err != nil {
		t.Fatal(err)
	}
	return access.Principal{Name: "token:guest", Role: access.Viewer, Scope: parsed}
}

func filter(t testing.TB, selector wattline.Selector, kinds ...live.Kind) live.Filter {
	t.Helper()
	f, err := live.NewFilter(selector, kinds)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// listen is a feed with one subscription, named s.
func listen(t testing.TB, hub *live.Hub, scope string, kinds ...live.Kind) *live.Feed {
	t.Helper()
	feed := hub.Listen(guest(t, scope))
	feed.Subscribe("s", filter(t, wattline.Selector{}, kinds...))
	return feed
}

// place is a device in a place.
func place(t testing.TB, hub *live.Hub, id, location string) {
	t.Helper()
	err := hub.Describe(wattline.Device{ID: id, Kind: "printer", Location: location, Site: "hq", Address: "192.0.2.1"})
	if err != nil {
		t.Fatal(err)
	}
}

// value is the data of the events in these tests: the device, where it then was, and
// a number.
type value struct {
	Device   string `json:"device"`
	Location string `json:"location"`
	N        int    `json:"n"`
}

func say(t testing.TB, hub *live.Hub, kind live.Kind, v value) {
	t.Helper()
	if err := hub.Publish(kind, v.Device, v); err != nil {
		t.Fatal(err)
	}
}

// drain is all that there is now, in short: reading desk-1 7, registry added desk-1,
// missed 3.
func drain(t testing.TB, feed *live.Feed) (all []string) {
	t.Helper()
	for {
		messages, err := feed.Take()
		for _, m := range messages {
			all = append(all, short(t, m))
		}
		if err != nil {
			return append(all, err.Error())
		}
		if len(messages) == 0 {
			return all
		}
	}
}

func short(t testing.TB, m live.Message) string {
	t.Helper()
	var data struct {
		Device             any
		Change, ID, Alert  string
		N, Missed, Devices int
	}
	if err := json.Unmarshal(m.Data, &data); err != nil {
		t.Fatalf("%v in %s", err, m.Data)
	}
	switch m.Name {
	case string(live.Registry):
		return fmt.Sprint(data.Change, " ", data.ID)
	case live.MissedSome:
		return fmt.Sprint("missed ", data.Missed)
	case live.SnapshotDone:
		return fmt.Sprint("snapshot of ", data.Devices)
	case live.Gap:
		return "gap"
	case string(live.Alert):
		return "alert " + data.Alert
	}
	return fmt.Sprint(m.Name, " ", data.Device, " ", data.N)
}

func expect(t testing.TB, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestASubscriberGetsWhatItMaySeeAndWants(t *testing.T) {
	hub := newHub(t, live.Options{})
	place(t, hub, "desk-1", "hq/f1")
	place(t, hub, "desk-2", "hq/f2")
	everything, floor := listen(t, hub, "*"), listen(t, hub, "hq/f1")
	readings := listen(t, hub, "*", live.Reading)
	one := hub.Listen(guest(t, "*"))
	one.Subscribe("s", filter(t, wattline.Selector{IDs: []string{"desk-2", "absent"}, Location: "hq"}))
	say(t, hub, live.Reading, value{Device: "desk-1", N: 1})
	say(t, hub, live.State, value{Device: "desk-2", N: 2})
	say(t, hub, live.Command, value{Device: "desk-1", N: 3})
	say(t, hub, live.Reading, value{Device: "unheard", N: 4})
	if err := hub.Announce(live.Alarm{Alert: "clock_skew", Details: json.RawMessage("{}")}); err != nil {
		t.Fatal(err)
	}
	expect(t, drain(t, everything), "reading desk-1 1", "state desk-2 2", "command desk-1 3", "alert clock_skew")
	expect(t, drain(t, floor), "reading desk-1 1", "command desk-1 3")
	expect(t, drain(t, readings), "reading desk-1 1")
	expect(t, drain(t, one), "state desk-2 2")
	expect(t, drain(t, one))
}

func TestEveryPartOfASelectorCountsBesideAll(t *testing.T) {
	here := wattline.Device{
		ID: "sp_w.r1.c2", Kind: "workstation", Location: "hq/f1", Labels: map[string]string{"floor": "1"}, Site: "hq", Address: "192.0.2.1",
	}
	for name, c := range map[string]struct {
		selector wattline.Selector
		want     int
	}{
		"all alone": {wattline.Selector{}, 2}, "an id": {wattline.Selector{IDs: []string{here.ID}}, 1},
		"a location": {wattline.Selector{Location: "hq/f1"}, 1}, "a kind": {wattline.Selector{Kind: "workstation"}, 1},
		"a label": {wattline.Selector{Labels: here.Labels}, 1}, "a row": {wattline.Selector{Row: "1"}, 1},
		"a column": {wattline.Selector{Column: "2"}, 1}, "a type": {wattline.Selector{Type: "w"}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			hub := newHub(t, live.Options{})
			c.selector.All = true
			feed := hub.Listen(guest(t, "*"))
			feed.Subscribe("s", filter(t, c.selector))
			if err := hub.Describe(here); err != nil {
				t.Fatal(err)
			}
			place(t, hub, "printer-1", "hq/f2")
			if got := drain(t, feed); len(got) != c.want {
				t.Errorf("%d devices, not %d: %v", len(got), c.want, got)
			}
		})
	}
}

func TestADeviceThatComesIntoViewIsAddedAndOneThatLeavesItRemoved(t *testing.T) {
	hub := newHub(t, live.Options{})
	feed := listen(t, hub, "hq/f1")
	place(t, hub, "desk-1", "hq/f2")
	say(t, hub, live.Reading, value{Device: "desk-1", N: 1})
	expect(t, drain(t, feed))
	place(t, hub, "desk-1", "hq/f1")
	expect(t, drain(t, feed), "added desk-1")
	say(t, hub, live.Reading, value{Device: "desk-1", N: 2})
	place(t, hub, "desk-1", "hq/f1/r101")
	expect(t, drain(t, feed), "reading desk-1 2", "changed desk-1")
	say(t, hub, live.Reading, value{Device: "desk-1", N: 3})
	place(t, hub, "desk-1", "hq/f2")
	say(t, hub, live.Reading, value{Device: "desk-1", N: 4})
	expect(t, drain(t, feed), "removed desk-1")
	place(t, hub, "desk-1", "hq/f1")
	hub.Forget("desk-1")
	hub.Forget("desk-1")
	expect(t, drain(t, feed), "removed desk-1")
}

func TestASnapshotIsWhatIsThereAndTheEventsFollow(t *testing.T) {
	hub := newHub(t, live.Options{})
	for _, id := range []string{"desk-2", "desk-1", "desk-3"} {
		place(t, hub, id, "hq/f1")
	}
	place(t, hub, "printer-1", "hq/f2")
	for n, id := range []string{"desk-1", "desk-1", "desk-2", "printer-1"} {
		say(t, hub, live.Reading, value{Device: id, N: n})
	}
	feed := listen(t, hub, "hq/f1")
	feed.Snapshot("s")
	if feed.Position() != "" {
		t.Error("a snapshot that breaks off would be resumed after it")
	}
	say(t, hub, live.State, value{Device: "desk-3", N: 9})
	expect(t, drain(t, feed), "added desk-1", "reading desk-1 1", "added desk-2", "reading desk-2 2", "added desk-3",
		"state desk-3 9", "snapshot of 3", "state desk-3 9")
}

func TestWhoComesBackGetsWhatTheyMissed(t *testing.T) {
	hub := newHub(t, live.Options{Events: 8})
	place(t, hub, "desk-1", "hq/f1")
	first := listen(t, hub, "*")
	id := first.Position()
	for n := range 4 {
		say(t, hub, live.Reading, value{Device: "desk-1", N: n})
	}
	again := listen(t, hub, "*")
	if !again.Resume(id) {
		t.Error("not resumed")
	}
	expect(t, drain(t, again), "reading desk-1 0", "reading desk-1 1", "reading desk-1 2", "reading desk-1 3")
	t.Run("or are told that it is no longer kept", func(t *testing.T) {
		for n := range 8 {
			say(t, hub, live.Reading, value{Device: "desk-1", N: n})
		}
		if late := listen(t, hub, "*"); late.Resume(id) {
			t.Error("resumed")
		} else {
			expect(t, drain(t, late), "gap")
		}
	})
	t.Run("and so are those of another process, and of none", func(t *testing.T) {
		elsewhere := newHub(t, live.Options{})
		for _, foreign := range []string{listen(t, elsewhere, "*").Position(), "1", strings.Repeat("A", 22), strings.Repeat("é", 5000)} {
			stray := listen(t, hub, "*")
			if stray.Resume(foreign) {
				t.Errorf("resumed from %q", foreign)
			}
			expect(t, drain(t, stray), "gap")
		}
	})
}

func TestWhoIsBehindIsSparedOldValuesAndTold(t *testing.T) {
	hub := newHub(t, live.Options{Events: 64, Backlog: 4})
	place(t, hub, "desk-1", "hq/f1")
	place(t, hub, "desk-2", "hq/f2")
	slow := listen(t, hub, "hq/f1")
	for n := range 20 {
		say(t, hub, live.Reading, value{Device: "desk-1", N: n})
		say(t, hub, live.Reading, value{Device: "desk-2", N: n})
		if n == 10 {
			say(t, hub, live.Command, value{Device: "desk-1", N: 100})
		}
	}
	expect(t, drain(t, slow), "missed 19", "command desk-1 100", "reading desk-1 19")
	t.Run("but not who keeps up", func(t *testing.T) {
		hub := newHub(t, live.Options{Events: 64, Backlog: 4})
		place(t, hub, "desk-1", "hq/f1")
		feed := listen(t, hub, "*")
		for n := range 20 {
			say(t, hub, live.Reading, value{Device: "desk-1", N: n})
			expect(t, drain(t, feed), fmt.Sprint("reading desk-1 ", n))
		}
	})
	t.Run("and of what is no longer kept there is a gap", func(t *testing.T) {
		for n := range 100 {
			say(t, hub, live.Command, value{Device: "desk-1", N: n})
		}
		got := drain(t, slow)
		if len(got) != 65 || got[0] != "gap" || got[64] != "command desk-1 99" {
			t.Errorf("%d messages: %q", len(got), got)
		}
	})
}

func TestWhoStaysBehindIsSentAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := newHub(t, live.Options{Backlog: 4, Slow: time.Minute})
		place(t, hub, "desk-1", "hq/f1")
		feed := listen(t, hub, "*")
		for range 62 {
			for n := range 1000 {
				say(t, hub, live.Command, value{Device: "desk-1", N: n})
			}
			if _, err := feed.Take(); err != nil { // a batch, and far from all
				if code := wattline.AsError(err).Code; code != wattline.CodeBusy {
					t.Errorf("%v", err)
				}
				return
			}
			time.Sleep(time.Second)
		}
		t.Error("it is still served")
	})
}

func TestTheRingIsBounded(t *testing.T) {
	hub := newHub(t, live.Options{Events: 1000, Bytes: 64 << 10})
	place(t, hub, "desk-1", "hq/f1")
	feed := listen(t, hub, "*")
	start := feed.Position()
	for range 100 {
		err := hub.Publish(live.Command, "desk-1", map[string]string{"device": "desk-1", "location": strings.Repeat("x", 4000)})
		if err != nil {
			t.Fatal(err)
		}
	}
	again := listen(t, hub, "*")
	again.Resume(start)
	if got := drain(t, again); len(got) != 1 || got[0] != "gap" {
		t.Errorf("%d messages", len(got))
	}
	late := listen(t, hub, "*")
	if got := len(drain(t, late)); got != 0 {
		t.Errorf("%d messages for a new one", got)
	}
	got := drain(t, feed)
	if got[0] != "gap" || len(got) < 12 || len(got) > 17 {
		t.Errorf("%d messages are kept", len(got)-1)
	}
}

func TestEachEventIsEncodedOnceHoweverManyListen(t *testing.T) {
	hub := newHub(t, live.Options{})
	place(t, hub, "desk-1", "hq/f1")
	feeds := make([]*live.Feed, 100)
	for i := range feeds {
		feeds[i] = listen(t, hub, "*")
	}
	counted := &counted{}
	if err := hub.Publish(live.Reading, "desk-1", counted); err != nil {
		t.Fatal(err)
	}
	for _, feed := range feeds {
		expect(t, drain(t, feed), "reading desk-1 1")
	}
	if counted.times != 1 {
		t.Errorf("encoded %d times", counted.times)
	}
}

type counted struct{ times int }

func (c *counted) MarshalJSON() ([]byte, error) {
	c.times++
	return json.Marshal(value{Device: "desk-1", N: c.times})
}

func TestSeveralSubscriptionsOfOneFeed(t *testing.T) {
	hub := newHub(t, live.Options{})
	feed := hub.Listen(guest(t, "*"))
	feed.Subscribe("all", filter(t, wattline.Selector{}))
	feed.Subscribe("floor", filter(t, wattline.Selector{Location: "hq/f1"}))
	var got []string
	take := func() {
		messages, err := feed.Take()
		for _, m := range messages {
			got = append(got, fmt.Sprint(short(t, m), " to ", m.To))
		}
		if err != nil {
			t.Error(err)
		}
	}
	place(t, hub, "desk-1", "hq/f1")
	take()
	place(t, hub, "desk-1", "hq/f2")
	say(t, hub, live.Reading, value{Device: "desk-1", N: 1})
	take()
	expect(t, got, "added desk-1 to [all floor]", "changed desk-1 to [all]", "removed desk-1 to [floor]", "reading desk-1 1 to [all]")
	if !feed.Unsubscribe("all") || feed.Unsubscribe("all") {
		t.Error("not unsubscribed")
	}
	say(t, hub, live.Reading, value{Device: "desk-1", N: 2})
	expect(t, drain(t, feed))
}
