package influx

import (
	"context"
	"errors"
	"fmt"
	"net/http"
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
	// mend: a person must change the token, the bucket or the organisation.
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
	known, ok := errors.AsType[*client.Error](err)
	if !ok {
		return tryAgain
	}
	switch known.StatusCode {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound:
		return mend
	case http.StatusRequestEntityTooLarge:
		return tooMuch
	case http.StatusBadRequest, http.StatusUnprocessableEntity:
		if strings.Contains(known.Message, "unable to parse") || strings.Contains(known.Message, "partial write") {
			return poison
		}
		return mend
	}
	return tryAgain
}

// classify turns a failed request into an error of the contract. The server's
// words are kept; the token is in none of them.
func (s *Store) classify(err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		// The caller's own end comes through as it is; a time-out of ours is told apart there.
		return &store.UnavailableError{Err: fmt.Errorf("%v: %w", s, err)}
	}
	if judge(err) == mend {
		return fmt.Errorf("%v: %w: %w", s, store.ErrMisconfigured, err)
	}
	unavailable := &store.UnavailableError{Err: fmt.Errorf("%v: %w", s, err)}
	if known, ok := errors.AsType[*client.Error](err); ok {
		unavailable.RetryAfter = time.Duration(known.RetryAfter) * time.Second
	}
	return unavailable
}
