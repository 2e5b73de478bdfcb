package api

import (
	"encoding/base64"
	"encoding/json"
	"hash/fnv"
	"maps"
	"net/http"
	"strconv"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/strictjson"
)

// cursor is where a page ends: what a client gives back for the next one. It
// holds the period that the first page was asked for, so that a period ending
// "now" stays the same from page to page.
type cursor struct {
	// Query is a digest of the other parameters: a cursor continues one query.
	Query string        `json:"q"`
	From  wattline.Time `json:"f,omitzero"`
	To    wattline.Time `json:"t,omitzero"`
	// After is the last id, or the component's own cursor.
	After string `json:"a"`
}

const (
	maxCursor    = 4096
	cursorReason = "must be the next of the page before"
)

func (c cursor) String() string {
	text, err := json.Marshal(c)
	if err != nil {
		return "" // strings and times cannot fail
	}
	return base64.RawURLEncoding.EncodeToString(text)
}

// cursor is the parameter of that name; false where the first page is asked for.
func (p *params) cursor(r *http.Request) (at cursor, given bool) {
	value, given := p.text("cursor")
	if !given {
		return cursor{}, false
	}
	text, err := base64.RawURLEncoding.DecodeString(value)
	if err != nil || len(value) > maxCursor || strictjson.Decode(text, &at) != nil || at.After == "" {
		p.fail("cursor", cursorReason)
		return cursor{}, false
	}
	if at.Query != p.digest(r) {
		p.fail("cursor", cursorReason+", with all other parameters as they were")
		return cursor{}, false
	}
	return at, true
}

// digest stands for a query without its paging. It guards against mistakes, not
// against forgery: all that a cursor holds is checked again.
func (p *params) digest(r *http.Request) string {
	rest := maps.Clone(p.values)
	delete(rest, "limit")
	delete(rest, "cursor")
	digest := fnv.New64a()
	_, _ = digest.Write([]byte(r.URL.Path + "?" + rest.Encode()))
	return strconv.FormatUint(digest.Sum64(), 36)
}

// period is that of the first page.
func (c cursor) period() (from, to wattline.Time, err error) {
	if c.From.IsZero() || c.To.IsZero() || !c.From.Before(c.To.Time) {
		return from, to, wattline.Invalid(wattline.FieldError{Field: "cursor", Reason: cursorReason})
	}
	return c.From, c.To, nil
}
