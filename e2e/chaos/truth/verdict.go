package truth

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/e2e/chaos/plan"
)

// Verdict is the table of a run, and all that was wrong.
type Verdict struct {
	Rows       []Row
	Violations []Violation
}

// Row is a line of the table. Wanted is empty where any figure will do.
type Row struct {
	What   string
	Figure string
	Wanted string
}

// Judge makes all checks.
func Judge(l Ledger) Verdict {
	var v Verdict
	v.done(l)
	v.promise(promiseNumbers, checkNumbers(l.Taken))
	used, unreal := match(l)
	fates, losses := checkLost(l, used)
	v.answers(l, fates)
	v.promise(promiseLost, losses)
	v.promise(promiseReal, unreal)
	v.count("readings taken", len(l.Taken))
	v.row("a renamed plug was read under both names for at most", twoNames(l).Round(time.Millisecond).String(), "")
	for _, store := range sortedKeys(l.Stored) {
		v.stored(store, l)
	}
	v.promise(promiseShown, checkShown(l.Shown, l.Taken))
	sum, off := checkEnergy(l)
	v.row("energy of the readings / of the plugs, Wh", fmt.Sprintf("%v / %v", sum.read, sum.true), "")
	v.promise(promiseEnergy, off)
	v.commands(l)
	v.count("statements", len(l.Sayings))
	v.promise(promiseTrue, checkSayings(l))
	return v
}

func (v *Verdict) row(what, figure, wanted string) {
	v.Rows = append(v.Rows, Row{what, figure, wanted})
}

func (v *Verdict) count(what string, n int) { v.row(what, fmt.Sprint(n), "") }

// promise adds the row of a promise and what broke it.
func (v *Verdict) promise(what string, broken []Violation) {
	v.row(what, fmt.Sprint(len(broken)), "0")
	v.Violations = append(v.Violations, broken...)
}

// done counts what was done to the site.
func (v *Verdict) done(l Ledger) {
	counts := map[string]int{}
	for _, f := range l.Faults {
		switch f.What {
		case plan.Kill, plan.Erase:
			counts["killed: "+f.Target]++
			if f.What == plan.Erase {
				counts["erased: what the broker keeps on disk"]++
			}
		case plan.Sever, plan.Stall, plan.Delay:
			counts[fmt.Sprintf("network %s", map[plan.What]string{plan.Sever: "severed", plan.Stall: "stalled", plan.Delay: "delayed"}[f.What])]++
		case plan.Fill:
			counts["full: "+f.Target]++
		case plan.Fault:
			kind, _, _ := strings.Cut(f.How, ":")
			counts["plugs: "+kind]++
		case plan.Clock:
			counts["plugs: clock a second off"]++
		case plan.Rename:
			counts["devices renamed"]++
		}
	}
	for _, what := range sortedKeys(counts) {
		v.count(what, counts[what])
	}
}

func (v *Verdict) answers(l Ledger, fates map[fate]int) {
	given := 0
	for _, answers := range l.Answers {
		for _, a := range answers {
			if !a.Switched && a.Sent {
				given++
			}
		}
	}
	v.count("measurements that plugs gave", given)
	for _, what := range fatesToTell() {
		v.count("… of these "+string(what), fates[what])
	}
}

func (v *Verdict) stored(store string, l Ledger) {
	v.row("readings stored in "+store, fmt.Sprint(len(l.Stored[store])), fmt.Sprint(len(l.Taken)))
	broken := checkStored(store, l.Stored[store], l.Taken)
	for _, promise := range []string{promiseMissing + store, promiseDouble + store, promiseAltered + store, promiseOrder + store, fmt.Sprintf(promiseForeign, store)} {
		v.promise(promise, slices.DeleteFunc(slices.Clone(broken), func(b Violation) bool { return b.Promise != promise }))
	}
}

func (v *Verdict) commands(l Ledger) {
	outcomes := map[string]int{}
	for _, c := range l.Commands {
		switch c.Outcome {
		case "":
			outcomes["cut off without an answer"]++
		case wattline.OutcomeDone:
			outcomes["done"]++
		default:
			outcomes[fmt.Sprintf("%s (%s)", c.Outcome, c.Code)]++
		}
	}
	v.count("commands", len(l.Commands))
	for _, outcome := range sortedKeys(outcomes) {
		v.count("… "+outcome, outcomes[outcome])
	}
	learned, otherwise := checkLater(l)
	v.count("… of unknown outcome at first, and known later", learned)
	left, broken := checkCommands(l)
	v.count("… found done, though the plug's answer was lost", left.found)
	v.count("… carried out once more, to no effect", left.repeats)
	broken = append(broken, otherwise...)
	for _, promise := range []string{promiseDone, promiseCarried, promiseLate, promiseEnded, promiseStays, promiseKept} {
		v.promise(promise, slices.DeleteFunc(slices.Clone(broken), func(b Violation) bool { return b.Promise != promise }))
	}
}

// Table is the rows in Markdown.
func (v Verdict) Table() string {
	var text strings.Builder
	text.WriteString("| what | figure | wanted |\n|---|--:|--:|\n")
	for _, r := range v.Rows {
		wanted := r.Wanted
		if wanted == "" {
			wanted = "–"
		}
		fmt.Fprintf(&text, "| %s | %s | %s |\n", r.What, r.Figure, wanted)
	}
	return text.String()
}

// mostShown bounds how many violations of one promise are told in full.
const mostShown = 5

// Broken tells of the violations, with what was done to the site around them.
func (v Verdict) Broken(l Ledger) string {
	var text strings.Builder
	shown := map[string]int{}
	for _, b := range v.Violations {
		if shown[b.Promise]++; shown[b.Promise] > mostShown {
			continue
		}
		fmt.Fprintf(&text, "%v\n", b)
		for _, line := range l.Around(b.At) {
			fmt.Fprintf(&text, "        %s\n", line)
		}
	}
	for _, promise := range sortedKeys(shown) {
		if more := shown[promise] - mostShown; more > 0 {
			fmt.Fprintf(&text, "%s: %d more\n", promise, more)
		}
	}
	return text.String()
}
