package api

import (
	"errors"
	"net/http"
	"strings"

	"github.com/elnormous/contenttype"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/export"
)

// formatJSON comes page by page; all other formats are those of an export, which
// comes as a whole.
const formatJSON export.Format = "json"

func formats() []export.Format { return append([]export.Format{formatJSON}, export.Formats()...) }

func mediaTypeOf(f export.Format) string {
	if f == formatJSON {
		return "application/json"
	}
	return f.MediaType()
}

// format is that of the parameter, or else what the client likes best. Where it
// likes none of ours, that is kept for p.err.
func (p *params) format(r *http.Request) export.Format {
	names := make([]string, 0, len(formats()))
	for _, f := range formats() {
		names = append(names, string(f))
	}
	if given := p.enum("format", "", names...); given != "" {
		return export.Format(given)
	}
	accepted, ok := acceptedFormat(strings.Join(r.Header.Values("Accept"), ","))
	if !ok {
		p.refusal = wattline.Errorf(wattline.CodeNotAcceptable, "the header Accept names nothing that this path answers with: %s",
			strings.Join(mediaTypes(), ", "))
	}
	return accepted
}

func mediaTypes() []string {
	types := make([]string, 0, len(formats()))
	for _, f := range formats() {
		types = append(types, mediaTypeOf(f))
	}
	return types
}

// acceptedFormat is what an Accept header prefers (RFC 9110, 12.5.1); JSON without
// one, and where it cannot be read.
func acceptedFormat(header string) (accepted export.Format, ok bool) {
	if header == "" {
		return formatJSON, true
	}
	offers := make([]contenttype.MediaType, 0, len(formats()))
	for _, kind := range mediaTypes() {
		offers = append(offers, contenttype.NewMediaType(kind))
	}
	best, _, err := contenttype.GetAcceptableMediaTypeFromHeader(header, offers)
	if errors.Is(err, contenttype.ErrNoAcceptableTypeFound) {
		return formatJSON, false
	}
	for _, f := range formats() {
		if err == nil && best.MIME() == mediaTypeOf(f) {
			return f, true
		}
	}
	return formatJSON, true
}
