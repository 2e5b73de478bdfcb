// Package compat answers the two routes of the IoToad system, GET /api/out/… and PUT
// /api/in/…, so that its clients keep working. It only translates: each request becomes one
// or more requests to the API itself, with the rights of whoever asks, and their answers
// are put into the older form.
package compat

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/wattline/wattline"
)

// Layer translates. It is safe for concurrent use.
type Layer struct{ api http.Handler }

// New puts its questions to the handler of the API.
func New(api http.Handler) *Layer { return &Layer{api} }

const jsonType = "application/json"

// inner is a request to the API on behalf of an older one.
type inner struct {
	method, path string
	query        url.Values
	body         []byte
}

// request keeps who asks, from where, and whether over TLS.
func (i inner) request(outer *http.Request) *http.Request {
	r := outer.Clone(outer.Context())
	r.Method, r.URL = i.method, &url.URL{Scheme: outer.URL.Scheme, Path: i.path, RawQuery: i.query.Encode()}
	r.RequestURI = r.URL.RequestURI()
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(i.body)), int64(len(i.body))
	r.TransferEncoding = nil
	for name := range r.Header {
		if strings.HasPrefix(name, "Accept") || strings.HasPrefix(name, "Content-") || strings.HasPrefix(name, "If-") ||
			name == "Prefer" || name == "Idempotency-Key" || name == "Range" {
			r.Header.Del(name)
		}
	}
	if i.body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	return r
}

// answer is a short one, taken whole.
type answer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (l *Layer) ask(outer *http.Request, i inner) *answer {
	a := &answer{header: http.Header{}, status: http.StatusOK}
	l.api.ServeHTTP(a, i.request(outer))
	return a
}

// Header, WriteHeader and Write are those of an http.ResponseWriter.
func (a *answer) Header() http.Header { return a.header }

// WriteHeader keeps the status.
func (a *answer) WriteHeader(status int) { a.status = status }

// maxAnswer bounds what is taken of one: a thousand results take half a megabyte.
const maxAnswer = 8 << 20

var errTooLong = errors.New("the answer is too long")

func (a *answer) Write(piece []byte) (int, error) {
	if a.body.Len()+len(piece) > maxAnswer {
		return 0, errTooLong
	}
	return a.body.Write(piece)
}

// pass hands on what went wrong as it is: a problem document.
func (a *answer) pass(w http.ResponseWriter) {
	handOn(w.Header(), a.header)
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body.Bytes()) // a client that has gone is not our error
}

// handOn copies the headers that say something of an error.
func handOn(to, from http.Header) {
	for _, name := range []string{"Content-Type", "Retry-After", "WWW-Authenticate", "Allow"} {
		if value := from.Get(name); value != "" {
			to.Set(name, value)
		}
	}
}

func invalid(field, reason string) error {
	return wattline.Invalid(wattline.FieldError{Field: field, Reason: reason})
}
