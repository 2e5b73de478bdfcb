// Package roster asks the registry for its devices. What is deleted leaves nothing
// retained: whoever was away at that moment learns of it from this list alone.
package roster

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/bus"
	"github.com/wattline/wattline/internal/strictjson"
)

// timeout bounds the wait for one page.
const timeout = 10 * time.Second

// Asker is what Devices needs of bus.Bus.
type Asker interface {
	Ask(ctx context.Context, ask bus.Ask) (json.RawMessage, error)
}

// Devices are all that the registry knows, each valid, in the order of ids. actor is
// who asks. More than most devices, and pages that do not end, are an error, as is
// whatever Ask returns.
func Devices(ctx context.Context, asker Asker, actor string, most int) (devices []wattline.Device, err error) {
	query := wattline.ListQuery{Selector: wattline.Selector{All: true}, Limit: wattline.MaxPage}
	for {
		body, err := asker.Ask(ctx, bus.Ask{
			Topic: wattline.Topic{Kind: wattline.TopicQuery, Component: wattline.RoleRegistry, Verb: wattline.VerbList},
			Body:  query, Actor: actor, Timeout: timeout,
		})
		if err != nil {
			return nil, err
		}
		var page wattline.DevicePage
		if err := strictjson.DecodeLoose(body, &page); err != nil {
			return nil, err
		}
		for _, device := range page.Devices {
			if err := device.Validate(); err != nil {
				return nil, err
			}
		}
		devices = append(devices, page.Devices...)
		if page.Next == "" {
			return devices, nil
		}
		if page.Next <= query.After || len(devices) > most {
			return nil, errors.New("the registry's pages do not end")
		}
		query.After = page.Next
	}
}
