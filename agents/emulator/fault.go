package emulator

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// FaultKind is a way in which a plug misbehaves.
type FaultKind string

// The faults. What a request asks for is done under all of them but the first
// seven; it is the answer that suffers.
const (
	NoFault  FaultKind = ""
	Refuse   FaultKind = "refuse"    // the port is closed
	Offline  FaultKind = "offline"   // connecting times out, open connections fall silent
	PowerCut FaultKind = "power-cut" // offline for a moment, then counters from zero; the relay is kept
	// Three that end in a restart as well: its names, rules and statistics are gone;
	// another plug stands in its place; the one before is back.
	FactoryReset FaultKind = "factory-reset"
	Replaced     FaultKind = "replaced"
	PutBack      FaultKind = "put-back"
	Hang         FaultKind = "hang"    // takes requests, never answers
	Reset        FaultKind = "reset"   // RST in the middle of the answer
	Short        FaultKind = "short"   // the answer ends before its length
	Huge         FaultKind = "huge"    // the header announces 2 GiB
	Garbage      FaultKind = "garbage" // random bytes
	BadJSON      FaultKind = "wrong-json"
	Drip         FaultKind = "drip"         // a byte at a time
	DevError     FaultKind = "device-error" // every method answers an err_code
	Spike        FaultKind = "spike"        // a reading above 100 kW
	Latency      FaultKind = "latency"      // answers late
)

// FaultKinds lists every fault.
func FaultKinds() []FaultKind {
	return []FaultKind{Refuse, Offline, PowerCut, FactoryReset, Replaced, PutBack, Hang, Reset, Short, Huge, Garbage, BadJSON, Drip, DevError, Spike, Latency}
}

// Fault is a misbehaviour and how long it lasts. A plug has one at a time.
type Fault struct {
	Kind FaultKind
	// Probability with which it strikes a request; 0 is always. Refuse, Offline and
	// those that end in a restart do not ask.
	Probability float64
	// Times it strikes before it clears itself; 0 is until cleared (once for Spike).
	Times int
	// For is how long it lasts in emulated time; 0 is until cleared (3 s for those
	// that end in a restart).
	For time.Duration
	// Delay is the pause before each byte of Drip (0 is 100 ms) and before the
	// answer of Latency (0 is 1 s).
	Delay time.Duration
	// Code is the err_code of DevError; 0 is -7, "unknown error".
	Code int
}

const (
	defaultPowerCut = 3 * time.Second
	defaultDrip     = 100 * time.Millisecond
	defaultLatency  = time.Second
	defaultCode     = -7
)

// ParseFault reads a kind and its options, as in "hang", "garbage:p=0.3:n=5",
// "drip:delay=50ms", "offline:for=30s", "device-error:code=-3"; "none" is no
// fault.
func ParseFault(text string) (Fault, error) {
	parts := strings.Split(text, ":")
	f := Fault{Kind: FaultKind(parts[0])}
	switch parts[0] {
	case "none":
		f.Kind = NoFault
	case "":
		return Fault{}, errors.New("fault is empty; say none to clear one")
	}
	for _, option := range parts[1:] {
		if err := f.option(option); err != nil {
			return Fault{}, fmt.Errorf("fault %.40q: %w", parts[0], err)
		}
	}
	if f.Kind == NoFault && len(parts) > 1 {
		return Fault{}, errors.New("fault none takes no options")
	}
	return f, f.check()
}

func (f *Fault) option(text string) (err error) {
	name, value, _ := strings.Cut(text, "=")
	switch name {
	case "p":
		f.Probability, err = strconv.ParseFloat(value, 64)
		if err == nil && !(f.Probability > 0 && f.Probability <= 1) {
			err = errors.New("must be above 0 and at most 1")
		}
	case "n":
		f.Times, err = strconv.Atoi(value)
		if err == nil && f.Times < 1 {
			err = errors.New("must be at least 1")
		}
	case "for":
		f.For, err = positive(value)
	case "delay":
		f.Delay, err = positive(value)
	case "code":
		f.Code, err = strconv.Atoi(value)
		if err == nil && f.Code == 0 {
			err = errors.New("must not be 0, which is success")
		}
	default:
		return fmt.Errorf("option %.40q must be one of p, n, for, delay, code", name)
	}
	if err != nil {
		return fmt.Errorf("option %s=%.40s: %w", name, value, err)
	}
	return nil
}

func positive(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err == nil && d <= 0 {
		err = errors.New("must be above 0")
	}
	return d, err
}

func (f Fault) check() error {
	if f.Kind == NoFault {
		return nil
	}
	known := false
	names := make([]string, 0, len(FaultKinds()))
	for _, kind := range FaultKinds() {
		known = known || kind == f.Kind
		names = append(names, string(kind))
	}
	switch {
	case !known:
		return fmt.Errorf("fault %.40q must be one of %s", string(f.Kind), strings.Join(names, ", "))
	case !(f.Probability >= 0 && f.Probability <= 1):
		return fmt.Errorf("fault %s: probability %v must lie between 0 and 1", f.Kind, f.Probability)
	case f.Times < 0 || f.For < 0 || f.Delay < 0:
		return fmt.Errorf("fault %s: times, for and delay must not be negative", f.Kind)
	case f.Kind.ofReach() && (f.Probability != 0 || f.Times != 0):
		return fmt.Errorf("fault %s: strikes no single request, so it takes neither p nor n", f.Kind)
	}
	return nil
}

// ofReach: the fault is one of reaching the plug, not of an answer.
func (k FaultKind) ofReach() bool {
	switch k {
	case Refuse, Offline, PowerCut, FactoryReset, Replaced, PutBack:
		return true
	}
	return false
}

// String is the form that ParseFault reads.
func (f Fault) String() string {
	if f.Kind == NoFault {
		return "none"
	}
	text := string(f.Kind)
	if f.Probability != 0 {
		text += ":p=" + strconv.FormatFloat(f.Probability, 'g', -1, 64)
	}
	if f.Times != 0 {
		text += ":n=" + strconv.Itoa(f.Times)
	}
	if f.For != 0 {
		text += ":for=" + f.For.String()
	}
	if f.Delay != 0 {
		text += ":delay=" + f.Delay.String()
	}
	if f.Code != 0 {
		text += ":code=" + strconv.Itoa(f.Code)
	}
	return text
}

// PlugFault is a fault and the plug it is meant for; "*" is all of them.
type PlugFault struct {
	ID    string
	Fault Fault
}

// ParseFaults reads a list such as "desk-3=hang,printer-1=drip:delay=20ms".
// Empty text is an empty list.
func ParseFaults(text string) ([]PlugFault, error) {
	if strings.TrimSpace(text) == "" {
		return nil, nil
	}
	var list []PlugFault
	for item := range strings.SplitSeq(text, ",") {
		id, fault, ok := strings.Cut(strings.TrimSpace(item), "=")
		if !ok || id == "" {
			return nil, fmt.Errorf("fault %.80q must be plug=fault, as in desk-3=hang", item)
		}
		f, err := ParseFault(fault)
		if err != nil {
			return nil, fmt.Errorf("plug %.80s: %w", id, err)
		}
		list = append(list, PlugFault{id, f})
	}
	return list, nil
}

// SetFault makes the plug misbehave from now on, instead of how it did before.
// The zero Fault clears. Those that end in a restart happen at once and leave no
// fault behind; PutBack is an error for a plug that was not replaced.
func (p *Plug) SetFault(f Fault) error {
	if err := f.check(); err != nil {
		return fmt.Errorf("plug %s: %w", p.spec.ID, err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.advance()
	atOnce, err := p.strikeNow(f)
	if err != nil {
		return err
	}
	if atOnce {
		f = Fault{}
	}
	p.fault, p.faultEnds = f, 0
	if f.For > 0 {
		p.faultEnds = p.at + max(1, f.For.Milliseconds())
	}
	if f.Kind == Spike && f.Times == 0 {
		p.fault.Times = 1
	}
	p.wake()
	return nil
}

// Fault is how the plug misbehaves now.
func (p *Plug) Fault() Fault {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.advance()
	return p.fault
}

// pause is how long Drip and Latency wait.
func (f Fault) pause() time.Duration {
	switch {
	case f.Delay != 0:
		return f.Delay
	case f.Kind == Drip:
		return defaultDrip
	}
	return defaultLatency
}

// strike decides whether the fault hits this request. The caller holds p.mu.
func (p *Plug) strike(calls []call) Fault {
	f := p.fault
	switch {
	case f.Kind == NoFault || f.Kind.ofReach(),
		f.Kind == Spike && !asksMeter(calls),
		f.Probability > 0 && p.rng.Float64() >= f.Probability:
		return Fault{}
	}
	p.stats.Faults++
	if f.Times > 0 {
		p.fault.Times--
		if p.fault.Times == 0 {
			p.fault, p.faultEnds = Fault{}, 0
		}
	}
	return f
}
