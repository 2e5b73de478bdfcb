package accounts

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/wattline/wattline"
)

// DefaultExpiry is for how long a token is valid unless something else is said.
const DefaultExpiry = "90d"

// never is the expiry of a token that does not expire.
const never = "never"

var errExpiry = errors.New("must be a number of days or hours such as 90d or 12h, an RFC 3339 time, or never")

// ParseExpiry reads when a token is to end: so many days or hours from now, an
// instant, or never, which is the zero time.
func ParseExpiry(text string, now time.Time) (time.Time, error) {
	if text == never {
		return time.Time{}, nil
	}
	for unit, length := range map[string]time.Duration{"d": 24 * time.Hour, "h": time.Hour} {
		const most = 100 * 366 * 24
		number, is := strings.CutSuffix(text, unit)
		if count, err := strconv.Atoi(number); is && err == nil && count > 0 && count <= most/int(length.Hours()) {
			return now.Add(time.Duration(count) * length), nil
		}
	}
	at, err := wattline.ParseTime(text)
	if err != nil {
		return time.Time{}, errExpiry
	}
	return at.Time, nil
}
