package persist

import (
	"testing"
	"time"

	"github.com/wattline/wattline"
)

func pageOf(first, last uint64, numbers ...uint64) wattline.ReplayPage {
	page := wattline.ReplayPage{Stream: "s", First: first, Last: last}
	for _, n := range numbers {
		page.Readings = append(page.Readings, wattline.Reading{
			Device: "d", Time: wattline.At(time.Now()), Relay: wattline.RelayOn, Stream: "s", Seq: n,
		})
	}
	return page
}

func TestJudge(t *testing.T) {
	q := question{stream: "s", from: 5, to: 8}
	for name, c := range map[string]struct {
		page     wattline.ReplayPage
		readings int
		through  uint64
	}{
		"all of it":                         {pageOf(1, 20, 5, 6, 7, 8), 4, 8},
		"a part":                            {pageOf(1, 20, 5, 6), 2, 6},
		"more than was asked for":           {pageOf(1, 20, 5, 6, 7, 8, 9, 10), 4, 8},
		"what is left of it":                {pageOf(7, 20, 7, 8), 2, 8},
		"holes":                             {pageOf(1, 20, 6, 8), 2, 8},
		"nothing, for it was dropped":       {pageOf(20, 30), 0, 19},
		"nothing, for all was dropped":      {pageOf(31, 30), 0, 30},
		"the first part dropped, none sent": {pageOf(7, 30), 0, 6},
		"nothing, for it was never given":   {pageOf(1, 4), 0, 0},
		"only what follows":                 {pageOf(1, 20, 9, 10), 0, 8},
		"what begins far beyond it":         {pageOf(5000, 9000, 5000, 5001), 0, 4999},
	} {
		t.Run(name, func(t *testing.T) {
			a, err := judge(q, c.page)
			if err != nil || len(a.readings) != c.readings || a.through != c.through {
				t.Errorf("%d readings through %d (%v)", len(a.readings), a.through, err)
			}
		})
	}
	other := pageOf(1, 20, 5)
	other.Stream = "t"
	stranger := pageOf(1, 20, 5)
	stranger.Readings[0].Stream = "t"
	for name, page := range map[string]wattline.ReplayPage{
		"another stream":               other,
		"a reading of another stream":  stranger,
		"readings before the question": pageOf(1, 20, 4, 5),
		"readings out of order":        pageOf(1, 20, 6, 5),
		"a reading twice":              pageOf(1, 20, 5, 5),
		"a reading beyond its last":    pageOf(1, 5, 5, 6),
		"nothing of what it holds":     pageOf(1, 20),
		"bounds that cannot be":        pageOf(9, 3),
		"no first":                     pageOf(0, 3),
		"a number beyond all bounds":   pageOf(1, 1<<63),
	} {
		t.Run("does not believe "+name, func(t *testing.T) {
			if a, err := judge(q, page); err == nil {
				t.Errorf("got %+v", a)
			}
		})
	}
	t.Run("puts an invalid reading with the dead letters", func(t *testing.T) {
		page := pageOf(1, 20, 5, 6)
		page.Readings[0].Relay = "maybe"
		a, err := judge(q, page)
		if err != nil || len(a.readings) != 1 || len(a.refused) != 1 || a.through != 6 {
			t.Errorf("%+v (%v)", a, err)
		}
	})
}
