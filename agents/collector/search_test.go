package collector_test

import (
	"context"
	"testing"
	"time"

	"github.com/wattline/wattline"
)

func (o office) search(ctx context.Context, query wattline.DiscoverQuery) (wattline.Discovery, error) {
	answer, err := o.bus.Request(ctx, wattline.Topic{Kind: wattline.TopicQuery, Component: "collector", Instance: "agent-1", Verb: wattline.VerbDiscover}, query)
	page, _ := answer.(wattline.Discovery)
	return page, err
}

func TestASearchIsStartedOnceAndAskedAfter(t *testing.T) {
	seekPartly(t, func(t *testing.T, s *site) {
		s.plugIn("desk-1", "10.1.0.11", "AA")
		s.lan.put("10.1.1.5", "CC")
		after(time.Minute)
		start := wattline.DiscoverQuery{Job: "job-1", Start: true, Networks: []string{"10.1.0.0/23"}}
		for range 2 {
			if got, err := s.search(t.Context(), start); err != nil || got.State != wattline.DiscoveryRunning || got.Site != "hq" {
				t.Errorf("%+v %v", got, err)
			}
		}
		if _, err := s.search(t.Context(), wattline.DiscoverQuery{Job: "job-2", Start: true}); wattline.AsError(err).Code != wattline.CodeConflict {
			t.Errorf("a second one at once: %v", err)
		}
		after(time.Minute)
		got, err := s.search(t.Context(), wattline.DiscoverQuery{Job: "job-1"})
		if err != nil || got.State != wattline.DiscoveryDone || got.EndedAt.IsZero() || len(got.Found) != 2 {
			t.Fatalf("%+v %v", got, err)
		}
		if got.Found[0].Devices[0] != "desk-1" || len(got.Found[1].Devices) != 0 || got.Found[1].Address != "10.1.1.5" || got.Found[1].MAC != "CC" {
			t.Errorf("%+v", got.Found)
		}
		if page, err := s.search(t.Context(), wattline.DiscoverQuery{Job: "job-1", Limit: 1}); err != nil || len(page.Found) != 1 || page.Next != 1 {
			t.Errorf("%+v %v", page, err)
		}
		if page, err := s.search(t.Context(), wattline.DiscoverQuery{Job: "job-1", After: 1}); err != nil || len(page.Found) != 1 || page.Next != 0 {
			t.Errorf("%+v %v", page, err)
		}
		if n := len(s.lan.searched()); n != 1 {
			t.Errorf("%d searches", n)
		}
		for name, c := range map[string]struct {
			query wattline.DiscoverQuery
			code  wattline.Code
		}{
			"nobody's":             {wattline.DiscoverQuery{Job: "job-9"}, wattline.CodeNotFound},
			"without an id":        {wattline.DiscoverQuery{Start: true}, wattline.CodeInvalid},
			"of other networks":    {wattline.DiscoverQuery{Job: "job-3", Start: true, Networks: []string{"172.20.0.0/24"}}, wattline.CodeInvalid},
			"of too large ones":    {wattline.DiscoverQuery{Job: "job-3", Start: true, Networks: []string{"10.2.0.0/15"}}, wattline.CodeInvalid},
			"of what is none":      {wattline.DiscoverQuery{Job: "job-3", Start: true, Networks: []string{"10.1.0.1/22"}}, wattline.CodeInvalid},
			"of a page before all": {wattline.DiscoverQuery{Job: "job-1", After: -1}, wattline.CodeInvalid},
		} {
			if _, err := s.search(t.Context(), c.query); err == nil || wattline.AsError(err).Code != c.code {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}
