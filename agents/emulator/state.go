package emulator

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/wattline/wattline/internal/files"
	"github.com/wattline/wattline/internal/pause"
)

// stateVersion is that of the state file's form.
const stateVersion = 1

// officeState is the state file. The office goes on while nobody emulates it:
// after a restart the plugs have been on, or off, since the file was written,
// so that no counter ever goes back, not even after a crash.
type officeState struct {
	Version int                  `json:"version"`
	Plugs   map[string]plugState `json:"plugs"`
}

// latest is the last emulated instant in the file, in milliseconds.
func (s officeState) latest() int64 {
	var ms int64
	for _, p := range s.Plugs {
		ms = max(ms, p.AtMS)
	}
	return ms
}

type plugState struct {
	AtMS    int64         `json:"at_ms"`
	Number  int           `json:"number,omitempty"`
	Alias   string        `json:"alias"`
	LEDOff  int           `json:"led_off"`
	Outlets []outletState `json:"outlets"`
}

type outletState struct {
	Alias   string     `json:"alias"`
	Relay   bool       `json:"relay"`
	SinceMS int64      `json:"since_ms"`
	Truth   Energy     `json:"truth_uj"`
	Meter   Energy     `json:"meter_uj"`
	Stats   ledger     `json:"stats"`
	Rule    *countdown `json:"countdown,omitempty"`
}

func loadState(path string) (officeState, error) {
	if path == "" {
		return officeState{}, nil
	}
	data, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return officeState{}, nil
	}
	if err != nil {
		return officeState{}, err
	}
	var state officeState
	if err := json.Unmarshal(data, &state); err != nil {
		return officeState{}, fmt.Errorf("state file %s: %w", path, err)
	}
	if state.Version != stateVersion {
		return officeState{}, fmt.Errorf("state file %s: version %d is not %d", path, state.Version, stateVersion)
	}
	return state, nil
}

// keepState saves now and then, and soon after a relay was switched, so that a
// crash hardly ever forgets one.
func (o *Office) keepState(ctx context.Context) error {
	tick := time.NewTicker(saveEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-o.switched:
			_ = pause.For(ctx, saveSoon) // switching of many relays ends up in one file
		}
		if err := o.SaveState(); err != nil {
			o.opts.Log.Warn("emulated office cannot save its state", "err", err)
		}
	}
}

// SaveState writes the state file, replacing it as a whole. Without one it does
// nothing.
func (o *Office) SaveState() error {
	if o.opts.StateFile == "" {
		return nil
	}
	state := officeState{Version: stateVersion, Plugs: make(map[string]plugState, len(o.plugs))}
	for _, p := range o.plugs {
		state.Plugs[p.ID()] = p.save()
	}
	data, err := json.Marshal(state)
	if err != nil {
		return fmt.Errorf("state file: %w", err)
	}
	err = os.MkdirAll(filepath.Dir(o.opts.StateFile), 0o700)
	if err == nil {
		err = files.Replace(o.opts.StateFile, data)
	}
	if err != nil {
		return fmt.Errorf("state file: %w", err)
	}
	return nil
}

func (p *Plug) save() plugState {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.advance()
	state := plugState{AtMS: p.at, Number: p.number, Alias: p.alias, LEDOff: p.ledOff, Outlets: make([]outletState, len(p.outlets))}
	for i := range p.outlets {
		o := &p.outlets[i]
		state.Outlets[i] = outletState{
			Alias: o.alias, Relay: o.relay, SinceMS: o.onSince, Truth: o.truth, Meter: o.meter,
			Stats: ledger{Days: slices.Clone(o.stats.Days), Months: slices.Clone(o.stats.Months)},
		}
		if o.rule != nil {
			rule := *o.rule
			state.Outlets[i].Rule = &rule
		}
	}
	return state
}

// restore goes on from where save was. What cannot be true is left at how the
// plug was made.
func (p *Plug) restore(state plugState) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(state.Outlets) != len(p.outlets) || state.AtMS <= 0 {
		return
	}
	p.at = max(state.AtMS, p.clock.ms()-maxHistory.Milliseconds())
	if validAlias(state.Alias) {
		p.alias = state.Alias
	}
	p.ledOff = state.LEDOff & 1
	p.number = max(0, state.Number)
	p.hired, p.self = p.number, newIdentity(p.spec, p.number)
	for i, from := range state.Outlets {
		o := &p.outlets[i]
		o.relay, o.onSince = from.Relay, from.SinceMS
		o.truth, o.meter, o.stats = max(0, from.Truth), max(0, from.Meter), from.Stats
		o.supply, o.known = nil, p.at
		o.feed(p.at, o.relay)
		if validAlias(from.Alias) {
			o.alias = from.Alias
		}
		if r := from.Rule; r != nil && r.Delay > 0 && r.Delay <= maxDelay && r.StartMS > 0 {
			o.rule = r
		}
	}
}
