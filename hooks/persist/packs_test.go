package persist_test

import (
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/hooks/persist"
	"github.com/wattline/wattline/internal/packed"
	"github.com/wattline/wattline/internal/testserver"
)

func TestPacks(t *testing.T) {
	bubble(t, "are stored, and told to be stored, without a question", func(t *testing.T) {
		o := begin(t, nil)
		c := o.bus.add(&collector{instance: "c1", stream: "s1", packs: true})
		for range 10 {
			o.bus.pack(c, 300, true)
			time.Sleep(time.Second)
		}
		time.Sleep(time.Second)
		o.complete(t, c)
		if n := o.bus.asked(c); n != 0 {
			t.Errorf("asked %d times", n)
		}
	})
	bubble(t, "that do not arrive are asked for", func(t *testing.T) {
		o := begin(t, nil)
		c := o.bus.add(&collector{instance: "c1", stream: "s1", packs: true})
		for n := range 10 {
			o.bus.pack(c, 300, n%3 != 1)
			time.Sleep(time.Second)
		}
		time.Sleep(5 * time.Second)
		o.complete(t, c)
	})
	bubble(t, "of readings that came one by one are not written again", func(t *testing.T) {
		o := begin(t, nil)
		c := o.bus.add(&collector{instance: "c1", stream: "s1"})
		for range 5 {
			o.bus.publish(c, true)
		}
		o.bus.send(wattline.Topic{Kind: wattline.TopicPack, Site: "hq", Stream: "s1"}, wattline.Pack{From: 1, Packed: packed.Append(nil, c.all)})
		time.Sleep(3 * time.Second)
		o.complete(t, c)
		if batches := o.store.batches(); !slices.Equal(batches, []int{5}) {
			t.Errorf("batches %v", batches)
		}
	})
	bubble(t, "beyond what memory holds are asked for when there is room", func(t *testing.T) {
		o := begin(t, func(o *persist.Options) { o.MaxPending = 500; o.BatchReadings = 100 })
		c := o.bus.add(&collector{instance: "c1", stream: "s1", packs: true})
		o.store.set(func([]wattline.Reading) error { return errors.New("the store is away") })
		for range 5 {
			o.bus.pack(c, 300, true)
		}
		o.store.set(nil)
		time.Sleep(time.Minute)
		o.complete(t, c)
		if o.bus.asked(c) == 0 {
			t.Error("nothing was asked for")
		}
	})
}

func TestAPackThatIsNotValidChangesNothing(t *testing.T) {
	good := wattline.Reading{Device: "d", Time: wattline.AtMilli(1_700_000_000_000), Relay: wattline.RelayOn}
	bad := good
	bad.MeterWh = -1
	huge, doubtful := good, good
	huge.PowerW, doubtful.Quality = wattline.MaxMilli+1, 1<<8
	whole := packed.Append(nil, []wattline.Reading{good, good})
	for name, payload := range map[string]any{
		"not JSON":                    "nonsense",
		"without a number":            wattline.Pack{Packed: whole},
		"with a number of no journal": wattline.Pack{From: 1<<62 + 1, Packed: whole},
		"that ends beyond a journal":  wattline.Pack{From: 1 << 62, Packed: whole},
		"cut short":                   wattline.Pack{From: 1, Packed: whole[:len(whole)-1]},
		"with too many readings":      wattline.Pack{From: 1, Packed: packed.Append(nil, slices.Repeat([]wattline.Reading{good}, wattline.MaxPage+1))},
		"with an impossible reading":  wattline.Pack{From: 1, Packed: packed.Append(nil, []wattline.Reading{good, bad})},
		"with a value beyond all":     wattline.Pack{From: 1, Packed: packed.Append(nil, []wattline.Reading{good, huge})},
		"with an unknown doubt":       wattline.Pack{From: 1, Packed: packed.Append(nil, []wattline.Reading{good, doubtful})},
	} {
		bubble(t, name, func(t *testing.T) {
			o := begin(t, nil)
			c := o.bus.add(&collector{instance: "c1", stream: "s1", packs: true})
			o.bus.send(wattline.Topic{Kind: wattline.TopicPack, Site: "hq", Stream: "s1"}, payload)
			time.Sleep(time.Minute)
			if n := len(o.store.batches()); n != 0 || o.bus.asked(c) != 0 {
				t.Errorf("%d writes, asked %d times", n, o.bus.asked(c))
			}
			o.bus.pack(c, 10, true)
			time.Sleep(time.Minute)
			o.complete(t, c)
		})
	}
}

func TestSingleReadingsAreListenedTo(t *testing.T) {
	bubble(t, "only while some collector does not pack, or none says that it is there", func(t *testing.T) {
		o := begin(t, nil)
		listening := func() bool {
			synctest.Wait()
			return len(o.bus.listeners(wattline.TopicData)) > 0
		}
		if !listening() {
			t.Error("not while nobody is known")
		}
		ours := o.bus.add(&collector{instance: "c1", stream: "s1", packs: true})
		if listening() {
			t.Error("though all pack")
		}
		theirs := o.bus.add(&collector{instance: "c2"})
		if !listening() {
			t.Error("not though one does not pack")
		}
		o.bus.change(func() { theirs.online = false })
		o.bus.tell(theirs)
		if listening() {
			t.Error("though the one that does not pack is gone")
		}
		o.bus.change(func() { ours.online = false })
		o.bus.tell(ours)
		if !listening() {
			t.Error("not when nobody is there any more")
		}
	})
	bubble(t, "while somebody tells the state of devices of a site that no collector serves", func(t *testing.T) {
		o := begin(t, nil)
		c := o.bus.add(&collector{instance: "c1", stream: "s1", packs: true, sites: []string{"hq"}})
		state := func(site, device string, payload any) {
			o.bus.send(wattline.Topic{Kind: wattline.TopicState, Site: site, Device: device}, payload)
			synctest.Wait()
		}
		state("hq", "desk-1", wattline.State{Device: "desk-1"})
		if len(o.bus.listeners(wattline.TopicData)) != 0 {
			t.Error("though all sites are served")
		}
		state("meters", "meter-1", wattline.State{Device: "meter-1"})
		theirs := wattline.Reading{Device: "meter-1", Time: wattline.At(time.Now()), Relay: wattline.RelayOn}
		o.bus.send(wattline.Topic{Kind: wattline.TopicData, Site: "meters", Device: "meter-1"}, theirs)
		o.bus.pack(c, 3, true)
		time.Sleep(3 * time.Second)
		o.complete(t, c)
		if !o.store.has(theirs) {
			t.Error("a reading of theirs is not stored")
		}
	})
}

func TestABrokerThatLetsNoPacksBeHeard(t *testing.T) {
	bubble(t, "has readings taken one by one, and is told of", func(t *testing.T) {
		var log testserver.Text
		s := newStore()
		o := &office{bus: newBus(s), store: s}
		o.bus.forbidden = wattline.TopicPack
		o.runner = runner{t: t, options: persist.Options{Name: "archive", Bus: o.bus, Store: s, Dir: t.TempDir(), Log: log.Logger(slog.LevelInfo)}}
		o.start()
		c := o.bus.add(&collector{instance: "c1", stream: "s1", packs: true})
		synctest.Wait()
		o.bus.publish(c, true)
		time.Sleep(3 * time.Second)
		o.complete(t, c)
		if n := o.bus.asked(c); n != 0 {
			t.Errorf("asked %d times", n)
		}
		if !strings.Contains(log.String(), "rights") {
			t.Error(log.String())
		}
		o.stop()
		if n := len(o.bus.listeners(wattline.TopicData)); n != 0 {
			t.Errorf("%d still listen at the end", n)
		}
	})
	bubble(t, "nor single readings ends the hook, which listens to nothing any more", func(t *testing.T) {
		s := newStore()
		b := newBus(s)
		b.forbidden = wattline.TopicData
		hook, err := persist.New(t.Context(), persist.Options{Name: "archive", Bus: b, Store: s, Dir: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		if err := hook.Run(t.Context()); err == nil || wattline.AsError(err).Code != wattline.CodeForbidden {
			t.Errorf("error %v", err)
		}
		if n := len(b.listeners(wattline.TopicPack)); n != 0 {
			t.Errorf("%d still listen", n)
		}
	})
}
