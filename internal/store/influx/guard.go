package influx

import (
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
)

// maxComplaint bounds what is read of an answer that says no.
const maxComplaint = 64 << 10

// foreignError is a success that InfluxDB would not have told in this way: a
// log-in page, a redirect, another server. To take it for a yes would lose
// readings, or show a store as empty.
type foreignError struct{ what string }

// Error says what to look at.
func (e *foreignError) Error() string {
	return e.what + ": this is not InfluxDB; check influx.url and what lies between"
}

// guard is a transport that lets through only answers that can be InfluxDB's,
// and bounds the ones that say no. Compression is the transport's business: the
// client's own never closes a body, so that its connection cannot be used again.
type guard struct {
	next  http.RoundTripper
	clock *clock
}

// RoundTrip sends a request and looks at the answer's head.
func (g guard) RoundTrip(request *http.Request) (*http.Response, error) {
	if request.Header.Get("Accept-Encoding") != "" {
		request = request.Clone(request.Context())
		request.Header.Del("Accept-Encoding")
	}
	answer, err := g.next.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	g.clock.hear(answer)
	if what := foreign(request.URL.Path, answer); what != "" {
		_ = answer.Body.Close()
		return nil, &foreignError{what}
	}
	if answer.StatusCode >= http.StatusMultipleChoices {
		answer.Body = complaint{io.LimitReader(answer.Body, maxComplaint), answer.Body}
	}
	return answer, nil
}

// CloseIdleConnections lets go of the connections.
func (g guard) CloseIdleConnections() {
	if next, ok := g.next.(interface{ CloseIdleConnections() }); ok {
		next.CloseIdleConnections()
	}
}

// foreign says what is wrong with an answer, or nothing.
func foreign(path string, answer *http.Response) string {
	kind, _, _ := mime.ParseMediaType(answer.Header.Get("Content-Type"))
	status := answer.StatusCode
	switch {
	case status >= http.StatusMultipleChoices && status < http.StatusBadRequest:
		return fmt.Sprintf("HTTP %d to %.200q", status, answer.Header.Get("Location"))
	case status >= http.StatusBadRequest:
		return ""
	case strings.HasSuffix(path, "/write") && status != http.StatusNoContent:
		return fmt.Sprintf("HTTP %d instead of 204 to a write", status)
	case strings.HasSuffix(path, "/query") && kind != "text/csv":
		return fmt.Sprintf("%.100q instead of text/csv to a query", kind)
	}
	return ""
}

// complaint reads a part of a body and closes all of it.
type complaint struct {
	io.Reader
	io.Closer
}
