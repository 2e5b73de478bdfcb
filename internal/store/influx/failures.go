package influx

import (
	"context"
	"errors"
	"fmt"
	"net/http"
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

func judge(status int) verdict {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound:
		return mend
	case http.StatusRequestEntityTooLarge:
		return tooMuch
	case http.StatusBadRequest, http.StatusUnprocessableEntity:
		return poison
	}
	return tryAgain
}

func statusOf(err error) int {
	if known, ok := errors.AsType[*client.Error](err); ok {
		return known.StatusCode
	}
	return 0
}

// classify turns a failed request into an error of the contract. The server's
// words are kept; the token is in none of them.
func (s *Store) classify(err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		// The caller's own end comes through as it is; a time-out of ours is told apart there.
		return &store.UnavailableError{Err: fmt.Errorf("%v: %w", s, err)}
	}
	if judge(statusOf(err)) == mend {
		return fmt.Errorf("%v: %w: %w", s, store.ErrMisconfigured, err)
	}
	unavailable := &store.UnavailableError{Err: fmt.Errorf("%v: %w", s, err)}
	if known, ok := errors.AsType[*client.Error](err); ok {
		unavailable.RetryAfter = time.Duration(known.RetryAfter) * time.Second
	}
	return unavailable
}
