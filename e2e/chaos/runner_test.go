package chaos_test

import (
	"slices"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/e2e/chaos/plan"
	"github.com/wattline/wattline/e2e/chaos/truth"
)

// runner carries out a plan. What must be said while something is down is waited
// for, so that the demand depends on no machine's speed; the plan's times are the
// least.
type runner struct {
	*site

	record   *record
	progress *progress
	begun    time.Time
	left     []plan.Step
	active   []*action
	faults   []truth.Fault
}

// action is a step under way.
type action struct {
	truth.Fault

	// said tells whether what must be said meanwhile was said; nil for nothing.
	said func() bool
	end  func()
}

const (
	tick = 50 * time.Millisecond
	// silence is for how long what must be said is waited for.
	silence = 60 * time.Second
	// again is how soon a process is started that has ended by itself.
	again = time.Second
)

func (s *site) newRunner(steps []plan.Step, r *record, p *progress) *runner {
	return &runner{site: s, record: r, progress: p, begun: time.Now(), left: steps}
}

// play carries the plan out to its end.
func (r *runner) play() {
	r.t.Helper()
	for len(r.left)+len(r.active) > 0 {
		now := time.Now()
		r.endDue(now)
		r.beginDue(now)
		r.supervise()
		r.progress.show(now.Sub(r.begun), len(r.left), len(r.active))
		time.Sleep(tick)
	}
}

// beginDue begins what is due, unless something else is done to the same target.
func (r *runner) beginDue(now time.Time) {
	r.left = slices.DeleteFunc(r.left, func(step plan.Step) bool {
		if now.Sub(r.begun) < step.At || slices.ContainsFunc(r.active, func(a *action) bool { return a.Target == step.Target }) {
			return false
		}
		a := r.begin(step)
		if a.end == nil {
			a.To = a.From
			r.faults = append(r.faults, a.Fault)
		} else {
			r.active = append(r.active, a)
		}
		return true
	})
}

// endDue ends what has lasted long enough and of which was said what must be.
func (r *runner) endDue(now time.Time) {
	r.active = slices.DeleteFunc(r.active, func(a *action) bool {
		lasted := now.Sub(a.From)
		if lasted < a.For || a.said != nil && !a.said() && lasted < a.For+silence {
			return false
		}
		a.To = time.Now()
		if a.What == plan.Fault && a.To.After(a.From.Add(a.For)) && a.said == nil {
			a.To = a.From.Add(a.For) // a power cut ends by itself
		}
		a.end()
		r.faults = append(r.faults, a.Fault)
		return true
	})
}

// supervise starts again what has ended by itself, as a supervisor would.
func (r *runner) supervise() {
	for _, role := range r.roles {
		if err := role.ended(); err != nil {
			if !r.excused(role.name) {
				r.record.trouble(err.Error())
			}
			time.Sleep(again)
			role.start()
		}
	}
}

// excused: a process cannot start on a disk without room.
func (r *runner) excused(role string) bool {
	disk := map[string]string{plan.Agents: plan.JournalDisk, plan.Hook: plan.HookDisk}[role]
	return slices.ContainsFunc(r.active, func(a *action) bool { return a.Target == disk })
}

func (r *runner) begin(step plan.Step) *action {
	a := &action{Fault: truth.Fault{Step: step, From: time.Now()}}
	switch step.What {
	case plan.Kill, plan.Erase:
		r.kill(a)
	case plan.Sever, plan.Stall, plan.Delay:
		r.cut(a)
	case plan.Fill:
		r.disks[step.Target].fill()
		a.end = r.disks[step.Target].empty
	case plan.Fault:
		r.plugs.misbehave(step.Target, step.How)
		r.watch(a)
	case plan.Clock:
		r.plugs.setClock(step.Target, step.How)
	case plan.Rename:
		r.rename(step.Target, step.How)
	}
	return a
}

func (r *runner) kill(a *action) {
	switch a.Target {
	case plan.Broker:
		r.broker.Kill()
		if a.What == plan.Erase {
			r.broker.Erase()
		}
		a.said = func() bool { return r.saidBroken(a, plan.Gateway, "broker") && r.saidBroken(a, plan.Hook, "broker") }
		a.end = r.broker.Start
	case plan.Influxd:
		r.influx.Kill()
		a.said = func() bool { return r.saidBroken(a, plan.Hook, "store") }
		a.end = r.influx.Start
	default:
		r.roles[a.Target].kill()
		a.end = r.roles[a.Target].start
	}
	a.From = time.Now() // it is gone now
}

// saidBroken tells whether a door has said since that a part is not in order, or
// could not.
func (r *runner) saidBroken(a *action, door, part string) bool {
	return r.roles[door].run == nil || r.record.said(a.From, func(s truth.Saying) bool {
		return s.Kind == truth.Ready && s.Door == door && slices.Contains(s.Broken, part)
	})
}

func (r *runner) cut(a *action) {
	cables := r.cables[a.Target]
	for _, cable := range cables {
		switch a.What {
		case plan.Sever:
			cable.Sever()
		case plan.Stall:
			cable.Stall()
		case plan.Delay:
			by, err := time.ParseDuration(a.How)
			if err != nil {
				r.t.Fatal(err)
			}
			cable.Delay(by)
		}
	}
	a.end = func() {
		for _, cable := range cables {
			cable.Mend()
		}
	}
}

// watch has the states of a plug asked for while it misbehaves.
func (r *runner) watch(a *action) {
	r.record.suffers(a.Target, true)
	a.end = func() {
		r.record.suffers(a.Target, false)
		r.plugs.misbehave(a.Target, "none")
	}
	if truth.MustBeSaid(a.Fault) {
		a.said = func() bool {
			return r.record.said(a.From, func(s truth.Saying) bool {
				return s.Kind == truth.State && s.Code == "" && r.names()[s.Device] == a.Target && s.Availability != wattline.AvailabilityUp
			})
		}
	}
}
