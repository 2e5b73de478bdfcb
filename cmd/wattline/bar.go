package main

import (
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// bar shows on a terminal how far a long command has come. Anywhere else it does
// nothing.
type bar struct {
	what  string
	out   io.Writer
	shown *progressbar.ProgressBar
}

func newBar(out io.Writer, what string) *bar {
	if file, ok := out.(*os.File); !ok || !term.IsTerminal(int(file.Fd())) {
		out = nil
	}
	return &bar{what: what, out: out}
}

// to moves it; the total is that of the first time.
func (b *bar) to(done, total int64) {
	if b.out == nil {
		return
	}
	if b.shown == nil {
		const tick = 200 * time.Millisecond
		b.shown = progressbar.NewOptions64(total,
			progressbar.OptionSetWriter(b.out), progressbar.OptionSetDescription(b.what), progressbar.OptionShowCount(),
			progressbar.OptionShowIts(), progressbar.OptionThrottle(tick), progressbar.OptionFullWidth(),
			progressbar.OptionClearOnFinish())
	}
	_ = b.shown.Set64(min(done, total)) // a terminal that went away is no reason to stop
}

func (b *bar) end() {
	if b.shown != nil {
		_ = b.shown.Clear()
	}
}
