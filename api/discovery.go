package api

import (
	"net/http"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/audit"
	"github.com/wattline/wattline/internal/bus"
)

// DiscoveryRequest is the body of POST /api/v1/discovery.
type DiscoveryRequest struct {
	// Site whose collector searches; it may be left out where there is one.
	Site string `json:"site,omitempty" example:"hq"`
	// Networks are searched, in CIDR form: parts of those that are configured, which are
	// all searched, as far as they are small enough, if none is named.
	Networks []string `json:"networks,omitempty" example:"10.1.0.0/22"`
}

// DiscoveryStatus is how far a search for plugs has come.
type DiscoveryStatus struct {
	ID    string                  `json:"id" example:"qjx4rz5rwhmbywzb6kcyvnvt2v.wattline-9f2c41aa"`
	Site  string                  `json:"site"`
	State wattline.DiscoveryState `json:"state"`
	// Error is why it failed.
	Error     string        `json:"error,omitempty"`
	StartedAt wattline.Time `json:"started_at"`
	EndedAt   wattline.Time `json:"ended_at,omitzero" validate:"optional"`
	// Tried and Total count the addresses that are tried one by one; answers to
	// broadcasts come besides.
	Tried int `json:"tried"`
	Total int `json:"total"`
	// Found are the plugs, in the order in which they were found.
	Found []wattline.FoundPlug `json:"found"`
}

// postDiscovery godoc
//
//	@Summary		Search plugs
//	@Description	Has a site's collector search plugs, by broadcast and address by address, within the networks that devices may be in. Location has its progress and what it found. A collector does one search at a time, and remembers the last few. It tells of plugs everywhere, so only an admin of everything may.
//	@ID				postDiscovery
//	@Tags			discovery
//	@Accept			json
//	@Produce		json
//	@Param			body	body		DiscoveryRequest	true	"Where"
//	@Success		202		{object}	DiscoveryStatus
//	@Header			202		{string}	Location	"where the progress is"
//	@Failure		400		{object}	Problem	"invalid"
//	@Failure		403		{object}	Problem	"forbidden"
//	@Failure		409		{object}	Problem	"conflict: a search is under way"
//	@Failure		413		{object}	Problem	"too_large"
//	@Failure		415		{object}	Problem	"unsupported_media_type"
//	@Failure		429		{object}	Problem	"busy"
//	@Failure		500		{object}	Problem	"internal"
//	@Failure		503		{object}	Problem	"no_responder, broker_down"
//	@Failure		504		{object}	Problem	"timeout"
//	@Failure		default	{object}	Problem	"whatever else who was asked answers"
//	@Router			/api/v1/discovery [post]
func (g *Gateway) postDiscovery(c *gin.Context) error {
	var request DiscoveryRequest
	if err := g.readBody(c, &request); err != nil {
		return err
	}
	collector, err := g.searcher(request.Site)
	if err != nil {
		return err
	}
	s := search{job: bus.NewID(), collector: collector}
	query := wattline.DiscoverQuery{Job: s.job, Start: true, Networks: request.Networks}
	if err := query.Validate(); err != nil {
		return err
	}
	var page wattline.Discovery
	entry := audit.Entry{Action: "discovery.start", Detail: strings.Join(request.Networks, " ")}
	err = g.audited(c.Request.Context(), g.origin(c), entry, func() error {
		return g.askOne(c, s.asks(query), &page)
	})
	if err != nil {
		return err
	}
	c.Header("Location", "/api/v1/discovery/"+s.String())
	return writeJSONStatus(c, http.StatusAccepted, s.status(page))
}

// getDiscovery godoc
//
//	@Summary	How far a search for plugs has come
//	@ID			getDiscovery
//	@Tags		discovery
//	@Produce	json
//	@Param		id		path		string	true	"Of the search"	example(qjx4rz5rwhmbywzb6kcyvnvt2v.wattline-9f2c41aa)
//	@Success	200		{object}	DiscoveryStatus
//	@Failure	400		{object}	Problem	"invalid"
//	@Failure	403		{object}	Problem	"forbidden"
//	@Failure	404		{object}	Problem	"not_found"
//	@Failure	429		{object}	Problem	"busy"
//	@Failure	500		{object}	Problem	"internal"
//	@Failure	503		{object}	Problem	"no_responder, broker_down"
//	@Failure	504		{object}	Problem	"timeout"
//	@Failure	default	{object}	Problem	"whatever else who was asked answers"
//	@Router		/api/v1/discovery/{id} [get]
func (g *Gateway) getDiscovery(c *gin.Context) error {
	s, err := searchOf(c)
	if err != nil {
		return err
	}
	status, err := g.discovery(c, s)
	if err != nil {
		return err
	}
	return writeJSON(c, status)
}

// search is a search by its collector's name for it. Its text is the id that clients
// know it by, so that any gateway can be asked.
type search struct{ job, collector string }

func (s search) String() string { return s.job + "." + s.collector }

// searchOf is the one that the path names.
func searchOf(c *gin.Context) (search, error) {
	job, collector, _ := strings.Cut(c.Param("id"), ".")
	if wattline.CheckID(job) != nil || wattline.CheckID(collector) != nil {
		return search{}, wattline.Invalid(wattline.FieldError{Field: "id", Reason: "must be the id that the search was given"})
	}
	return search{job, collector}, nil
}

func (s search) asks(query wattline.DiscoverQuery) toInstance {
	return toInstance{role: wattline.RoleCollector, instance: s.collector, verb: wattline.VerbDiscover, body: query}
}

func (s search) status(page wattline.Discovery) DiscoveryStatus {
	return DiscoveryStatus{
		ID: s.String(), Site: page.Site, State: page.State, Error: page.Error, StartedAt: page.StartedAt, EndedAt: page.EndedAt,
		Tried: page.Tried, Total: page.Total, Found: append([]wattline.FoundPlug{}, page.Found...),
	}
}

// maxDiscoveryPages bounds what is asked of a collector for one answer.
const maxDiscoveryPages = 16

// discovery is all that a search came to so far.
func (g *Gateway) discovery(c *gin.Context, s search) (DiscoveryStatus, error) {
	var status DiscoveryStatus
	query := wattline.DiscoverQuery{Job: s.job, Limit: wattline.MaxPage}
	for range maxDiscoveryPages {
		var page wattline.Discovery
		if err := g.askOne(c, s.asks(query), &page); err != nil {
			return status, err
		}
		before := status.Found
		status = s.status(page)
		status.Found = append(before, status.Found...)
		if page.Next <= query.After {
			break
		}
		query.After = page.Next
	}
	if status.Found == nil {
		status.Found = []wattline.FoundPlug{}
	}
	return status, nil
}

// searcher is the collector of a site, which may be left out where there is one.
func (g *Gateway) searcher(site string) (string, error) {
	if site != "" && wattline.CheckID(site) != nil {
		return "", wattline.Invalid(wattline.FieldError{Field: "site", Reason: wattline.CheckID(site).Error()})
	}
	var sites []string
	for _, presence := range g.bus.Instances() {
		if presence.Serves(wattline.RoleCollector, "") {
			sites = append(sites, presence.Sites...)
		}
	}
	slices.Sort(sites)
	if sites = slices.Compact(sites); site == "" && len(sites) > 1 {
		return "", wattline.Invalid(wattline.FieldError{Field: "site", Reason: "must name one of the sites: " + strings.Join(sites, ", ")})
	}
	collector, alive := g.bus.Pick(wattline.RoleCollector, site)
	if !alive {
		return "", wattline.Errorf(wattline.CodeNoResponder, "no collector is alive for the site %q", site)
	}
	return collector, nil
}
