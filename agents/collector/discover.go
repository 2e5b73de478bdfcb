package collector

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/agents/kasa"
	"github.com/wattline/wattline/internal/fence"
)

const (
	// keepSearches is how many searches are remembered.
	keepSearches = 8
	// maxFoundPlugs bounds what one search tells.
	maxFoundPlugs = 5000
	// maxSearch bounds how long one may take: all addresses at their pace, and more.
	maxSearch = 30 * time.Minute
)

// searches are those that somebody asked for, one at a time.
type searches struct {
	// next has the one that is to begin.
	next chan *searchJob

	mu   sync.Mutex
	jobs []*searchJob // the newest last
}

// searchJob is one of them. The mutex of searches guards what it came to.
type searchJob struct {
	plan kasa.Discovery
	is   wattline.Discovery
}

func newSearches() *searches { return &searches{next: make(chan *searchJob, 1)} }

// discover carries out searches until the context ends.
func (c *Collector) discover(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case job := <-c.searches.next:
			c.carryOut(ctx, job)
		}
	}
}

func (c *Collector) carryOut(ctx context.Context, job *searchJob) {
	ctx, cancel := context.WithTimeout(ctx, maxSearch)
	defer cancel()
	s := c.searches
	plan := job.plan
	plan.Progress = func(tried, total int) {
		s.mu.Lock()
		defer s.mu.Unlock()
		job.is.Tried, job.is.Total = tried, total
	}
	err := c.options.Finder.Discover(ctx, plan, func(f kasa.Found) {
		plug := f.Plug()
		plug.Devices = c.registered(f)
		s.mu.Lock()
		defer s.mu.Unlock()
		if len(job.is.Found) < maxFoundPlugs {
			job.is.Found = append(job.is.Found, plug)
		}
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	job.is.EndedAt, job.is.State = wattline.At(time.Now()), wattline.DiscoveryDone
	if err != nil {
		job.is.State, job.is.Error = wattline.DiscoveryFailed, err.Error()
	}
	c.log.Info("search for plugs has ended", "job", job.is.Job, "found", len(job.is.Found), "tried", job.is.Tried, "error", err)
}

// registered is the devices that a found plug is, by its MAC or its address, in the
// order of ids.
func (c *Collector) registered(f kasa.Found) []string {
	devices := c.whereabouts.registered(f.Info.MAC)
	c.mu.Lock()
	for id, p := range c.pollers {
		if plugAt(p.target) == plugAt(f.Target()) {
			devices = append(devices, id)
		}
	}
	c.mu.Unlock()
	slices.Sort(devices)
	return slices.Compact(devices)
}

// page starts a search, or tells how far one has come.
func (c *Collector) page(query wattline.DiscoverQuery) (wattline.Discovery, error) {
	if err := query.Validate(); err != nil {
		return wattline.Discovery{}, err
	}
	if c.options.Finder == nil {
		return wattline.Discovery{}, wattline.Errorf(wattline.CodeUnsupported, "this collector does not search plugs")
	}
	s := c.searches
	s.mu.Lock()
	defer s.mu.Unlock()
	at := slices.IndexFunc(s.jobs, func(j *searchJob) bool { return j.is.Job == query.Job })
	if at < 0 && query.Start {
		if err := c.begin(query); err != nil {
			return wattline.Discovery{}, err
		}
		at = len(s.jobs) - 1
	}
	if at < 0 {
		return wattline.Discovery{}, wattline.Errorf(wattline.CodeNotFound, "there is no search %.80q, or not any more", query.Job)
	}
	return s.jobs[at].page(query), nil
}

// begin has a search carried out, unless one is. The mutex is held.
func (c *Collector) begin(query wattline.DiscoverQuery) error {
	s := c.searches
	if n := len(s.jobs); n > 0 && s.jobs[n-1].is.State == wattline.DiscoveryRunning {
		return wattline.Errorf(wattline.CodeConflict, "the search %s is under way: this collector does one at a time", s.jobs[n-1].is.Job)
	}
	plan, err := c.plan(query.Networks)
	if err != nil {
		return err
	}
	job := &searchJob{plan: plan, is: wattline.Discovery{
		Job: query.Job, Site: c.options.Site, State: wattline.DiscoveryRunning, StartedAt: wattline.At(time.Now()), Found: []wattline.FoundPlug{},
	}}
	s.next <- job // has room: the one before it has ended
	s.jobs = append(s.jobs, job)
	s.jobs = slices.Delete(s.jobs, 0, max(0, len(s.jobs)-keepSearches))
	return nil
}

// plan is where to search: in parts of the networks that are configured, or in all
// of these that are small enough.
func (c *Collector) plan(named []string) (kasa.Discovery, error) {
	if len(named) == 0 {
		return kasa.Discovery{Within: c.options.Networks, Networks: sweepable(c.options.Networks, unaskedAddresses)}, nil
	}
	networks, err := fence.Parse(named)
	if err != nil {
		return kasa.Discovery{}, wattline.Invalid(wattline.FieldError{Field: "networks", Reason: err.Error()})
	}
	for i, network := range networks {
		if !c.within(network) {
			return kasa.Discovery{}, wattline.Invalid(wattline.FieldError{
				Field: fmt.Sprintf("networks[%d]", i), Reason: fmt.Sprintf("%v is outside the networks that devices may be in", network),
			})
		}
	}
	if len(sweepable(networks, kasa.MaxSweep)) < len(networks) {
		return kasa.Discovery{}, wattline.Invalid(wattline.FieldError{
			Field: "networks", Reason: fmt.Sprintf("have more than %d addresses: name smaller ones", kasa.MaxSweep),
		})
	}
	return kasa.Discovery{Within: networks, Networks: networks}, nil
}

// within tells whether all of a network may be searched.
func (c *Collector) within(network netip.Prefix) bool {
	return slices.ContainsFunc(c.options.Networks, func(n netip.Prefix) bool {
		return n.Bits() <= network.Bits() && n.Contains(network.Addr())
	})
}

// page is what a search came to so far, beginning after some of the plugs.
func (j *searchJob) page(query wattline.DiscoverQuery) wattline.Discovery {
	page, limit := j.is, query.Limit
	if limit == 0 {
		limit = wattline.MaxPage
	}
	from := min(query.After, len(j.is.Found))
	to := min(from+limit, len(j.is.Found))
	page.Found = append([]wattline.FoundPlug{}, j.is.Found[from:to]...)
	if to < len(j.is.Found) {
		page.Next = to
	}
	return page
}
