package wattline_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/wattline/wattline"
)

func TestEveryPairOfFieldAndOperationIsTakenOrRefusedWithThoseThatAre(t *testing.T) {
	for _, field := range wattline.Fields() {
		for _, op := range wattline.Ops() {
			o := wattline.Operation{Field: field, Op: op}
			switch op {
			case wattline.OpPercentile:
				o.P = new(wattline.Milli(95_000))
			case wattline.OpTop, wattline.OpBottom, wattline.OpSample:
				o.N = 3
			}
			faults := o.Faults()
			if taken := len(faults) == 0; taken != op.Takes(field) {
				t.Errorf("%s of %s: %v", op, field, faults)
			}
			for _, fault := range faults {
				if fault.Field != "op" || !strings.HasPrefix(fault.Reason, "for "+string(field)+" must be ") || strings.Contains(fault.Reason, string(op)+",") {
					t.Errorf("%s of %s: %v", op, field, fault)
				}
			}
		}
	}
}

func TestWhatAnOperationLacksIsNamed(t *testing.T) {
	for name, c := range map[string]struct {
		operation wattline.Operation
		faults    string
	}{
		"nothing is given":            {wattline.Operation{}, "field op"},
		"no percentage":               {wattline.Operation{Field: "power", Op: "percentile"}, "p"},
		"a percentage below":          {wattline.Operation{Field: "power", Op: "percentile", P: new(wattline.Milli(-1))}, "p"},
		"a percentage beyond":         {wattline.Operation{Field: "power", Op: "percentile", P: new(wattline.Milli(100_001))}, "p"},
		"a number too small":          {wattline.Operation{Field: "power", Op: "top"}, "n"},
		"a number too large":          {wattline.Operation{Field: "power", Op: "distinct", N: 1001}, "n"},
		"both where neither is taken": {wattline.Operation{Field: "power", Op: "mean", P: new(wattline.Milli(1)), N: 1}, "p n"},
		"the least and the most":      {wattline.Operation{Field: "power", Op: "percentile", P: new(wattline.Milli(0))}, ""},
		"no number of values":         {wattline.Operation{Field: "relay", Op: "distinct"}, ""},
	} {
		var fields []string
		for _, fault := range c.operation.Faults() {
			fields = append(fields, fault.Field)
		}
		if got := strings.Join(fields, " "); got != c.faults {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func TestNoOperationTakesAFieldThatThereIsNot(t *testing.T) {
	for _, op := range wattline.Ops() {
		if op.Takes("rssi") || wattline.Op("average").Takes("power") {
			t.Error(op)
		}
	}
}

func TestAValueOfZeroIsWritten(t *testing.T) {
	text, err := json.Marshal(wattline.Aggregate{Value: new(0.0), Values: []wattline.AggregateValue{{Value: 0}}})
	if err != nil || !strings.Contains(string(text), `"value":0,"values":[{"value":0}]`) {
		t.Errorf("%s %v", text, err)
	}
}
