package bus

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/wattline/wattline"
)

// Few names, so that filters meet.
func levelGen() *rapid.Generator[string] { return rapid.SampledFrom([]string{"", "a", "b", "c"}) }
func nameGen() *rapid.Generator[string]  { return rapid.SampledFrom([]string{"a", "b", "c"}) }

func topicGen(level *rapid.Generator[string]) *rapid.Generator[wattline.Topic] {
	return rapid.Custom(func(t *rapid.T) wattline.Topic {
		switch kind := rapid.SampledFrom([]wattline.TopicKind{
			wattline.TopicData, wattline.TopicState, wattline.TopicQuery,
		}).Draw(t, "kind"); kind {
		case wattline.TopicQuery:
			return wattline.Topic{Kind: kind, Component: level.Draw(t, "1"), Instance: level.Draw(t, "2"), Verb: level.Draw(t, "3")}
		default:
			return wattline.Topic{Kind: kind, Site: level.Draw(t, "1"), Device: level.Draw(t, "2")}
		}
	})
}

func TestACoverHasNoOverlapsAndPassesAllThatItsFiltersPass(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		filters := rapid.SliceOfN(topicGen(levelGen()), 0, 12).Draw(t, "filters")
		covers := cover(filters)
		for a := range covers {
			for b := range covers {
				if a != b && overlap(a, b) {
					t.Fatalf("%+v and %+v overlap", a, b)
				}
			}
		}
		for _, topic := range rapid.SliceOfN(topicGen(nameGen()), 0, 20).Draw(t, "topics") {
			wanted, passed := false, 0
			for _, filter := range filters {
				wanted = wanted || filter.Covers(topic)
			}
			for filter := range covers {
				if filter.Covers(topic) {
					passed++
				}
			}
			if passed > 1 || wanted && passed == 0 {
				t.Fatalf("%+v is wanted: %v, and passes %d filters of %v", topic, wanted, passed, covers)
			}
		}
		for _, filter := range filters {
			if !covers[coverOf(covers, filter)] {
				t.Fatalf("%+v has no cover", filter)
			}
		}
	})
}

func TestFiltersThatDoNotMeetStayApart(t *testing.T) {
	hq := wattline.Topic{Kind: wattline.TopicCommand, Site: "hq"}
	lab := wattline.Topic{Kind: wattline.TopicCommand, Site: "lab"}
	covers := cover([]wattline.Topic{hq, lab, hq})
	if len(covers) != 2 || !covers[hq] || !covers[lab] {
		t.Errorf("the cover is %v", covers)
	}
}
