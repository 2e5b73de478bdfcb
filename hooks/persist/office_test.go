package persist_test

import (
	"context"
	"os"
	"testing"
	"testing/synctest"

	"github.com/wattline/wattline/hooks/persist"
)

// runner runs hooks one after another on the same files.
type runner struct {
	t       fatal
	options persist.Options
	hook    *persist.Hook
	stop    func()
}

type fatal interface {
	Helper()
	Fatal(...any)
	Fatalf(string, ...any)
}

func (r *runner) start() {
	r.t.Helper()
	hook, err := persist.New(context.Background(), r.options)
	if err != nil {
		r.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- hook.Run(ctx) }()
	synctest.Wait()
	r.hook = hook
	r.stop = func() {
		cancel()
		if err := <-ended; err != nil {
			r.t.Fatal(err)
		}
	}
}

// office is a hook with its surroundings.
type office struct {
	runner
	bus   *fakeBus
	store *fakeStore
}

func begin(t *testing.T, change func(*persist.Options)) *office {
	t.Helper()
	s := newStore()
	o := &office{bus: newBus(s), store: s}
	o.runner = runner{t: t, options: persist.Options{Name: "archive", Bus: o.bus, Store: s, Dir: t.TempDir()}}
	if change != nil {
		change(&o.options)
	}
	o.start()
	t.Cleanup(func() {
		o.stop()
		o.honest(t)
	})
	return o
}

func (o *office) honest(t fatal) {
	t.Helper()
	o.bus.mu.Lock()
	defer o.bus.mu.Unlock()
	if len(o.bus.untrue) > 0 {
		t.Fatal(o.bus.untrue[0])
	}
}

// complete checks that everything of a collector is in the store, and that the
// collector was told so.
func (o *office) complete(t fatal, c *collector) {
	t.Helper()
	for _, r := range c.all {
		if !o.store.has(r) {
			t.Fatalf("reading %d of %s is not in the store; %+v", r.Seq, c.stream, o.hook.Status())
		}
	}
	if got := o.bus.stored(o.options.Name, c.stream); got != uint64(len(c.all)) {
		t.Fatalf("stored is %d of %d", got, len(c.all))
	}
}

// memoryFolder is a folder in memory where the system has one: syncing takes
// most of the time of these tests.
func memoryFolder(t fatal) string {
	parent := "/dev/shm"
	if _, err := os.Stat(parent); err != nil {
		parent = ""
	}
	folder, err := os.MkdirTemp(parent, "wattline-persist-")
	if err != nil {
		t.Fatal(err)
	}
	return folder
}
