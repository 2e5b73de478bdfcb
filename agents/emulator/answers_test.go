package emulator_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/wattline/wattline/agents/emulator"
	"github.com/wattline/wattline/agents/kasa"
)

func TestAnswersAreRemembered(t *testing.T) {
	t.Parallel()

	t.Run("the latest of them, numbered, with what was told", func(t *testing.T) {
		clock := clockAt(monday(9))
		plug := newPlug(t, emulator.Spec{Model: emulator.HS110HW4, Profile: emulator.Workstation}, emulator.Options{Now: clock.Now, KeepAnswers: 3})
		var last object
		for range 11 {
			clock.Forward(5 * time.Second)
			last = answer(t, plug, realtime).sub("emeter", "get_realtime")
		}
		got := plug.Answers(0, 100)
		if len(got) != 3 || got[0].N != 9 || got[2].N != 11 || !got[2].At.Equal(clock.Now()) ||
			float64(got[2].PowerMW) != last["power_mw"] || float64(got[2].VoltageMV) != last["voltage_mv"] || !got[2].On {
			t.Errorf("answers %+v, the last was %v", got, last)
		}
		if page := plug.Answers(9, 1); len(page) != 1 || page[0].N != 10 {
			t.Errorf("the page after 9 is %+v", page)
		}
	})

	t.Run("with whether they went out, and what was switched, also to the position it had", func(t *testing.T) {
		office := startOffice(t, emulator.OfficeOptions{Plugs: 2, Options: emulator.Options{KeepAnswers: 10}})
		client := kasa.NewClient(kasa.Options{ExchangeTimeout: time.Minute})
		t.Cleanup(func() { _ = client.Close() })
		target, err := kasa.ParseAddress(office.Plugs()[1].Addr())
		if err != nil {
			t.Fatal(err)
		}
		for _, on := range []bool{true, false} {
			if err := client.SetRelay(t.Context(), target, on); err != nil {
				t.Fatal(err)
			}
		}
		if err := office.SetFaults([]emulator.PlugFault{{ID: "*", Fault: emulator.Fault{Kind: emulator.Garbage, Times: 1}}}); err != nil {
			t.Fatal(err)
		}
		if _, err := client.Read(t.Context(), target); err == nil {
			t.Fatal("the answer should have been garbage")
		}
		if _, err := client.Read(t.Context(), target); err != nil {
			t.Fatal(err)
		}
		type told struct {
			method   string
			on, sent bool
		}
		want := []told{{"set_relay_state", true, true}, {"set_relay_state", false, true}, {"get_realtime", false, false}, {"get_realtime", false, true}}
		views := answersOf(t, office, "desk-2")
		if len(views) != len(want) {
			t.Fatalf("answers %+v, want %+v", views, want)
		}
		for i, view := range views {
			if got := (told{view.Method, view.On, view.Sent}); got != want[i] || view.N != int64(i+1) {
				t.Errorf("answer %d is %+v, want %+v", i, view, want[i])
			}
		}
		if last := views[3]; last.MeterWh%1000 != 0 || last.VoltageV < 200_000 || time.Since(last.At.Time) > time.Hour {
			t.Errorf("the last is %+v", last)
		}
	})
}

func answersOf(t *testing.T, office *emulator.Office, plug string) []emulator.AnswerView {
	t.Helper()
	recorder := httptest.NewRecorder()
	office.ControlHandler().ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/plugs/"+plug+"/answers?after=0", nil))
	var views []emulator.AnswerView
	if err := json.Unmarshal(recorder.Body.Bytes(), &views); err != nil || recorder.Code != http.StatusOK {
		t.Fatalf("%d %s: %v", recorder.Code, recorder.Body, err)
	}
	return views
}
