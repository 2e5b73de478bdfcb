package config_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/config"
)

const (
	listYAML = `# two of them
devices:
  - {id: desk-1, kind: workstation, location: hq/f1, address: "10.1.0.7", labels: {cost-centre: "4100"}}
  - id: fridge
    kind: kitchen
    location: hq/f1/r105
    site: lab
    address: fridge.lan:9998/02
    protected: always_on
    poll: 1500ms
`
	listJSON = `[{"id":"desk-1","kind":"workstation","location":"hq/f1","address":"10.1.0.7","labels":{"cost-centre":"4100"}},
{"id":"fridge","kind":"kitchen","location":"hq/f1/r105","site":"lab","address":"fridge.lan:9998/02","protected":"always_on","poll":"1500ms"}]`
	listCSV = "\ufeffid,kind,location,address,label:cost-centre,site,protected,poll\r\n" +
		"desk-1,workstation,hq/f1,10.1.0.7,4100,,,\r\n" +
		"\"fridge\",kitchen,hq/f1/r105,fridge.lan:9998/02,,lab,always_on,1500ms\r\n"
)

func TestAListOfDevicesIsReadInEachFormat(t *testing.T) {
	want := []wattline.Device{
		{ID: "desk-1", Kind: "workstation", Location: "hq/f1", Site: "hq", Address: "10.1.0.7", Labels: map[string]string{"cost-centre": "4100"}},
		{ID: "fridge", Kind: "kitchen", Location: "hq/f1/r105", Site: "lab", Address: "fridge.lan:9998/02", Protected: wattline.ProtectionAlwaysOn, PollS: 1500},
	}
	for name, read := range map[string]func() ([]config.Listed, error){
		"YAML": func() ([]config.Listed, error) { return config.ParseDevices([]byte(listYAML), "hq") },
		"YAML with no key": func() ([]config.Listed, error) {
			return config.ParseDevices([]byte(strings.Replace(listYAML, "devices:", "", 1)), "hq")
		},
		"JSON": func() ([]config.Listed, error) { return config.ParseDevices([]byte(listJSON), "hq") },
		"CSV":  func() ([]config.Listed, error) { return config.ParseDevicesCSV([]byte(listCSV), "hq") },
	} {
		t.Run(name, func(t *testing.T) {
			listed, err := read()
			if err != nil {
				t.Fatal(err)
			}
			var got []wattline.Device
			for _, l := range listed {
				got = append(got, l.Device)
			}
			if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestEveryFaultOfAListIsToldWithItsLine(t *testing.T) {
	read := func(text string) error { _, err := config.ParseDevices([]byte(text), "hq"); return err }
	readCSV := func(text string) error { _, err := config.ParseDevicesCSV([]byte(text), "hq"); return err }
	for name, c := range map[string]struct {
		err  error
		want []string
	}{
		"several of several": {
			read("devices:\n- {id: A, kind: x, location: hq, address: a}\n- id: b\n  kind: x\n  location: HQ\n  address: a:0\n- id: b\n  kind: x\n  location: hq\n  address: a:0\n"),
			[]string{"2 devices[0].id must be 1 to 63", "5 devices[1].location must be names", "6 devices[1].address", "7 devices[2].id is that of devices[1]", "10 devices[2].address address \"a:0\": port"},
		},
		"a label":                 {read("- id: a\n  kind: x\n  location: hq\n  address: a\n  labels:\n    good: a\n    Bad: b\n"), []string{"5 devices[0].labels name \"Bad\""}},
		"an unknown key":          {read("- id: a\n  kind: x\n  location: hq\n  address: a\n  lables: {}\n"), []string{`5 devices[0].lables is no known key; did you mean "labels"?`}},
		"a wrong type":            {read("- {id: a, kind: x, location: hq, address: a}\n- id: [b]\n  kind: {}\n  location: hq\n  address: a\n  poll: often\n"), []string{"2 devices[1].id", "3 devices[1].kind", "6 devices[1].poll must be a duration"}},
		"a protection":            {read("- {id: a, kind: x, location: hq, address: a, protected: maybe}\n"), []string{"1 devices[0].protected must be always_on"}},
		"another key":             {read("site: hq\ndevices: []\n"), []string{`1 body has the key "site"`}},
		"no list":                 {read("devices: 3\n"), []string{"1 body must be a list"}},
		"nothing":                 {read("# nothing\n"), []string{"0 body must be a list"}},
		"an entry that is a text": {read("- desk-1\n"), []string{"1 devices[0]"}},
		"two documents":           {read("- {id: a, kind: x, location: hq, address: a}\n---\n- {id: b}\n"), []string{"3 body has a second document"}},
		"no YAML":                 {read("- {id: a\n- ]"), []string{"body"}},
		"an anchor":               {read("- &a {id: a}\n- *a\n"), []string{`1 body "&" is not taken here`}},
		"a tag":                   {read("- !!set {id: a}\n"), []string{`is not taken here`}},
		"flow depth":              {read(strings.Repeat("[", 10_000)), []string{"1 body is nested"}},
		"block depth":             {read(strings.Repeat("- ", 10_000)), []string{"1 body is nested"}},
		"too many":                {read(strings.Repeat("- {id: a}\n", 5001)), []string{"5001 devices must be at most 5000"}},

		"CSV: a column":        {readCSV("id,knid,id,label:A\n"), []string{"1 knid is no column", "1 id is the name of two columns", "1 label:A is no column"}},
		"CSV: values":          {readCSV("id,protected,poll,kind,location,address\na,maybe,often,x,hq,a\nb,,,x,HQ,a\n"), []string{"2 devices[0].protected", "2 devices[0].poll must be a duration", "3 devices[1].location"}},
		"CSV: a short line":    {readCSV("id,kind\na\n"), []string{"2 body is not CSV"}},
		"CSV: an open quote":   {readCSV("id,kind\n\"a,b\n"), []string{"body is not CSV"}},
		"CSV: nothing":         {readCSV(""), []string{"1 body must begin with a line"}},
		"CSV: nothing needful": {readCSV("id\na\n"), []string{"2 devices[0].kind", "2 devices[0].location", "2 devices[0].address"}},
	} {
		t.Run(name, func(t *testing.T) {
			if c.err == nil {
				t.Fatal("it was taken")
			}
			fields := wattline.AsError(c.err).Fields
			if len(fields) != len(c.want) {
				t.Fatalf("%d faults, want %d: %+v", len(fields), len(c.want), fields)
			}
			var said strings.Builder
			for _, field := range fields {
				fmt.Fprintln(&said, field.Line, field.Field, field.Reason)
			}
			for _, want := range c.want {
				if !strings.Contains(said.String(), want) {
					t.Errorf("no %q in\n%s", want, said.String())
				}
			}
		})
	}
}

func FuzzParseDevices(f *testing.F) {
	f.Add([]byte(listYAML), false)
	f.Add([]byte(listJSON), false)
	f.Add([]byte(listCSV), true)
	f.Fuzz(func(t *testing.T, data []byte, csv bool) {
		read := config.ParseDevices
		if csv {
			read = config.ParseDevicesCSV
		}
		listed, err := read(data, "hq")
		if err != nil {
			if known := wattline.AsError(err); known.Code != wattline.CodeInvalid || len(known.Fields) == 0 {
				t.Fatalf("%v", err)
			}
			return
		}
		for _, l := range listed {
			if err := l.Validate(); err != nil {
				t.Fatalf("an accepted device is invalid: %v", err)
			}
		}
	})
}

func TestAListOfNothingButStructureIsRefusedAtOnce(t *testing.T) {
	for _, text := range []string{
		strings.Repeat("[", 400_000) + strings.Repeat("]", 400_000), "[" + strings.Repeat("{},", 340_000) + "{}]", strings.Repeat("- ", 500_000),
	} {
		_, err := config.ParseDevices([]byte(text), "hq")
		if invalid := wattline.AsError(err); invalid == nil || len(invalid.Fields) != 1 || !strings.Contains(invalid.Fields[0].Reason, "more parts") {
			t.Errorf("%.10s…: %v", text, err)
		}
	}
}
