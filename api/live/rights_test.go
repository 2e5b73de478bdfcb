package live_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/api/live"
	"github.com/wattline/wattline/internal/access"
)

func TestAChangeOfRightsAppliesToWhatComesNext(t *testing.T) {
	hub := newHub(t, live.Options{})
	place(t, hub, "desk-1", "hq/f1")
	place(t, hub, "desk-2", "hq/f2")
	feed := listen(t, hub, "hq")
	say(t, hub, live.Reading, value{Device: "desk-1", N: 1})
	say(t, hub, live.Reading, value{Device: "desk-2", N: 2})
	if err := feed.Allow(guest(t, "hq/f2")); err != nil {
		t.Fatal(err)
	}
	expect(t, drain(t, feed), "removed desk-1", "reading desk-2 2")
	t.Run("also to a move that was not told yet", func(t *testing.T) {
		place(t, hub, "desk-2", "hq/f3")
		if err := feed.Allow(guest(t, "hq/f1")); err != nil {
			t.Fatal(err)
		}
		got := drain(t, feed)
		slices.Sort(got)
		expect(t, got, "added desk-1", "reading desk-1 1", "removed desk-2")
	})
	t.Run("and who has none gets nothing", func(t *testing.T) {
		if err := feed.Allow(access.Principal{}); err != nil {
			t.Fatal(err)
		}
		say(t, hub, live.Reading, value{Device: "desk-1", N: 3})
		expect(t, drain(t, feed), "removed desk-1")
	})
}

// client is a subscriber, with what it has made of what it got.
type client struct {
	feed   *live.Feed
	filter wattline.Selector
	who    access.Principal
	// been are all that it ever was.
	been []access.Principal
	view map[string]bool
	id   string
}

// world is the hub and the truth about it.
type world struct {
	hub     *live.Hub
	where   map[string]string   // of each device
	history map[string][]string // where it ever was
	clients []*client
	n       int
}

// TestNobodyEverHearsOfADeviceOutOfScope has devices move, rights change, clients
// come back and things happen, all at random, with a ring that is always too small.
// Every message is held against the truth. And whoever has taken all that there was
// knows the devices in their view, and no others.
func TestNobodyEverHearsOfADeviceOutOfScope(t *testing.T) {
	scopes := []string{"*", "hq", "hq/f1", "hq/f2", "hq/f1/r1,hq/f3", "kind:none"}
	places := []string{"hq/f1", "hq/f1/r1", "hq/f2", "hq/f3", "lab"}
	selections := []wattline.Selector{{}, {Location: "hq/f1"}, {IDs: []string{"desk-1", "desk-2"}}}
	rapid.Check(t, func(rt *rapid.T) {
		w := &world{
			hub:   newHub(t, live.Options{Events: rapid.IntRange(4, 40).Draw(rt, "ring"), Backlog: rapid.IntRange(1, 20).Draw(rt, "backlog")}),
			where: map[string]string{}, history: map[string][]string{},
		}
		device := func() string { return fmt.Sprint("desk-", rapid.IntRange(1, 4).Draw(rt, "device")) }
		somebody := func() *client {
			if len(w.clients) == 0 {
				rt.Skip("nobody listens")
			}
			return rapid.SampledFrom(w.clients).Draw(rt, "client")
		}
		anybody := func() access.Principal { return guest(t, rapid.SampledFrom(scopes).Draw(rt, "scope")) }
		rt.Repeat(map[string]func(*rapid.T){
			"move": func(rt *rapid.T) {
				id, to := device(), rapid.SampledFrom(places).Draw(rt, "place")
				w.where[id], w.history[id] = to, append(w.history[id], to)
				place(t, w.hub, id, to)
			},
			"remove": func(*rapid.T) {
				id := device()
				delete(w.where, id)
				w.hub.Forget(id)
			},
			"happen": func(rt *rapid.T) {
				id := device()
				w.n++
				say(t, w.hub, rapid.SampledFrom(live.Kinds()[1:]).Draw(rt, "kind"), value{id, w.where[id], w.n})
			},
			"come": func(*rapid.T) {
				who := anybody()
				c := &client{who: who, been: []access.Principal{who}, filter: rapid.SampledFrom(selections).Draw(rt, "selection")}
				w.clients = append(w.clients, c)
				w.connect(t, c)
			},
			"come back": func(*rapid.T) { w.connect(t, somebody()) },
			"rights": func(*rapid.T) {
				c := somebody()
				c.who = anybody()
				c.been = append(c.been, c.who)
				if err := c.feed.Allow(c.who); err != nil {
					rt.Fatal(err)
				}
			},
			"take": func(*rapid.T) { w.take(rt, somebody()) },
			"take all": func(*rapid.T) {
				c := somebody()
				for w.take(rt, c) {
				}
				if got, want := c.view, w.viewOf(c); !maps.Equal(got, want) {
					rt.Fatalf("somebody with %s and %+v knows %v of %v", c.who.Scope, c.filter, got, want)
				}
			},
		})
	})
}

// connect begins, or goes on from what the client had last; without it, anew.
func (w *world) connect(t *testing.T, c *client) {
	c.feed = w.hub.Listen(c.who)
	c.feed.Subscribe("s", filter(t, c.filter))
	if c.id == "" || !c.feed.Resume(c.id) {
		c.view, c.id = map[string]bool{}, ""
		c.feed.Snapshot("s")
	}
}

func (w *world) visible(c *client, id, location string) bool {
	device := wattline.Device{ID: id, Kind: "printer", Location: location}
	return c.who.Scope.Holds(device) && (c.filter.IsZero() || c.filter.Matches(device))
}

func (w *world) viewOf(c *client) map[string]bool {
	view := map[string]bool{}
	for id, location := range w.where {
		if w.visible(c, id, location) {
			view[id] = true
		}
	}
	return view
}

// take takes a batch and holds it against the truth; false if there was none.
func (w *world) take(rt *rapid.T, c *client) bool {
	messages, err := c.feed.Take()
	if err != nil {
		rt.Fatal(err)
	}
	for _, m := range messages {
		w.check(rt, c, m)
	}
	if position := c.feed.Position(); position != "" {
		c.id = position
	}
	return len(messages) > 0
}

func (w *world) check(rt *rapid.T, c *client, m live.Message) {
	var data value
	var change live.Change
	switch m.Name {
	case live.Gap:
		c.view = map[string]bool{}
		if c.feed.Position() != "" { // it did not begin with a snapshot anyway
			c.feed.Snapshot("s")
		}
		return
	case live.MissedSome, live.SnapshotDone:
		return
	case string(live.Registry):
		if err := json.Unmarshal(m.Data, &change); err != nil {
			rt.Fatal(err)
		}
		w.checkChange(rt, c, change)
		return
	}
	if err := json.Unmarshal(m.Data, &data); err != nil {
		rt.Fatal(err)
	}
	now, there := w.where[data.Device]
	if !there || !w.visible(c, data.Device, now) {
		rt.Fatalf("somebody with %s is told %s of %s, which is at %q", c.who.Scope, m.Name, data.Device, now)
	}
	if m.ID != "" && !w.visible(c, data.Device, data.Location) {
		rt.Fatalf("somebody with %s is told %s of %s from when it was at %q", c.who.Scope, m.Name, data.Device, data.Location)
	}
}

func (w *world) checkChange(rt *rapid.T, c *client, change live.Change) {
	if change.Change == live.Removed {
		delete(c.view, change.ID)
		for _, who := range c.been {
			for _, location := range w.history[change.ID] {
				if who.Scope.Holds(wattline.Device{ID: change.ID, Kind: "printer", Location: location}) {
					return
				}
			}
		}
		rt.Fatalf("%s was never in a scope of somebody who is told that it was removed", change.ID)
	}
	c.view[change.ID] = true
	now, there := w.where[change.ID]
	if !there || !w.visible(c, change.ID, now) || !w.visible(c, change.ID, change.Device.Location) {
		rt.Fatalf("somebody with %s is told that %s was %s, which is at %q", c.who.Scope, change.ID, change.Change, now)
	}
}
