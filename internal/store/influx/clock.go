package influx

import (
	"net/http"
	"sync/atomic"
	"time"
)

// clockDiffers is what the second of an answer's date, and the way it took, do not
// explain.
const clockDiffers = 3 * time.Second

// clock is the server's, as far as its answers tell. Whoever writes and whoever
// seals, on different hosts, go by the same clock.
type clock struct{ ahead atomic.Int64 }

func (c *clock) now() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }

// hear learns the time from an answer.
func (c *clock) hear(answer *http.Response) {
	date, err := http.ParseTime(answer.Header.Get("Date"))
	if err != nil {
		return
	}
	const half = 500 * time.Millisecond // the date is cut to the second
	off := date.Add(half).Sub(c.now())
	if off.Abs() > clockDiffers {
		c.ahead.Add(int64(off))
	}
}
