package chaos_test

import (
	"fmt"
	"os"
	"time"
)

// progress tells a person at a terminal how far a run is; nobody else.
type progress struct {
	terminal bool
	begun    time.Time
	last     time.Time
}

func newProgress() *progress {
	info, err := os.Stderr.Stat()
	return &progress{terminal: err == nil && info.Mode()&os.ModeCharDevice != 0, begun: time.Now()}
}

func (p *progress) elapsed() time.Duration { return time.Since(p.begun).Round(time.Second) }

func (p *progress) show(elapsed time.Duration, left, active int) {
	p.say("%v: %d steps left, %d under way", elapsed.Round(time.Second), left, active)
}

func (p *progress) say(format string, args ...any) {
	if !p.terminal || time.Since(p.last) < time.Second {
		return
	}
	p.last = time.Now()
	fmt.Fprintf(os.Stderr, "\r\033[K"+format, args...)
}

func (p *progress) end() {
	if p.terminal {
		fmt.Fprint(os.Stderr, "\r\033[K")
	}
}
