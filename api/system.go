package api

import (
	"cmp"
	"slices"
	"time"

	"github.com/gin-gonic/gin"
	"golang.org/x/sync/errgroup"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/bus"
)

const (
	// statusTimeout is what an instance has to say how it does.
	statusTimeout = 5 * time.Second
	// statusesAtOnce bounds how many are asked at a time.
	statusesAtOnce = 32
)

// JournalList is the body of GET /api/v1/system/journal.
type JournalList struct {
	// Journals are those of the collectors that are alive, by instance.
	Journals []JournalItem `json:"journals"`
}

// JournalItem is the journal of a collector, or why it is not known.
type JournalItem struct {
	Instance string                  `json:"instance" example:"wattline-9f2c41aa"`
	Sites    []string                `json:"sites,omitempty"`
	Journal  *wattline.JournalStatus `json:"journal,omitempty"`
	Error    *wattline.Error         `json:"error,omitempty"`
}

// listJournals godoc
//
//	@Summary		How the journals stand
//	@Description	Every collector that is alive is asked for its journal: what it holds, its bounds and what they have dropped, and how far behind each hook is that it waits for, in readings and seconds. One that does not answer is listed with the error.
//	@ID				listJournals
//	@Tags			system
//	@Produce		json
//	@Success		200	{object}	JournalList
//	@Failure		400	{object}	Problem	"invalid"
//	@Failure		403	{object}	Problem	"forbidden"
//	@Failure		429	{object}	Problem	"busy"
//	@Router			/api/v1/system/journal [get]
func (g *Gateway) listJournals(c *gin.Context) error {
	list := JournalList{Journals: []JournalItem{}}
	for _, one := range askAll[wattline.JournalStatus](g, c, wattline.RoleCollector, wattline.VerbJournal) {
		list.Journals = append(list.Journals, JournalItem{one.instance, one.sites, one.status, one.err})
	}
	return writeJSON(c, list)
}

// forgetHook godoc
//
//	@Summary		Forget a hook
//	@Description	The journal no longer waits for the hook and drops what the others have stored, until the hook stores more than it had. What the hook lacks by then is lost to it. A hook that the configuration names (journal.wait_for) is a conflict.
//	@ID				forgetHook
//	@Tags			system
//	@Produce		json
//	@Param			instance	path		string	true	"Collector"	example(wattline-9f2c41aa)
//	@Param			hook		path		string	true	"Hook"		example(influx)
//	@Success		200			{object}	wattline.JournalStatus
//	@Failure		400			{object}	Problem	"invalid"
//	@Failure		403			{object}	Problem	"forbidden"
//	@Failure		404			{object}	Problem	"not_found: the journal waits for no such hook"
//	@Failure		409			{object}	Problem	"conflict: the configuration names the hook"
//	@Failure		429			{object}	Problem	"busy"
//	@Failure		500			{object}	Problem	"internal"
//	@Failure		503			{object}	Problem	"no_responder, broker_down"
//	@Failure		504			{object}	Problem	"timeout"
//	@Failure		default		{object}	Problem	"whatever else who was asked answers"
//	@Router			/api/v1/system/journal/{instance}/hooks/{hook} [delete]
func (g *Gateway) forgetHook(c *gin.Context) error {
	instance, err := pathName(c, "instance")
	if err != nil {
		return err
	}
	hook, err := pathName(c, "hook")
	if err != nil {
		return err
	}
	var status wattline.JournalStatus
	err = g.askOne(c, toInstance{
		role: wattline.RoleCollector, instance: instance, verb: wattline.VerbForget, body: wattline.ForgetQuery{Hook: hook},
	}, &status)
	if err != nil {
		return err
	}
	return writeJSON(c, status)
}

// pathName is a part of the path that must be a name.
func pathName(c *gin.Context, part string) (string, error) {
	name := c.Param(part)
	if err := wattline.CheckID(name); err != nil {
		return "", wattline.Invalid(wattline.FieldError{Field: part, Reason: err.Error()})
	}
	return name, nil
}

// toInstance is a question to one instance.
type toInstance struct {
	role, instance, verb string
	body                 any
}

// askOne puts a question to an instance and reads its answer.
func (g *Gateway) askOne(c *gin.Context, q toInstance, into any) error {
	return g.askWithin(c, q, g.options.Limits.QueryTimeout, into)
}

func (g *Gateway) askWithin(c *gin.Context, q toInstance, within time.Duration, into any) error {
	body, err := g.bus.Ask(c.Request.Context(), bus.Ask{
		Topic: wattline.Topic{Kind: wattline.TopicQuery, Component: q.role, Instance: q.instance, Verb: q.verb},
		Body:  q.body, Actor: g.actor(c), Timeout: within,
	})
	if err != nil {
		return err
	}
	return decodeReply(body, into)
}

// statusOf is what an instance says of itself, or why it is not known.
type statusOf[T any] struct {
	instance string
	sites    []string
	status   *T
	err      *wattline.Error
}

// askAll asks every live instance of a role how it does.
func askAll[T any](g *Gateway, c *gin.Context, role, verb string) []statusOf[T] {
	live := slices.DeleteFunc(slices.Clone(g.bus.Instances()), func(p wattline.Presence) bool { return !p.Serves(role, "") })
	slices.SortFunc(live, func(a, b wattline.Presence) int { return cmp.Compare(a.Instance, b.Instance) })
	list := make([]statusOf[T], len(live))
	within := min(statusTimeout, g.options.Limits.QueryTimeout)
	var group errgroup.Group
	group.SetLimit(statusesAtOnce)
	for i, p := range live {
		group.Go(func() error {
			var status T
			list[i] = statusOf[T]{instance: p.Instance, sites: p.Sites}
			if err := g.askWithin(c, toInstance{role: role, instance: p.Instance, verb: verb}, within, &status); err != nil {
				problem := problemOf(err, "")
				list[i].err = &wattline.Error{Code: problem.Code, Message: problem.Detail}
				return nil
			}
			list[i].status = &status
			return nil
		})
	}
	_ = group.Wait() // none returns an error: each has its own
	return list
}
