package api

import (
	"mime"
	"net/http"
	"strconv"
	"strings"
)

// format is how an answer is written: JSON page by page, the others as a whole.
type format string

const (
	formatJSON   format = "json"
	formatCSV    format = "csv"
	formatNDJSON format = "ndjson"
)

// contentType is the media type, without its parameters.
func (f format) contentType() string {
	switch f {
	case formatCSV:
		return "text/csv"
	case formatNDJSON:
		return "application/x-ndjson"
	}
	return "application/json"
}

// format is that of the parameter, or else what the client likes best.
func (p *params) format(r *http.Request) format {
	accepted := acceptedFormat(strings.Join(r.Header.Values("Accept"), ","))
	return format(p.enum("format", string(accepted), string(formatJSON), string(formatCSV), string(formatNDJSON)))
}

// acceptedFormat is the one with the highest weight in an Accept header (RFC 9110,
// 12.5.1), of several the first one; JSON where none of ours is named.
func acceptedFormat(header string) format {
	best, highest := formatJSON, 0.0
	for part := range strings.SplitSeq(header, ",") {
		kind, parameters, err := mime.ParseMediaType(part)
		if err != nil {
			continue
		}
		weight := 1.0
		if q, given := parameters["q"]; given {
			if weight, err = strconv.ParseFloat(q, 64); err != nil {
				continue
			}
		}
		for _, f := range []format{formatJSON, formatCSV, formatNDJSON} {
			if kind == f.contentType() && weight > highest {
				best, highest = f, weight
			}
		}
	}
	return best
}
