package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/coder/websocket"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/api/live"
	"github.com/wattline/wattline/client"
)

const (
	// watchedFor is how long a device is polled every second unless asked again, which
	// watchAgain does well before.
	watchedFor = 60 * time.Second
	watchAgain = 25 * time.Second
	// maxEvents bounds a message with a batch of events.
	maxEvents = 4 << 20
)

// watchFlags are those of watch.
type watchFlags struct {
	place  placeFlags
	asJSON bool
}

func newWatch() *cobra.Command {
	var options gatewayOptions
	var flags watchFlags
	command := &cobra.Command{
		Use:   "watch [DEVICE…]",
		Short: "Show readings and states as they come",
		Long: `Show readings and states as they come, until Ctrl-C. Devices that are named are polled
every second meanwhile. After a break it goes on by itself, beginning with what is
known then.`,
		Example: `  wattline watch desk-1
  wattline watch --location hq/f1 --json | jq 'select(.event == "state")'`,
		RunE: func(command *cobra.Command, ids []string) error {
			labels, err := flags.place.labelled()
			if err != nil {
				return err
			}
			gateway, err := options.client(command)
			if err != nil {
				return err
			}
			w := watcher{gateway: gateway, ids: ids, out: command.OutOrStdout(), asJSON: flags.asJSON, selector: wattline.Selector{
				IDs: ids, Location: flags.place.location, Kind: flags.place.kind, Labels: labels,
			}}
			w.selector.All = w.selector.IsZero()
			return w.run(command)
		},
	}
	options.bind(command)
	flags.place.bind(command)
	command.Flags().BoolVar(&flags.asJSON, "json", false, "print a JSON object a line")
	return command
}

// watcher follows the events of a gateway.
type watcher struct {
	gateway  *client.Client
	selector wattline.Selector
	ids      []string
	out      io.Writer
	asJSON   bool
}

func (w watcher) run(command *cobra.Command) error {
	group, ctx := errgroup.WithContext(command.Context())
	group.Go(func() error { return w.poll(ctx) })
	group.Go(func() error {
		follow := func() (struct{}, error) { return struct{}{}, w.follow(ctx) }
		tell := func(err error, pause time.Duration) {
			fmt.Fprintf(command.ErrOrStderr(), "%v; again in %v\n", err, pause.Round(time.Second))
		}
		_, err := backoff.Retry(ctx, follow, backoff.WithMaxElapsedTime(0), backoff.WithNotify(tell))
		return err
	})
	if err := group.Wait(); command.Context().Err() == nil {
		return err
	}
	return nil
}

// poll has the named devices polled every second, until ctx ends.
func (w watcher) poll(ctx context.Context) error {
	if len(w.ids) == 0 {
		return nil
	}
	seconds := int(watchedFor.Seconds())
	ticker := time.NewTicker(watchAgain)
	defer ticker.Stop()
	for first := true; ; first = false {
		for _, id := range w.ids {
			_, err := answerOf[client.Watch](w.gateway.PostWatch(ctx, id, client.WatchRequest{Seconds: &seconds}))
			if refused, is := errors.AsType[*gatewayError](err); is && first && refused.Status < http.StatusInternalServerError {
				return fmt.Errorf("%s: %w", plain(id), err)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// follow prints events until the connection ends. An error that would come again is
// permanent.
func (w watcher) follow(ctx context.Context) error {
	request, err := w.gateway.SocketRequest(ctx)
	if err != nil {
		return backoff.Permanent(err)
	}
	conn, response, err := websocket.Dial(ctx, request.URL.String(), &websocket.DialOptions{HTTPHeader: request.Header})
	if err != nil {
		if response != nil && response.StatusCode >= http.StatusBadRequest && response.StatusCode < http.StatusInternalServerError {
			return backoff.Permanent(fmt.Errorf("%s answers %s", request.URL.Host, response.Status))
		}
		return fmt.Errorf("no gateway answers at %s", request.URL.Host)
	}
	defer func() { _ = conn.CloseNow() }()
	conn.SetReadLimit(maxEvents)
	text, err := json.Marshal(live.Request{
		Type: "subscribe", ID: "watch", Selector: w.selector, Types: []live.Kind{live.State, live.Reading}, Snapshot: true,
	})
	if err != nil {
		return backoff.Permanent(err)
	}
	if err := conn.Write(ctx, websocket.MessageText, text); err != nil {
		return err
	}
	return w.print(ctx, conn)
}

func (w watcher) print(ctx context.Context, conn *websocket.Conn) error {
	for {
		_, text, err := conn.Read(ctx)
		switch code := websocket.CloseStatus(err); {
		case err == nil:
		case code >= closedForGood:
			return backoff.Permanent(fmt.Errorf("the gateway has ended it: %s", plain(closeReason(err))))
		default:
			return errors.New("the connection has ended")
		}
		var message struct {
			live.Reply
			Events []event `json:"events"`
		}
		if err := json.Unmarshal(text, &message); err != nil {
			return backoff.Permanent(fmt.Errorf("the gateway does not answer as one of this version: %w", err))
		}
		if message.Type == "error" {
			return backoff.Permanent(fmt.Errorf("%s (%s)", plain(message.Message), message.Code))
		}
		for _, e := range message.Events {
			if err := w.show(e); err != nil {
				return backoff.Permanent(err)
			}
		}
	}
}

// closedForGood is where the codes begin that say that the rights are not there.
const closedForGood = 4400

func closeReason(err error) string {
	if closed, is := errors.AsType[websocket.CloseError](err); is {
		return closed.Reason
	}
	return err.Error()
}

// event is one of a batch.
type event struct {
	Event live.Kind       `json:"event"`
	Data  json.RawMessage `json:"data"`
}

func (w watcher) show(e event) error {
	if w.asJSON {
		return json.NewEncoder(w.out).Encode(e)
	}
	switch e.Event {
	case live.Reading:
		var r wattline.Reading
		if err := json.Unmarshal(e.Data, &r); err != nil {
			return err
		}
		_, err := fmt.Fprintf(w.out, "%s  %-20s  %9s W  %12s Wh  %s\n", r.Time.Local().Format(time.TimeOnly), plain(r.Device), r.PowerW, r.EnergyWh, r.Relay)
		return err
	case live.State:
		var s wattline.State
		if err := json.Unmarshal(e.Data, &s); err != nil {
			return err
		}
		_, err := fmt.Fprintf(w.out, "%s  %-20s  %s%s\n", s.Time.Local().Format(time.TimeOnly), plain(s.Device), s.Availability, because(s))
		return err
	case live.Registry, live.Command, live.Alert:
	}
	return nil
}

func because(s wattline.State) string {
	if s.Error == nil {
		return ""
	}
	return ": " + plain(s.Error.Message)
}
