package influx

import (
	"io"
	"net/http"
	"sync"
)

// lent is the body of a request, in a buffer that is used again. A transport may
// go on reading a body when it has returned already; what was taken back reads as
// closed.
type lent struct {
	mu     sync.Mutex
	data   []byte
	closed bool
}

func (l *lent) takeBack() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.data, l.closed = nil, true
}

// reader reads all of it from the beginning.
func (l *lent) reader() io.ReadCloser {
	if len(l.data) == 0 {
		return http.NoBody
	}
	return &lentReader{lent: l}
}

type lentReader struct {
	*lent

	at int
}

// Read copies.
func (r *lentReader) Read(to []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.closed:
		return 0, io.ErrClosedPipe
	case r.at == len(r.data):
		return 0, io.EOF
	}
	n := copy(to, r.data[r.at:])
	r.at += n
	return n, nil
}

// Close has nothing to do.
func (r *lentReader) Close() error { return nil }
