package truth

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/e2e/chaos/plan"
)

// lamp is a run of nothing but commands, given as "on 1-3 done" for one to switch
// on that was given at 1 s, answered and overdue at 3 s.
func lamp(commands []string, switched ...Answer) Ledger {
	l := Ledger{Plugs: map[string]string{"lamp": "lamp", "lamp.renamed": "lamp"}, Answers: map[string][]Answer{"lamp": {}}}
	for _, text := range commands {
		var position, outcome string
		var from, to float64
		if _, err := fmt.Sscanf(text, "%s %f-%f %s", &position, &from, &to, &outcome); err != nil {
			panic(text)
		}
		if outcome == "unanswered" {
			outcome = ""
		}
		l.Commands = append(l.Commands, Command{
			Device: "lamp", On: position == "on", Asked: at(from), Told: at(to), Deadline: at(to), Outcome: wattline.Outcome(outcome),
		})
	}
	for _, a := range switched {
		a.Switched, a.Sent = true, true
		l.give("lamp", a)
	}
	return l
}

func on(second float64) Answer  { return Answer{At: at(second), On: true} }
func off(second float64) Answer { return Answer{At: at(second)} }

func TestCommandsAreJudged(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		ledger  Ledger
		repeats int
		broken  []string
	}{
		"each that is done has a switching":           {lamp([]string{"on 1-3 done", "off 4-5 done"}, on(2), off(4.5)), 0, nil},
		"one that is done was not carried out":        {lamp([]string{"on 1-3 done"}), 0, []string{promiseDone}},
		"one was carried out the other way round":     {lamp([]string{"on 1-3 done"}, off(2)), 0, []string{promiseDone, promiseCarried}},
		"two that are done have one switching":        {lamp([]string{"on 1-3 done", "on 2-4 done"}, on(2.5)), 0, []string{promiseDone}},
		"nobody gave one":                             {lamp(nil, on(2)), 0, []string{promiseCarried}},
		"one that was refused was carried out":        {lamp([]string{"on 1-3 refused"}, on(2)), 0, []string{promiseCarried}},
		"one that was not sent was carried out":       {lamp([]string{"on 1-3 not_sent"}, on(2)), 0, []string{promiseCarried}},
		"one of a plug that was not reached was":      {lamp([]string{"on 1-3 unreachable"}, on(2)), 0, []string{promiseCarried}},
		"one that is done was so before it was given": {lamp([]string{"on 1-3 done"}, on(0.5)), 0, []string{promiseDone, promiseCarried}},
		"one of unknown outcome may be carried out":   {lamp([]string{"on 1-3 timeout"}, on(2)), 0, nil},
		"or not":                     {lamp([]string{"on 1-3 timeout"}), 0, nil},
		"but not after its deadline": {lamp([]string{"on 1-3 timeout"}, on(3.5)), 0, []string{promiseLate}},
		"nor twice":                  {lamp([]string{"on 1-5 timeout", "off 2-3 done"}, on(1.5), off(2.5), on(3)), 0, []string{promiseCarried}},
		"one that nothing was heard of may be, too":       {lamp([]string{"on 1-3 unanswered"}, on(2)), 0, nil},
		"one that failed may have been":                   {lamp([]string{"on 1-3 failed"}, on(2)), 0, nil},
		"a repeat that changes nothing does no harm":      {lamp([]string{"on 1-3 done"}, on(2), on(2.1)), 1, nil},
		"a repeat that changes something does":            {lamp([]string{"on 1-3 done", "off 1-3 done"}, on(2), off(2.1), on(2.2)), 0, []string{promiseCarried}},
		"two at once may come in either order":            {lamp([]string{"on 1-3 done", "off 1-3 done"}, off(2), on(2.1)), 0, nil},
		"the one that is done goes before the one that …": {lamp([]string{"on 1-9 timeout", "on 1-3 done"}, on(2)), 0, nil},
	} {
		t.Run(name, func(t *testing.T) {
			left, violations := checkCommands(tc.ledger)
			var broken []string
			for _, v := range violations {
				broken = append(broken, v.Promise)
			}
			if left.repeats != tc.repeats || left.found > 0 || !slices.Equal(broken, tc.broken) {
				t.Errorf("left over %+v, want %d repeats; broken %v, want %v:\n%v", left, tc.repeats, broken, tc.broken, violations)
			}
		})
	}

	t.Run("one that is done without a switching was found so when the plug was reached again", func(t *testing.T) {
		l := lamp([]string{"on 1-3 done"})
		l.give("lamp", Answer{At: at(2), On: true, Sent: true})
		if left, broken := checkCommands(l); left.found != 0 || len(broken) != 1 {
			t.Errorf("reached all the time: %+v %v", left, broken)
		}
		l.did(plan.Fault, "lamp", "offline", 0, 2)
		if left, broken := checkCommands(l); left.found != 1 || len(broken) > 0 {
			t.Errorf("%+v %v", left, broken)
		}
		l.Answers["lamp"][0].On = false
		if left, broken := checkCommands(l); left.found != 0 || len(broken) != 1 {
			t.Errorf("found otherwise: %+v %v", left, broken)
		}
	})

	t.Run("by whatever name the device was called", func(t *testing.T) {
		l := lamp([]string{"on 1-3 done"}, on(2))
		l.Commands[0].Device = "lamp.renamed"
		if _, broken := checkCommands(l); len(broken) > 0 {
			t.Error(broken)
		}
	})
}

// TestWhateverCouldHaveHappenedIsBelieved carries out commands at random within
// their windows, which may overlap in any way, and leaves out some whose outcome is
// unknown.
func TestWhateverCouldHaveHappenedIsBelieved(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var commands []string
		var switched []Answer
		for range rapid.IntRange(0, 30).Draw(t, "commands") {
			from := rapid.IntRange(0, 50).Draw(t, "from")
			length := rapid.IntRange(1, 20).Draw(t, "length")
			position := rapid.SampledFrom([]string{"on", "off"}).Draw(t, "position")
			outcome := rapid.SampledFrom([]string{"done", "timeout", "unanswered", "refused"}).Draw(t, "outcome")
			commands = append(commands, fmt.Sprintf("%s %d-%d %s", position, from, from+length, outcome))
			if outcome == "done" || outcome != "refused" && rapid.Bool().Draw(t, "carried out") {
				when := begin.Add(time.Duration(from*1000+rapid.IntRange(0, length*1000).Draw(t, "when")) * time.Millisecond)
				switched = append(switched, Answer{At: when, On: position == "on"})
			}
		}
		slices.SortFunc(switched, func(a, b Answer) int { return a.At.Compare(b.At) })
		if left, broken := checkCommands(lamp(commands, switched...)); left != (leftOver{}) || len(broken) > 0 {
			t.Fatalf("%v: left over %+v, %v", commands, left, broken)
		}
	})
}
