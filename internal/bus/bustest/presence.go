package bustest

import (
	"fmt"
	"slices"
	"testing"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/testserver"
)

func runPresence(t *testing.T, h Harness) {
	t.Run("an instance, its roles and its stream are known to the others", func(t *testing.T) {
		announced(t, h)
	})
	t.Run("one that ends in good order is offline at once", func(t *testing.T) {
		watcher, other := Start(t, h.URLs, "end", "end-watcher"), Start(t, h.URLs, "end", "end-other")
		other.Announce("worker")
		waitLive(t, watcher.Bus, "worker")
		other.Stop()
		waitDead(t, watcher.Bus, "worker")
	})
	t.Run("one whose connection is cut is offline by its last will", func(t *testing.T) {
		watcher := Start(t, h.URLs, "will", "will-watcher")
		wire := NewWire(t, h.URLs[0])
		other := Start(t, []string{wire.URL()}, "will", "will-other")
		other.Announce("worker")
		waitLive(t, watcher.Bus, "worker")
		wire.Cut()
		waitDead(t, watcher.Bus, "worker")
		wire.Mend()
		waitLive(t, watcher.Bus, "worker")
	})
	t.Run("one that starts knows the others as soon as it is connected", func(t *testing.T) {
		for _, name := range []string{"a", "b", "c"} {
			Start(t, h.URLs, "start", "start-"+name).Announce("worker")
		}
		first := Start(t, h.URLs, "start", "start-first")
		testserver.Eventually(t, patience, func() error {
			if found := kept(t, first.Bus, wattline.Topic{Kind: wattline.TopicPresence}, 4); len(found) != 4 {
				return fmt.Errorf("the broker knows %d instances", len(found))
			}
			return nil
		})
		late := Start(t, h.URLs, "start", "start-late")
		if instances := late.Instances(); len(instances) != 5 {
			t.Errorf("it knows %d instances, want 5: %+v", len(instances), instances)
		}
	})
}

func announced(t *testing.T, h Harness) {
	watcher, other := Start(t, h.URLs, "known", "known-watcher"), Start(t, h.URLs, "known", "known-other")
	heard := make(chan wattline.Presence, 100)
	watcher.OnPresence(func(p wattline.Presence) { heard <- p })
	other.Announce(wattline.RoleCollector, "hq", "lab")
	other.Announce(wattline.RoleController, "hq")
	other.AnnounceStream(func() (string, uint64) { return "stream-1", 17 })
	for p := range heard {
		if p.Instance == "known-other" && p.Stream == "stream-1" && p.Seq == 17 && len(p.Roles) == 2 {
			if !slices.Equal(p.Sites, []string{"hq", "lab"}) {
				t.Errorf("its sites are %v", p.Sites)
			}
			break
		}
	}
	for site, want := range map[string]bool{"hq": true, "lab": true, "": true, "elsewhere": false} {
		if _, ok := watcher.Pick(wattline.RoleController, site); ok != want {
			t.Errorf("a controller for the site %q: %v, want %v", site, ok, want)
		}
	}
	other.Stop()
	for p := range heard {
		if p.Instance == "known-other" && p.Status == wattline.PresenceOffline {
			break
		}
	}
}
