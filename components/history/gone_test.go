package history_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/store"
	"github.com/wattline/wattline/internal/store/storetest"
)

func TestAQuestionToReadingsThatAreGoneIsRefusedAndSaysFromWhenOnItIsNot(t *testing.T) {
	s := storetest.Retired{Memory: storetest.NewMemory(), Before: morning.Add(3 * time.Hour)}
	steady(t, s, "desk-1", 60_000, morning.Add(5*time.Second), morning.Add(6*time.Hour))
	steady(t, s, "desk-2", 30_000, morning.Add(4*time.Hour), morning.Add(6*time.Hour))
	h := newHistory(s)
	question := func(from, to time.Duration, window wattline.Window) wattline.AggregateQuery {
		query := aggregateOf(hours(morning, 6, wattline.Group{Name: "room", Devices: []string{"desk-1", "desk-2"}}), "power", "median")
		query.From, query.To, query.Window = wattline.At(morning.Add(from)), wattline.At(morning.Add(to)), window
		return query
	}
	for name, c := range map[string]struct {
		query   wattline.AggregateQuery
		offered string
	}{
		"the whole period":           {question(0, 6*time.Hour, ""), "a period from 2026-03-02T11:15:00.000Z on (the first reading kept is of 2026-03-02T11:00:05.000Z)"},
		"the first of the windows":   {question(0, 6*time.Hour, "hour"), "a period from 2026-03-02T11:15:00.000Z on (the first reading kept is of 2026-03-02T11:00:05.000Z)"},
		"nothing is left":            {question(0, time.Hour, ""), "ask for count"},
		"a part of a quarter-hour":   {question(65*time.Minute, 70*time.Minute, ""), "ask for count"},
		"all but the newest minutes": {question(time.Hour, 190*time.Minute, ""), "ask for count"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ask[wattline.AggregatePage](t, h, "aggregate", c.query)
			known := wattline.AsError(err)
			if err == nil || known.Code != wattline.CodeInvalid || known.Fields[0].Field != "op" || !strings.Contains(known.Message, c.offered) {
				t.Errorf("%v", err)
			}
			for _, op := range []wattline.Op{"count", "mean", "max"} { // what is offered
				query := c.query
				query.Op = op
				if page, err := ask[wattline.AggregatePage](t, h, "aggregate", query); err != nil || op == "count" && page.Rows[0].Count == 0 {
					t.Error(op, page, err)
				}
			}
		})
	}
	t.Run("from then on it answers", func(t *testing.T) {
		for _, window := range []wattline.Window{"", "hour"} {
			page, err := ask[wattline.AggregatePage](t, h, "aggregate", question(195*time.Minute, 6*time.Hour, window))
			if err != nil || page.Rows[0].Count == 0 {
				t.Error(page, err)
			}
		}
	})
}

// held is a store that does not answer for readings before it is let go.
type held struct {
	*storetest.Memory

	asked, letGo chan struct{}
}

func (s held) Readings(ctx context.Context, query store.Query) ([]wattline.Reading, error) {
	s.asked <- struct{}{}
	<-s.letGo
	return s.Memory.Readings(ctx, query)
}

func TestQuestionsToAllReadingsDoNotHoldUpOthers(t *testing.T) {
	s := held{storetest.NewMemory(), make(chan struct{}), make(chan struct{})}
	steady(t, s, "desk-1", 60_000, morning, morning.Add(time.Hour))
	h := newHistory(s)
	group := wattline.Group{Name: "g", Devices: []string{"desk-1"}}
	median := aggregateOf(hours(morning, 1, group), "power", "median")
	answers := make(chan error)
	for range 2 {
		go func() {
			_, err := ask[wattline.AggregatePage](t, h, "aggregate", median)
			answers <- err
		}()
		<-s.asked
	}
	_, err := ask[wattline.AggregatePage](t, h, "aggregate", median)
	if known := wattline.AsError(err); err == nil || known.Code != wattline.CodeBusy || !strings.Contains(known.Message, "count, first") {
		t.Errorf("a third one: %v", err)
	}
	if _, err := ask[wattline.AggregatePage](t, h, "aggregate", aggregateOf(hours(morning, 1, group), "power", "mean")); err != nil {
		t.Error(err)
	}
	if _, err := ask[wattline.ConsumptionPage](t, h, "consumption", hours(morning, 1, group)); err != nil {
		t.Error(err)
	}
	close(s.letGo)
	for range 2 {
		if err := <-answers; err != nil {
			t.Error(err)
		}
	}
	go func() { <-s.asked }()
	if _, err := ask[wattline.AggregatePage](t, h, "aggregate", median); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func TestAPageGoesOnAfterTheLastRowThoughGroupsComeAndGo(t *testing.T) {
	named := func(names ...string) (groups []wattline.Group) {
		for _, name := range names {
			groups = append(groups, wattline.Group{Name: name, Devices: []string{"desk-1"}})
		}
		return groups
	}
	for name, c := range map[string]struct {
		groups []wattline.Group
		want   string
	}{
		"as they were":           {named("b", "c", "d"), "08 d, 09 b, 09 c, 09 d"},
		"one comes before":       {named("a", "b", "c", "d"), "08 d, 09 a, 09 b, 09 c, 09 d"},
		"one goes before":        {named("c", "d"), "08 d, 09 c, 09 d"},
		"the last row's own":     {named("b", "d"), "08 d, 09 b, 09 d"},
		"all up to the last row": {named("d"), "08 d, 09 d"},
		"all after it":           {named("b", "c"), "09 b, 09 c"},
		"one comes after":        {named("b", "c", "cc", "d"), "08 cc, 08 d, 09 b, 09 c, 09 cc, 09 d"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHistory(storetest.NewMemory())
			query := hours(morning, 2, named("b", "c", "d")...)
			query.Limit = 2
			page := must(ask[wattline.ConsumptionPage](t, h, "consumption", query))(t)
			query.Groups, query.Cursor = c.groups, page.Next
			var got []string
			for ; query.Cursor != ""; query.Cursor = page.Next {
				page = must(ask[wattline.ConsumptionPage](t, h, "consumption", query))(t)
				for _, row := range page.Rows {
					got = append(got, fmt.Sprintf("%s %s", row.Start.Format("15"), row.Group))
				}
			}
			if !slices.Equal(got, strings.Split(c.want, ", ")) {
				t.Error(got)
			}
		})
	}
}
