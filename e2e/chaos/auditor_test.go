package chaos_test

import (
	"context"
	"fmt"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/e2e/chaos/plan"
	"github.com/wattline/wattline/internal/pause"
)

// auditor is the name of a third hook, which is the run itself: the journal waits
// for it too, so that it sees every reading that was ever numbered. It does as the
// documentation tells a hook of somebody else's to do.
const auditor = "auditor"

const auditPause = time.Second

// audit asks the journal for reading after reading until the context ends.
func (m *mqtt) audit(ctx context.Context) {
	for ctx.Err() == nil {
		more, err := m.auditOnce(ctx)
		if err == nil && !more {
			_ = pause.For(ctx, auditPause)
		}
		if err != nil {
			_ = pause.For(ctx, auditPause/2)
		}
	}
}

// auditOnce asks for a page, and tells whether there is more.
func (m *mqtt) auditOnce(ctx context.Context) (more bool, err error) {
	stream := m.collectorsStream()
	if stream == "" {
		return false, nil
	}
	next := m.record.lastTaken() + 1
	var page wattline.ReplayPage
	query := wattline.ReplayQuery{Stream: stream, From: next, Limit: wattline.MaxPage}
	if err := m.ask(ctx, "query/collector/"+plan.Agents+"/replay", query, &page); err != nil {
		return false, err
	}
	if page.First > next {
		m.record.trouble(fmt.Sprintf("the journal began at %d when the auditor asked for %d", page.First, next))
	}
	if len(page.Readings) == 0 {
		return false, nil
	}
	m.record.take(page.Readings)
	last := page.Readings[len(page.Readings)-1].Seq
	_ = m.publish(ctx, "stored/"+auditor+"/"+stream, wattline.Stored{Seq: last}, "-r", "-q", "1") // the next page says it again
	return last < page.Last, nil
}
