package truth

import (
	"testing"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/e2e/chaos/plan"
)

// ready is what a door said of itself between two seconds; broken is what is not
// in order.
func ready(door string, second float64, broken ...string) Saying {
	return Saying{Door: door, Kind: Ready, Asked: at(second), Told: at(second + 0.1), Broken: broken}
}

func state(second float64, availability wattline.Availability, as float64) Saying {
	return Saying{Door: plan.Gateway, Kind: State, Device: "lamp", Asked: at(second), Told: at(second + 0.1), Availability: availability, As: at(as)}
}

func failed(kind Kind, code wattline.Code, second float64) Saying {
	return Saying{Door: plan.Gateway, Kind: kind, Device: "lamp", Asked: at(second), Told: at(second + 1), Code: code}
}

func fault(what plan.What, target, how string) Fault {
	return Fault{plan.Step{What: what, Target: target, How: how}, at(10), at(20)}
}

func TestSayingsAreJudged(t *testing.T) {
	t.Parallel()
	const gateway, hook = plan.Gateway, plan.Hook
	up, down, stale := wattline.AvailabilityUp, wattline.AvailabilityDown, wattline.AvailabilityStale
	brokerDown, offline := fault(plan.Kill, plan.Broker, ""), fault(plan.Fault, "lamp", "offline")
	for name, tc := range map[string]struct {
		untrue  int
		faults  []Fault
		sayings []Saying
	}{
		"a door says that the broker is down when it has noticed": {
			0,
			[]Fault{brokerDown},
			[]Saying{ready(gateway, 9), ready(gateway, 10.1), ready(gateway, 11, "broker"), ready(gateway, 12, "broker"), ready(gateway, 21)},
		},
		"it never says so":                 {1, []Fault{brokerDown}, []Saying{ready(gateway, 11), ready(gateway, 19)}},
		"it was not asked":                 {0, []Fault{brokerDown}, nil},
		"it was killed meanwhile":          {0, []Fault{brokerDown, fault(plan.Kill, gateway, "")}, []Saying{ready(gateway, 11)}},
		"it takes it back":                 {1, []Fault{brokerDown}, []Saying{ready(gateway, 11, "broker"), ready(gateway, 12)}},
		"it says so of something else":     {1, []Fault{brokerDown}, []Saying{ready(gateway, 11, "store")}},
		"the store's door tells of it":     {0, []Fault{fault(plan.Kill, plan.Influxd, "")}, []Saying{ready(hook, 11, "store"), ready(gateway, 12)}},
		"the store's door does not":        {1, []Fault{fault(plan.Kill, plan.Influxd, "")}, []Saying{ready(hook, 11)}},
		"a silent plug goes stale, down":   {0, []Fault{offline}, []Saying{state(11, up, 9.5), state(13, stale, 12), state(18, down, 17)}},
		"nobody says that it is silent":    {1, []Fault{offline}, []Saying{state(11, up, 9.5), state(19, up, 9.5)}},
		"it is said to have answered":      {1, []Fault{offline}, []Saying{state(12, down, 11), state(18, up, 17)}},
		"a plug that answers now and then": {0, []Fault{fault(plan.Fault, "lamp", "hang:p=0.5")}, []Saying{state(18, up, 17)}},
		"a power cut too short to be seen": {0, []Fault{fault(plan.Fault, "lamp", "power-cut:for=1s")}, []Saying{state(11, up, 9.5)}},
		"a power cut that is denied":       {1, []Fault{fault(plan.Fault, "lamp", "power-cut:for=9s")}, []Saying{state(18, up, 17)}},

		"broker_down while it is":                   {0, []Fault{brokerDown}, []Saying{failed(Switch, wattline.CodeBrokerDown, 12)}},
		"broker_down though nothing was the matter": {1, []Fault{fault(plan.Kill, plan.Influxd, "")}, []Saying{failed(Switch, wattline.CodeBrokerDown, 12)}},
		"broker_down long after":                    {1, []Fault{brokerDown}, []Saying{failed(Switch, wattline.CodeBrokerDown, 100)}},
		"broker_down by a door whose cable was cut": {
			0,
			[]Fault{fault(plan.Sever, plan.Cable(gateway, plan.Broker), "")},
			[]Saying{failed(Switch, wattline.CodeBrokerDown, 12)},
		},
		"broker_down by a door whose cable was not": {
			1,
			[]Fault{fault(plan.Sever, plan.Cable(hook, plan.Broker), "")},
			[]Saying{failed(Switch, wattline.CodeBrokerDown, 12)},
		},
		"store_down while it is":                 {0, []Fault{fault(plan.Kill, plan.Influxd, "")}, []Saying{failed(Query, wattline.CodeStoreDown, 12)}},
		"store_down though it is there":          {1, []Fault{fault(plan.Kill, plan.Gateway, "")}, []Saying{failed(Query, wattline.CodeStoreDown, 12)}},
		"no_responder while the agents are gone": {0, []Fault{fault(plan.Kill, plan.Agents, "")}, []Saying{failed(Switch, wattline.CodeNoResponder, 12)}},
		"no_responder though they are there":     {1, []Fault{fault(plan.Kill, plan.Influxd, "")}, []Saying{failed(Switch, wattline.CodeNoResponder, 12)}},
		"unreachable while it is":                {0, []Fault{offline}, []Saying{failed(Switch, wattline.CodeDeviceUnreachable, 12)}},
		"unreachable though it is not":           {1, []Fault{fault(plan.Fault, "other", "offline")}, []Saying{failed(Switch, wattline.CodeDeviceUnreachable, 12)}},
		"not found while it is renamed":          {0, []Fault{fault(plan.Rename, "lamp", "lamp.renamed")}, []Saying{failed(State, wattline.CodeNotFound, 12)}},
		"not found though it is there":           {1, nil, []Saying{failed(State, wattline.CodeNotFound, 12)}},
		"a timeout while anything is wrong":      {0, []Fault{fault(plan.Kill, plan.Archive, "")}, []Saying{failed(Query, wattline.CodeTimeout, 12)}},
		"a timeout though all is well":           {1, []Fault{fault(plan.Clock, "lamp", "1s")}, []Saying{failed(Query, wattline.CodeTimeout, 12)}},
		"a fault of ours":                        {1, []Fault{brokerDown}, []Saying{failed(Query, wattline.CodeInternal, 12)}},
		"protected is no fault":                  {0, nil, []Saying{failed(Switch, wattline.CodeProtected, 12)}},
		"a clock that is off":                    {0, nil, []Saying{{Kind: Skewed, Device: SkewedInstance, Told: at(12)}}},
		"a clock that is not":                    {1, nil, []Saying{{Kind: Skewed, Device: plan.Agents, Told: at(12)}}},
	} {
		t.Run(name, func(t *testing.T) {
			l := Ledger{Plugs: map[string]string{"lamp": "lamp"}, Faults: tc.faults, Sayings: tc.sayings}
			if got := checkSayings(l); len(got) != tc.untrue {
				t.Errorf("%d untrue statements, want %d: %v", len(got), tc.untrue, got)
			}
		})
	}

	t.Run("a device that did not show what it was told, because somebody else told it otherwise", func(t *testing.T) {
		l := lamp([]string{"on 11-14 failed", "off 12-13 done"}, on(11.5), off(12.5))
		l.Sayings = []Saying{failed(Switch, wattline.CodeDeviceError, 12.5)}
		if got := checkSayings(l); len(got) != 0 {
			t.Error(got)
		}
		l.Commands = l.Commands[:1]
		if got := checkSayings(l); len(got) != 1 {
			t.Errorf("alone: %v", got)
		}
	})
}
