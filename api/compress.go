package api

import (
	"mime"
	"net/http"

	"github.com/klauspost/compress/gzhttp"
)

// compressFrom is how long an answer is that is worth compressing: one that a single
// packet does not hold.
const compressFrom = 1400

// compressed answers in gzip or zstd where the client takes them (Accept-Encoding),
// zstd where it likes both as much. What is flushed goes out at once.
func compressed(next http.Handler) (http.Handler, error) {
	const fastest = 1
	wrap, err := gzhttp.NewWrapper(gzhttp.MinSize(compressFrom), gzhttp.CompressionLevel(fastest),
		gzhttp.SetContentType(false), gzhttp.ContentTypeFilter(compressible))
	if err != nil {
		return nil, err
	}
	return wrap(next), nil
}

// compressible leaves out what is compressed already, and events, each of which is to
// go out by itself.
func compressible(contentType string) bool {
	kind, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return false
	}
	switch kind {
	case "application/json", problemType, "application/openapi+json", "application/senml+json", "application/sensml+json",
		"application/x-ndjson", "text/csv", "text/html", "text/plain", "text/javascript", "text/css", "image/svg+xml":
		return true
	}
	return false
}
