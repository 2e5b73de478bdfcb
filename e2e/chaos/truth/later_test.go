package truth

import (
	"slices"
	"testing"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/e2e/chaos/plan"
)

func TestWhatIsToldLaterIsJudged(t *testing.T) {
	t.Parallel()
	// The command was given at 1 s and its outcome told at 3 s; killed is when its
	// gateway was, 0 for never, and full when its disk was filled.
	for name, tc := range map[string]struct {
		first, later wattline.Outcome
		forgotten    bool
		killed, full float64
		learned      int
		broken       []string
	}{
		"the same":                              {"done", "done", false, 0, 0, 0, nil},
		"nobody asked":                          {"done", "", false, 0, 0, 0, nil},
		"still unknown":                         {"timeout", "timeout", false, 0, 0, 0, nil},
		"known by now":                          {"timeout", "done", false, 0, 0, 1, nil},
		"known by now, though none was told":    {"", "unreachable", false, 0, 0, 1, nil},
		"still pending":                         {"timeout", "pending", false, 0, 0, 0, []string{promiseEnded}},
		"something else":                        {"done", "unreachable", false, 0, 0, 0, []string{promiseStays}},
		"something else, and it was killed":     {"done", "unreachable", false, 3.2, 0, 0, []string{promiseStays}},
		"no longer known":                       {"done", "timeout", false, 0, 0, 0, []string{promiseStays}},
		"not known at all":                      {"done", "", true, 0, 0, 0, []string{promiseKept}},
		"killed before that was on disk":        {"done", "timeout", false, 3.2, 0, 0, nil},
		"killed before anything was":            {"", "", true, 2, 0, 0, nil},
		"killed before it was asked":            {"done", "", true, 0.5, 0, 0, []string{promiseKept}},
		"killed long after":                     {"done", "", true, 9, 0, 0, []string{promiseKept}},
		"killed while it waited for room":       {"done", "", true, 9, 2, 0, nil},
		"killed when there was room again":      {"done", "", true, 19, 2, 0, []string{promiseKept}},
		"its disk was full, but it went on":     {"done", "", true, 0, 2, 0, []string{promiseKept}},
		"its disk was full only afterwards":     {"done", "", true, 9, 4, 0, []string{promiseKept}},
		"refused, which is to be had later too": {"refused", "", true, 0, 0, 0, []string{promiseKept}},
	} {
		t.Run(name, func(t *testing.T) {
			var l Ledger
			l.Commands = []Command{{
				Door: plan.Hook, Asked: at(1), Told: at(3), Deadline: at(11), Outcome: tc.first, Later: tc.later, Forgotten: tc.forgotten,
			}}
			if tc.killed > 0 {
				l.did(plan.Kill, plan.Hook, "", tc.killed, tc.killed+2)
				l.did(plan.Kill, plan.Broker, "", 3.1, 4)
			}
			if tc.full > 0 {
				l.did(plan.Fill, plan.HookDisk, "", tc.full, tc.full+10)
			}
			learned, violations := checkLater(l)
			var broken []string
			for _, v := range violations {
				broken = append(broken, v.Promise)
			}
			if learned != tc.learned || !slices.Equal(broken, tc.broken) {
				t.Errorf("%d became known, want %d; broken %v, want %v", learned, tc.learned, broken, tc.broken)
			}
		})
	}
}

func TestAnOutcomeKnownLaterHoldsThePlugToIt(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		later    wattline.Outcome
		switched []Answer
		broken   int
	}{
		"done, and it was":                   {wattline.OutcomeDone, []Answer{on(2)}, 0},
		"done, after its asker had given up": {wattline.OutcomeDone, []Answer{on(3.5)}, 0},
		"done, and it was not":               {wattline.OutcomeDone, nil, 1},
		"not reached, and it was switched":   {wattline.OutcomeUnreachable, []Answer{on(2)}, 1},
		"unknown still":                      {wattline.OutcomeTimeout, []Answer{on(2)}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			l := lamp([]string{"on 1-3 timeout"}, tc.switched...)
			l.Commands[0].Later, l.Commands[0].Deadline = tc.later, at(3).Add(time.Second)
			if _, broken := checkCommands(l); len(broken) != tc.broken {
				t.Errorf("%v", broken)
			}
		})
	}
}
