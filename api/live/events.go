package live

import (
	"context"
	"errors"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/access"
)

// Stream says what one connection for server-sent events is given.
type Stream struct {
	Filter Filter
	// Who listens, by what holds now; it is asked again every second. An error ends
	// the stream.
	Who func() (access.Principal, error)
	// After is the id of the last event that the client has; empty for a new one.
	After string
	// Snapshot has the stream begin with what there is, unless it resumes.
	Snapshot bool
}

// retry is how long a browser waits before it connects again.
const retry = 2 * time.Second

// ServeEvents writes a stream of server-sent events until the client goes, its rights
// end or the hub does. The caller has taken a seat. The error is one from before
// anything was written.
func (h *Hub) ServeEvents(w http.ResponseWriter, r *http.Request, stream Stream) error {
	who, err := stream.Who()
	if err != nil {
		return err
	}
	feed := h.Listen(who)
	feed.Subscribe("", stream.Filter)
	resumed := stream.After != "" && feed.Resume(stream.After)
	if stream.Snapshot && !resumed {
		feed.Snapshot("")
	}
	header := w.Header()
	header.Set("Content-Type", "text/event-stream")
	header.Set("Cache-Control", "no-store")
	header.Set("X-Accel-Buffering", "no") // nginx would gather events before it passes them on
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodHead {
		return nil
	}
	out := eventWriter{hub: h, w: w, control: http.NewResponseController(w)}
	s := session{feed: feed, who: stream.Who, write: out.write, beat: func() error { return out.beat(feed.Position()) }}
	if out.begin(feed.Position()) == nil { // else the client has gone already
		out.end(s.run(r.Context()))
	}
	return nil
}

// eventWriter writes server-sent events. Its writes have deadlines of their own, in
// place of the server's for the whole answer.
type eventWriter struct {
	hub      *Hub
	w        http.ResponseWriter
	control  *http.ResponseController
	deadline time.Time
}

// begin gives the client the id to resume from if it loses the connection at once.
func (e *eventWriter) begin(position string) error {
	return e.send(appendPosition([]byte("retry: "+strconv.FormatInt(retry.Milliseconds(), 10)+"\n"), position))
}

// beat is no event for the client, but moves the id that it would resume from.
func (e *eventWriter) beat(position string) error {
	return e.send(appendPosition([]byte(":\n"), position))
}

func appendPosition(text []byte, position string) []byte {
	if position != "" {
		text = append(append(append(text, "id: "...), position...), '\n')
	}
	return append(text, '\n')
}

func (e *eventWriter) write(messages []Message) error {
	buffer := e.hub.buffer()
	defer e.hub.buffers.Put(buffer)
	for _, message := range messages {
		*buffer = appendEvent(*buffer, message)
	}
	return e.send(*buffer)
}

func (e *eventWriter) send(text []byte) error {
	if err := e.extend(); err != nil {
		return err
	}
	if _, err := e.w.Write(text); err != nil {
		return err
	}
	return e.control.Flush()
}

// extend puts the deadline off, but not for each of many small writes.
func (e *eventWriter) extend() error {
	now, stall := time.Now(), e.hub.options.Stall
	if e.deadline.Sub(now) > stall-stall/8 {
		return nil
	}
	e.deadline = now.Add(stall)
	if err := e.control.SetWriteDeadline(e.deadline); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	return nil
}

// end says why the stream ends, as far as that is known and there is somebody to
// hear it.
func (e *eventWriter) end(why error) {
	closing := e.hub.closing(why)
	if closing == nil {
		return
	}
	_ = e.write([]Message{*closing})
}

// appendEvent adds a message in the form of server-sent events. Data is JSON without
// line breaks.
func appendEvent(text []byte, message Message) []byte {
	text = append(append(append(text, "event: "...), message.Name...), '\n')
	text = append(append(append(text, "data: "...), message.Data...), '\n')
	return appendPosition(text, message.ID)
}

// maxPooled keeps a rare long batch from being held for ever.
const maxPooled = 64 << 10

func (h *Hub) buffer() *[]byte {
	buffer, ok := h.buffers.Get().(*[]byte)
	if !ok || cap(*buffer) > maxPooled {
		buffer = new([]byte)
	}
	*buffer = (*buffer)[:0]
	return buffer
}

// closed is the data of the last message.
type closed struct {
	Code   wattline.Code `json:"code"`
	Reason string        `json:"reason"`
}

// closing counts the end of a connection, and is what the client is told; nil where
// the client itself has gone or takes nothing.
func (h *Hub) closing(why error) *Message {
	known, isKnown := errors.AsType[*wattline.Error](why)
	switch {
	case isKnown:
		h.meters.ended.WithLabelValues(string(known.Code)).Inc()
		message := note(Closed, closed{known.Code, known.Message})
		return &message
	case errors.Is(why, context.Canceled):
	case errors.Is(why, os.ErrDeadlineExceeded), errors.Is(why, context.DeadlineExceeded):
		h.meters.ended.WithLabelValues("stalled").Inc()
	}
	return nil
}
