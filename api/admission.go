package api

import (
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/access"
	"github.com/wattline/wattline/internal/accounts"
	"github.com/wattline/wattline/internal/seats"
	"github.com/wattline/wattline/internal/telemetry"
)

// places are what may be under way at once below /api. One holder has a quarter of each
// at most, and an eighth is kept for admins of everything, so that nobody is held up by
// what others leave unfinished. Those of whom nothing is known have places apart.
type places struct {
	strangers, requests, answers, background *seats.Seats
}

func newPlaces(limits Limits, refused *telemetry.CounterVec) places {
	shared := func(label, what string, most int) seats.Options {
		return seats.Options{
			What: what, All: most, Each: max(1, most/4), Kept: most / 8,
			Refused: func(of seats.Limit) { refused.WithLabelValues(label, string(of)).Inc() },
		}
	}
	strangers := shared("strangers", "requests without a token or a session are under way", limits.Requests)
	strangers.Kept = 0
	return places{
		strangers:  seats.New(strangers),
		requests:   seats.New(shared("requests", "requests are under way", limits.Requests)),
		answers:    seats.New(shared("long_answers", "long answers are under way", limits.Streams)),
		background: seats.New(shared("background", "requests are carried out in the background", limits.Background)),
	}
}

func holder(who access.Principal) seats.Holder {
	return seats.Holder{Name: who.Name, Kept: access.Decide(who, access.Administer, wattline.Device{}) == access.Allowed}
}

// open lets a request through to a route that needs no token. Below /api it takes one of
// the places of strangers, by the network that it comes from.
func (g *Gateway) open(handle handler) handler {
	return func(c *gin.Context) error {
		if !belowAPI(c) {
			return handle(c)
		}
		leave, err := g.places.strangers.Take(seats.Holder{Name: accounts.Network(c.Request.RemoteAddr)})
		if err != nil {
			return err
		}
		defer leave()
		return handle(c)
	}
}

// leaveKey is where a request carries how to give back its place.
const leaveKey = "leave"

// admit takes a place for a request of somebody. One that another request is made of
// has that one's, and monitoring goes on when much is asked.
func (g *Gateway) admit(c *gin.Context, who access.Principal) (leave func(), err error) {
	if !belowAPI(c) || c.Request.Context().Value(withinKey{}) != nil {
		return func() {}, nil
	}
	if leave, err = g.places.requests.Take(holder(who)); err == nil {
		c.Set(leaveKey, leave)
	}
	return leave, err
}

// leave gives back the place of a request before its end.
func (g *Gateway) leave(c *gin.Context) {
	if leave, is := c.Value(leaveKey).(func()); is {
		leave()
	}
}

func belowAPI(c *gin.Context) bool { return strings.HasPrefix(c.Request.URL.Path, "/api/") }
