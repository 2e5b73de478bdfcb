package live_test

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/api/live"
	"github.com/wattline/wattline/internal/access"
)

// paced notes when it was written to.
type paced struct {
	header http.Header
	text   bytes.Buffer
	at     []time.Time
}

func (p *paced) Header() http.Header { return p.header }
func (p *paced) WriteHeader(int)     {}
func (p *paced) Flush()              {}
func (p *paced) Write(text []byte) (int, error) {
	p.at = append(p.at, time.Now())
	return p.text.Write(text)
}

func (p *paced) readings() int { return bytes.Count(p.text.Bytes(), []byte("event: reading\n")) }

func TestEventsAreGatheredForEachClientAtAPlaceOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const pause, each, events = 30 * time.Millisecond, time.Millisecond, 600
		hub := newHub(t, live.Options{Pause: pause})
		place(t, hub, "desk-1", "hq")
		place(t, hub, "desk-2", "hq")
		ctx, leave := context.WithCancel(t.Context())
		var clients sync.WaitGroup
		listen := func(selector wattline.Selector) *paced {
			client := &paced{header: http.Header{}}
			stream := live.Stream{
				Filter: filter(t, selector), Who: func() (access.Principal, error) { return guest(t, "hq"), nil },
			}
			request := httptest.NewRequestWithContext(ctx, http.MethodGet, "/", nil)
			clients.Go(func() {
				if err := hub.ServeEvents(client, request, stream); err != nil {
					t.Error(err)
				}
			})
			return client
		}
		one, other, narrow := listen(wattline.Selector{}), listen(wattline.Selector{}), listen(wattline.Selector{IDs: []string{"desk-2"}})
		synctest.Wait()
		for n := range events {
			say(t, hub, live.Reading, value{Device: "desk-1", N: n})
			time.Sleep(each)
		}
		say(t, hub, live.Reading, value{Device: "desk-2"})
		time.Sleep(pause)
		leave()
		clients.Wait()
		for _, client := range []*paced{one, other} {
			if client.readings() != events+1 {
				t.Errorf("%d readings", client.readings())
			}
			const begin, last = 1, 2
			if most := int(events*each/pause) + begin + last; len(client.at) > most {
				t.Errorf("written to %d times, not %d at most", len(client.at), most)
			}
		}
		if slices.ContainsFunc(one.at[1:], func(at time.Time) bool { return slices.Contains(other.at, at) }) {
			t.Error("both are written to at the same time")
		}
		if narrow.readings() != 1 || len(narrow.at) != 2 {
			t.Errorf("who takes one device is given %d readings in %d writes", narrow.readings(), len(narrow.at))
		}
	})
}
