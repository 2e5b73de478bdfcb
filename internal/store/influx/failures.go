package influx

import (
	"context"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	client "github.com/influxdata/influxdb-client-go/v2/api/http"

	"github.com/wattline/wattline/internal/store"
)

// verdict is what a failed request means for what it carried.
type verdict string

const (
	// tryAgain: nothing is wrong with the request.
	tryAgain verdict = "try again"
	// mend: a person must change the token, the bucket, the organisation or the URL.
	mend verdict = "mend"
	// tooMuch: the same in smaller parts would be taken.
	tooMuch verdict = "too much"
	// poison: something in it will never be taken.
	poison verdict = "poison"
)

// judge knows InfluxDB's own words for a line that it will not take. The same
// status without them comes from something else, such as a proxy, and must not
// cost readings.
func judge(err error) verdict {
	if _, ok := errors.AsType[*foreignError](err); ok {
		return mend
	}
	known, ok := errors.AsType[*client.Error](err)
	if !ok {
		return tryAgain
	}
	switch status := known.StatusCode; {
	case status == http.StatusRequestEntityTooLarge:
		return tooMuch
	case isPoison(known):
		return poison
	case isPassing(known):
		return tryAgain
	default:
		return mend
	}
}

// isPassing tells whether the failure ends by itself. A shard whose retention has
// passed refuses lines until it is gone, and then has its own words for them.
func isPassing(known *client.Error) bool {
	switch status := known.StatusCode; {
	case status == 0, status >= http.StatusInternalServerError:
		return true
	case status == http.StatusRequestTimeout, status == http.StatusTooEarly, status == http.StatusTooManyRequests:
		return true
	}
	return saysPartial(known) && strings.Contains(known.Message, "pending deletion")
}

func isPoison(known *client.Error) bool {
	if isPassing(known) {
		return false
	}
	return saysPartial(known) || known.StatusCode == http.StatusBadRequest && isInflux(known) && strings.HasPrefix(known.Message, "unable to parse")
}

// saysPartial: everything was stored but some lines.
func saysPartial(known *client.Error) bool {
	refused := known.StatusCode == http.StatusBadRequest || known.StatusCode == http.StatusUnprocessableEntity
	return refused && isInflux(known) && strings.Contains(known.Message, "partial write")
}

// isInflux tells whether an error is in InfluxDB's form.
func isInflux(known *client.Error) bool {
	kind, _, err := mime.ParseMediaType(known.Header.Get("Content-Type"))
	return err == nil && kind == "application/json" && known.Err == nil && known.Code != ""
}

// isMissing tells whether InfluxDB itself says that a bucket is not there.
func isMissing(err error) bool {
	known, ok := errors.AsType[*client.Error](err)
	return ok && known.StatusCode == http.StatusNotFound && isInflux(known) && strings.Contains(known.Message, "bucket")
}

// refusesAll tells whether a partial write stored none of so many lines, so that
// there is no need to find out which.
func refusesAll(err error, lines int) bool {
	known, ok := errors.AsType[*client.Error](err)
	if !ok || !saysPartial(known) {
		return false
	}
	return strings.Contains(known.Message+" ", fmt.Sprintf(" dropped=%d ", lines))
}

// reasonOf is why a line is poison, for the person who reads the dead letters.
func reasonOf(err error) string {
	known, ok := errors.AsType[*client.Error](err)
	if !ok || known.Message == "" {
		return err.Error()
	}
	if _, limit, ok := strings.Cut(known.Message, "outside retention policy of duration "); ok {
		limit, _, _ = strings.Cut(limit, " ")
		return "time lies before the bucket's retention of " + limit
	}
	reason := strings.TrimPrefix(known.Message, "failure writing points to database: ")
	reason, _, _ = strings.Cut(reason, " dropped=")
	if strings.Contains(reason, "field type conflict") {
		reason += "; somebody else writes to this bucket: delete those points"
	}
	const longest = 400
	return fmt.Sprintf("%.*s", longest, reason)
}

// classify turns a failed request into an error of the contract. The server's
// words are kept; the token is in none of them.
func (s *Store) classify(err error) error {
	if errors.Is(err, store.ErrMisconfigured) {
		return err
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		// The caller's own end comes through as it is; a time-out of ours is told apart there.
		return &store.UnavailableError{Err: fmt.Errorf("%v: %w", s, err)}
	}
	if verdict := judge(err); verdict != tryAgain {
		return fmt.Errorf("%v: %w: %w%s", s, store.ErrMisconfigured, err, s.advice(err))
	}
	unavailable := &store.UnavailableError{Err: fmt.Errorf("%v: %w", s, err)}
	if known, ok := errors.AsType[*client.Error](err); ok {
		unavailable.RetryAfter = retryAfter(known.Header, time.Now())
	}
	return unavailable
}

// advice is what a person can do about an error that does not pass.
func (s *Store) advice(err error) string {
	known, ok := errors.AsType[*client.Error](err)
	if !ok {
		return ""
	}
	switch {
	case isMissing(err):
		return "; the first write makes it, if the token may; or: " + s.howToMake(s.options.Bucket, s.options.Retention)
	case known.StatusCode == http.StatusUnauthorized:
		return "; check influx.token_file"
	case known.StatusCode == http.StatusForbidden:
		return "; the token must be allowed to read and write the buckets " + s.options.Bucket + " and " + s.options.Quarters
	case known.StatusCode == http.StatusNotFound:
		return "; check influx.url and influx.org"
	case known.StatusCode == http.StatusRequestEntityTooLarge:
		return "; not even one reading is let through: raise the limit on the size of requests"
	}
	return fmt.Sprintf(" (HTTP %d)", known.StatusCode)
}

// retryAfter is how long a server asks to be left alone: seconds or a date.
func retryAfter(header http.Header, now time.Time) time.Duration {
	value := header.Get("Retry-After")
	const most = 1 << 31
	if seconds, err := strconv.ParseUint(value, 10, 64); err == nil {
		return time.Duration(min(seconds, most)) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}
