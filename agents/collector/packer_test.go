package collector_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/agents/agenttest"
	"github.com/wattline/wattline/internal/packed"
)

// packs are the readings that were published packed, with their numbers.
func packs(t *testing.T, o office) (readings []wattline.Reading, messages int) {
	t.Helper()
	for _, pack := range agenttest.Published[wattline.Pack](o.bus, wattline.Topic{Kind: wattline.TopicPack, Site: "hq", Stream: "stream-1"}) {
		some, err := packed.Decode(nil, pack.Packed, wattline.MaxPage)
		if err != nil {
			t.Fatal(err)
		}
		for i := range some {
			some[i].Stream, some[i].Seq = "stream-1", pack.From+uint64(i)
		}
		readings = append(readings, some...)
		messages++
	}
	return readings, messages
}

func TestPacks(t *testing.T) {
	t.Run("hold every reading of the journal, those of a second together", func(t *testing.T) {
		run(t, func(t *testing.T, o office) {
			for _, id := range []string{"desk-1", "desk-2", "desk-3"} {
				o.plugs.set(id+".lan", metered)
				o.bus.DeliverDevice(device(id))
			}
			time.Sleep(time.Minute)
			synctest.Wait()
			got, messages := packs(t, o)
			if diff := cmp.Diff(o.journal.kept(), got); diff != "" || len(got) < 30 {
				t.Errorf("%d readings (-journal +packs):\n%s", len(got), diff)
			}
			if messages > 60 {
				t.Errorf("%d messages in a minute", messages)
			}
		})
	})
	t.Run("are published once more at the end", func(t *testing.T) {
		var o office
		run(t, func(t *testing.T, under office) {
			o = under
			o.plugs.set("desk-1.lan", metered)
			o.bus.DeliverDevice(device("desk-1"))
			for len(o.journal.kept()) == 0 {
				time.Sleep(10 * time.Millisecond)
				synctest.Wait()
			}
		})
		if got, _ := packs(t, o); len(got) != len(o.journal.kept()) {
			t.Errorf("%d of %d readings", len(got), len(o.journal.kept()))
		}
	})
	t.Run("are not tried again: the journal has the readings", func(t *testing.T) {
		run(t, func(t *testing.T, o office) {
			o.plugs.set("desk-1.lan", metered)
			o.bus.DeliverDevice(device("desk-1"))
			o.bus.Refuse(wattline.TopicPack, errors.New("no broker"))
			time.Sleep(20 * time.Second)
			before := len(o.journal.kept())
			o.bus.Refuse(wattline.TopicPack, nil)
			time.Sleep(20 * time.Second)
			synctest.Wait()
			got, _ := packs(t, o)
			if diff := cmp.Diff(o.journal.kept()[before:], got); diff != "" || before == 0 {
				t.Errorf("%d before; (-journal since +packs):\n%s", before, diff)
			}
		})
	})
}
