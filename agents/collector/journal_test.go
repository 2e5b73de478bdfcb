package collector_test

import (
	"encoding/json"
	"testing"

	"github.com/wattline/wattline"
)

func TestAnOperatorAsksACollectorForItsJournal(t *testing.T) {
	run(t, func(t *testing.T, o office) {
		ask := func(verb, body string) (any, wattline.Code) {
			answer, err := o.bus.Request(t.Context(), wattline.Topic{
				Kind: wattline.TopicQuery, Component: "collector", Instance: "agent-1", Verb: verb,
			}, json.RawMessage(body))
			if err != nil {
				return nil, wattline.AsError(err).Code
			}
			return answer, ""
		}
		want := o.journal.Status()
		for verb, body := range map[string]string{wattline.VerbJournal: `{}`, wattline.VerbForget: `{"hook":"influx"}`} {
			answer, code := ask(verb, body)
			if status, ok := answer.(wattline.JournalStatus); !ok || code != "" || status.Stream != want.Stream {
				t.Errorf("%s: %+v %s", verb, answer, code)
			}
		}
		for body, want := range map[string]wattline.Code{
			`{"hook":"nobody"}`: wattline.CodeNotFound, `{"hook":"influx","all":true}`: wattline.CodeInvalid, `[]`: wattline.CodeInvalid,
		} {
			if _, code := ask(wattline.VerbForget, body); code != want {
				t.Errorf("forget %s: %q, want %q", body, code, want)
			}
		}
		if _, code := ask(wattline.VerbJournal, `{"from":1}`); code != wattline.CodeInvalid {
			t.Errorf("an unknown field: %q", code)
		}
	})
}
