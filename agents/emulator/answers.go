package emulator

import (
	"errors"
	"net/http"
	"slices"
	"strconv"

	"github.com/wattline/wattline"
)

// Answer is what a plug answered to get_realtime, or to set_relay_state: the
// ground truth of what was measured and switched.
type Answer struct {
	// N counts the answers of a plug from 1.
	N int64
	// Method is get_realtime or set_relay_state.
	Method string
	// On is the relay as it was left.
	On bool
	// Sent: the answer went out in full and unharmed. Without it the client may
	// still have had it, byte by byte or late.
	Sent bool
	// Reading is what get_realtime told; of set_relay_state only At and Outlet count.
	Reading
}

const (
	getRealtime   = "get_realtime"
	setRelayState = "set_relay_state"
)

// answerLog is the latest answers of a plug. The Plug guards it.
type answerLog struct {
	keep    int
	answers []Answer
	last    int64 // the newest N
	before  int64 // the newest N before the request under way
}

// add keeps an answer. Twice as many as asked for are let pile up, so that
// dropping the oldest costs little.
func (l *answerLog) add(a Answer) {
	if l.keep == 0 {
		return
	}
	l.last++
	a.N = l.last
	if len(l.answers) >= 2*l.keep {
		l.answers = slices.Delete(l.answers, 0, len(l.answers)-l.keep+1)
	}
	l.answers = append(l.answers, a)
}

// begin notes that what is added from now on belongs to a new request.
func (l *answerLog) begin() { l.before = l.last }

// sent notes whether the answers to the request under way went out.
func (l *answerLog) sent(out bool) {
	for i := len(l.answers) - 1; i >= 0 && l.answers[i].N > l.before; i-- {
		l.answers[i].Sent = out
	}
}

// after is the kept answers beyond a number, oldest first.
func (l *answerLog) after(n int64, most int) []Answer {
	kept := l.answers[max(0, len(l.answers)-l.keep):]
	first, _ := slices.BinarySearchFunc(kept, n+1, func(a Answer, n int64) int { return int(a.N - n) })
	kept = kept[first:]
	return slices.Clone(kept[:min(most, len(kept))])
}

// Answers are those beyond a number among the last Options.KeepAnswers, oldest
// first, at most so many.
func (p *Plug) Answers(after int64, most int) []Answer {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.answers.after(after, most)
}

// AnswerView is an Answer as the control door shows it.
type AnswerView struct {
	N        int64          `json:"n"`
	At       wattline.Time  `json:"at"`
	Outlet   int            `json:"outlet,omitempty"`
	Method   string         `json:"method"`
	On       bool           `json:"on"`
	Sent     bool           `json:"sent"`
	PowerW   wattline.Milli `json:"power_w"`
	VoltageV wattline.Milli `json:"voltage_v"`
	CurrentA wattline.Milli `json:"current_a"`
	MeterWh  wattline.Milli `json:"meter_wh"`
}

// answersPage is how many answers the control door gives at a time.
const answersPage = 1000

func serveAnswers(w http.ResponseWriter, r *http.Request, _ int, p *Plug) error {
	after, err := strconv.ParseInt(r.URL.Query().Get("after"), 10, 64)
	if err != nil || after < 0 {
		return errors.New("after must be the number of an answer, or 0 for all")
	}
	views := []AnswerView{}
	for _, a := range p.Answers(after, answersPage) {
		views = append(views, AnswerView{
			N: a.N, At: wattline.At(a.At), Outlet: a.Outlet, Method: a.Method, On: a.On, Sent: a.Sent,
			PowerW: wattline.Milli(a.PowerMW), VoltageV: wattline.Milli(a.VoltageMV), CurrentA: wattline.Milli(a.CurrentMA),
			MeterWh: 1000 * wattline.Milli(a.TotalWh),
		})
	}
	writeJSON(w, views)
	return nil
}
