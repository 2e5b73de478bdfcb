package compat

import (
	"bytes"
	"encoding/json"
	"net/http"

	"github.com/wattline/wattline"
)

// readings answers with all points of a measurement, however many, as they come; HEAD
// asks for none.
func (l *Layer) readings(w http.ResponseWriter, r *http.Request, q question) error {
	q.query.Set("format", "ndjson")
	writer := &points{to: w, question: q, header: http.Header{}}
	l.api.ServeHTTP(writer, inner{method: r.Method, path: "/api/v1/readings", query: q.query}.request(r))
	return writer.end()
}

// points is what the API writes lines of readings to: it writes them on as SenML. What is
// not an answer of lines is handed on as it is.
type points struct {
	to       http.ResponseWriter
	question question
	header   http.Header
	began    bool
	plain    bool   // an error, handed on
	rest     []byte // of a line that has no end yet
	text     []byte
}

func (p *points) Header() http.Header { return p.header }

// Unwrap lets deadlines through.
func (p *points) Unwrap() http.ResponseWriter { return p.to }

// Flush hands on.
func (p *points) Flush() {
	if flusher, is := p.to.(http.Flusher); is && p.began {
		flusher.Flush()
	}
}

func (p *points) WriteHeader(status int) {
	if p.began {
		return
	}
	p.began = true
	if status != http.StatusOK {
		p.plain = true
		handOn(p.to.Header(), p.header)
		p.to.WriteHeader(status)
		return
	}
	p.to.Header().Set("Content-Type", jsonType)
	p.to.WriteHeader(status)
	p.text = p.question.head()
}

// Write takes any piece of the lines.
func (p *points) Write(piece []byte) (int, error) {
	p.WriteHeader(http.StatusOK)
	if p.plain {
		return p.to.Write(piece)
	}
	for left := piece; ; {
		line, after, whole := bytes.Cut(left, []byte("\n"))
		p.rest = append(p.rest, line...)
		if !whole {
			break
		}
		if err := p.point(p.rest); err != nil {
			return 0, err
		}
		p.rest, left = p.rest[:0], after
	}
	return len(piece), p.flush()
}

func (p *points) point(line []byte) error {
	var reading wattline.Reading
	if err := json.Unmarshal(line, &reading); err != nil {
		return err
	}
	value := reading.PowerW
	if p.question.measurement == "status" {
		value = 0
		if reading.Relay == wattline.RelayOn {
			value = 1000
		}
	}
	p.text = p.question.record(p.text, reading.Device, reading.Time, value.Append(nil))
	return nil
}

func (p *points) flush() error {
	_, err := p.to.Write(p.text)
	p.text = p.text[:0]
	return err
}

// end closes the pack.
func (p *points) end() error {
	p.WriteHeader(http.StatusOK)
	if p.plain {
		return nil
	}
	p.text = append(p.text, "]\n"...)
	_ = p.flush() // a client that has gone is not our error
	return nil
}
