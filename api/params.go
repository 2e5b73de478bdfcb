package api

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/wattline/wattline"
)

const (
	maxQueryBytes = 16 << 10
	maxParams     = 200
)

// params reads the query of a request strictly. Every parameter that a route
// knows is asked for once; what is left over at the end is unknown. All faults
// are collected, so that they can be mended at once.
type params struct {
	values url.Values
	known  []string
	faults wattline.Faults
	// refusal is an error that is not one of a parameter.
	refusal error
}

// readParams takes the query apart; a query that is none is an error at once.
func readParams(r *http.Request) (*params, error) {
	p := &params{}
	if r.URL.RawQuery == "" {
		return p, nil
	}
	if len(r.URL.RawQuery) > maxQueryBytes {
		return nil, wattline.Invalid(wattline.FieldError{
			Field: "query", Reason: fmt.Sprintf("must be at most %d bytes", maxQueryBytes),
		})
	}
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, wattline.Invalid(wattline.FieldError{
			Field: "query", Reason: "must be name=value pairs with & between them, special characters written as %XX",
		})
	}
	if len(values) > maxParams {
		return nil, wattline.Invalid(wattline.FieldError{
			Field: "query", Reason: fmt.Sprintf("must have at most %d parameters", maxParams),
		})
	}
	p.values = values
	return p, nil
}

func (p *params) fail(field, reason string, args ...any) {
	p.faults.Add(field, reason, args...)
}

// err is nil when every parameter was known and in order.
func (p *params) err() error {
	for _, name := range slices.Sorted(maps.Keys(p.values)) {
		if !slices.Contains(p.known, name) {
			p.fail(shortened(name), "is not a parameter of this path, which takes %s", p.takes())
		}
	}
	if err := p.faults[:min(len(p.faults), maxFields)].Err(); err != nil {
		return err
	}
	return p.refusal
}

func (p *params) takes() string {
	if len(p.known) == 0 {
		return "none"
	}
	return strings.Join(p.known, ", ")
}

// text is a parameter that may be given once.
func (p *params) text(name string) (value string, given bool) {
	p.known = append(p.known, name)
	values := p.values[name]
	switch {
	case len(values) == 0:
		return "", false
	case len(values) > 1:
		p.fail(name, "is given %d times", len(values))
		return "", false
	case values[0] == "":
		p.fail(name, "must not be empty")
		return "", false
	}
	return values[0], true
}

// named is a parameter that may be given once, and be empty.
func (p *params) named(name string) (value string, given bool) {
	if values := p.values[name]; len(values) == 1 && values[0] == "" {
		p.known = append(p.known, name)
		return "", true
	}
	return p.text(name)
}

// list is a parameter that may be repeated, each time with another value.
func (p *params) list(name string, most int) []string {
	p.known = append(p.known, name)
	values := p.values[name]
	if len(values) > most {
		p.fail(name, "must be given at most %d times", most)
		return nil
	}
	seen := make(map[string]bool, len(values))
	for _, value := range values {
		if seen[value] {
			p.fail(name, "%.80q is given twice", value)
			return nil
		}
		seen[value] = true
	}
	return values
}

// enum is one of a few words.
func (p *params) enum(name, byDefault string, allowed ...string) string {
	value, given := p.text(name)
	if !given {
		return byDefault
	}
	if !slices.Contains(allowed, value) {
		p.fail(name, "must be %s", strings.Join(allowed, ", "))
	}
	return value
}

// integer is a whole number between two bounds.
func (p *params) integer(name string, least, most, byDefault int) int {
	value, given := p.text(name)
	if !given {
		return byDefault
	}
	number, err := strconv.Atoi(value)
	if err != nil || number < least || number > most || strconv.Itoa(number) != value {
		p.fail(name, "must be a whole number between %d and %d", least, most)
		return byDefault
	}
	return number
}

// boolean is true or false; not given is false.
func (p *params) boolean(name string) bool {
	value, given := p.text(name)
	if given && value != "true" && value != "false" {
		p.fail(name, "must be true or false")
	}
	return value == "true"
}

// limit is the length of a page.
func (p *params) limit(byDefault int) int {
	return p.integer("limit", 1, wattline.MaxPage, byDefault)
}

// timezone is an IANA name, such as Europe/Madrid.
func (p *params) timezone(name string, byDefault *time.Location) *time.Location {
	value, given := p.text(name)
	if !given {
		return byDefault
	}
	const longest = 64
	// Local is whatever the server's machine is set to: nobody's calendar.
	if len(value) <= longest && value != "Local" {
		if zone, err := time.LoadLocation(value); err == nil {
			return zone
		}
	}
	p.fail(name, "must be an IANA time zone such as Europe/Madrid")
	return byDefault
}
