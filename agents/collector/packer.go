package collector

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/packed"
	"github.com/wattline/wattline/internal/wake"
)

const (
	// packInterval is how long readings wait to travel together.
	packInterval = time.Second
	// maxUnpacked bounds those that wait.
	maxUnpacked = 16 * wattline.MaxPage
)

// packer gathers what the journal has put on disk, to be published in packs.
type packer struct {
	some chan struct{} // told when the first waits
	full chan struct{} // told when there are enough for a pack

	mu      sync.Mutex
	waiting []wattline.Reading // consecutive
	dropped int
}

func newPacker() *packer { return &packer{some: make(chan struct{}, 1), full: make(chan struct{}, 1)} }

// add takes consecutive readings that follow those before.
func (p *packer) add(readings []wattline.Reading) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.waiting)+len(readings) > maxUnpacked {
		p.dropped += len(p.waiting)
		p.waiting = p.waiting[:0]
	}
	p.waiting = append(p.waiting, readings...)
	wake.Up(p.some)
	if len(p.waiting) >= wattline.MaxPage {
		wake.Up(p.full)
	}
}

// gather lets readings wait for company.
func (p *packer) gather(ctx context.Context) {
	timer := time.NewTimer(packInterval)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	case <-p.full:
	}
}

// take gives what waits, and says how many had no room.
func (p *packer) take() (waiting []wattline.Reading, dropped int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	waiting, dropped = p.waiting, p.dropped
	p.waiting, p.dropped = nil, 0
	return waiting, dropped
}

// pack publishes packs until the context ends, and then what is left.
func (c *Collector) pack(ctx context.Context) {
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-c.packer.some:
			c.packer.gather(ctx)
		}
		c.publishPacks(context.WithoutCancel(ctx))
	}
}

// publishPacks does not try again: the readings are in the journal.
func (c *Collector) publishPacks(ctx context.Context) {
	waiting, unpacked := c.packer.take()
	topic := wattline.Topic{Kind: wattline.TopicPack, Site: c.options.Site, Stream: c.options.Journal.Stream()}
	for readings := range slices.Chunk(waiting, wattline.MaxPage) {
		pack := wattline.Pack{From: readings[0].Seq, Packed: packed.Append(nil, readings)}
		if err := c.options.Bus.Publish(ctx, topic, pack); err != nil {
			c.log.Debug("readings are not published packed", "readings", len(readings), "error", err)
			unpacked += len(readings)
		}
	}
	c.metrics.unpacked.Add(float64(unpacked))
}
