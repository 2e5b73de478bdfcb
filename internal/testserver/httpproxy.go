package testserver

import (
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
)

// HTTPFault answers a request in place of the server behind a proxy; forward
// still reaches that server.
type HTTPFault func(w http.ResponseWriter, r *http.Request, forward http.Handler)

// HTTPProxy stands before an HTTP server and misbehaves as it is told. Safe for
// concurrent use.
type HTTPProxy struct {
	front   *httptest.Server
	forward *httputil.ReverseProxy
	ended   chan struct{}

	mu       sync.Mutex
	fault    HTTPFault
	requests int
}

// NewHTTPProxy starts a proxy that passes everything on to target, a URL.
func NewHTTPProxy(t testing.TB, target string) *HTTPProxy {
	t.Helper()
	behind, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{DisableKeepAlives: true}
	p := &HTTPProxy{
		forward: &httputil.ReverseProxy{
			Transport: transport, ErrorLog: nil,
			Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(behind) },
		},
		ended: make(chan struct{}),
	}
	p.front = httptest.NewServer(http.HandlerFunc(p.serve))
	t.Cleanup(func() {
		close(p.ended)
		p.front.Close()
	})
	return p
}

// URL is http://host:port.
func (p *HTTPProxy) URL() string { return p.front.URL }

// Misbehave answers every request with the fault from now on; nil passes them on.
func (p *HTTPProxy) Misbehave(fault HTTPFault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fault, p.requests = fault, 0
}

// Requests counts those since Misbehave was called.
func (p *HTTPProxy) Requests() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.requests
}

func (p *HTTPProxy) serve(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	fault := p.fault
	p.requests++
	p.mu.Unlock()
	if fault == nil {
		p.forward.ServeHTTP(w, r)
		return
	}
	fault(w, r, p.forward)
}

// Answer answers with a status and a body; header gives names and values in turn.
func Answer(status int, body string, header ...string) HTTPFault {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// Hang answers nothing until the client gives up.
func (p *HTTPProxy) Hang() HTTPFault {
	return func(_ http.ResponseWriter, r *http.Request, _ http.Handler) {
		_, _ = io.Copy(io.Discard, r.Body) // else the server would not see the client leave
		select {
		case <-r.Context().Done():
		case <-p.ended:
		}
	}
}

// LoseAnswer lets the server do what it is asked and cuts the connection instead
// of answering.
func LoseAnswer(_ http.ResponseWriter, r *http.Request, forward http.Handler) {
	forward.ServeHTTP(httptest.NewRecorder(), r)
	panic(http.ErrAbortHandler)
}

// CutAnswer cuts the connection in the middle of the body of the server's answer.
func CutAnswer(w http.ResponseWriter, r *http.Request, forward http.Handler) {
	whole := httptest.NewRecorder()
	forward.ServeHTTP(whole, r)
	maps.Copy(w.Header(), whole.Header())
	w.WriteHeader(whole.Code)
	body := whole.Body.Bytes()
	_, _ = w.Write(body[:len(body)/2])
	_ = http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

// CutRequest reads half of a request's body and cuts the connection.
func CutRequest(_ http.ResponseWriter, r *http.Request, _ http.Handler) {
	_, _ = io.CopyN(io.Discard, r.Body, r.ContentLength/2)
	panic(http.ErrAbortHandler)
}

// LimitBody refuses bodies of more than so many bytes, as proxies do.
func LimitBody(most int64) HTTPFault {
	return func(w http.ResponseWriter, r *http.Request, forward http.Handler) {
		if r.ContentLength > most {
			Answer(http.StatusRequestEntityTooLarge, "<html><h1>413 Request Entity Too Large</h1></html>")(w, r, forward)
			return
		}
		forward.ServeHTTP(w, r)
	}
}

// Once misbehaves for so many requests and then passes them on.
func Once(times int, fault HTTPFault) HTTPFault {
	var mu sync.Mutex
	return func(w http.ResponseWriter, r *http.Request, forward http.Handler) {
		mu.Lock()
		times--
		now := times >= 0
		mu.Unlock()
		if now {
			fault(w, r, forward)
			return
		}
		forward.ServeHTTP(w, r)
	}
}

// Rewrite changes the body of a request on its way.
func Rewrite(r *http.Request, change func(string) string) {
	body, _ := io.ReadAll(r.Body)
	changed := change(string(body))
	r.Body, r.ContentLength = io.NopCloser(strings.NewReader(changed)), int64(len(changed))
}
