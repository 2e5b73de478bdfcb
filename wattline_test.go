package wattline_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/wattline/wattline"
)

// slug draws what may stand in a topic level.
func slug() *rapid.Generator[string] { return rapid.StringMatching(`[a-z0-9][a-z0-9._-]{0,20}`) }

func TestMilliKeepsEveryThousandthThroughText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := wattline.Milli(rapid.Int64Range(-int64(wattline.MaxMilli), int64(wattline.MaxMilli)).Draw(t, "milli"))
		got, err := wattline.ParseMilli(want.String())
		if err != nil || got != want {
			t.Fatalf("%d became %s and then %d, %v", int64(want), want, int64(got), err)
		}
		viaFloat, err := wattline.MilliOf(want.Float())
		if err != nil || viaFloat != want {
			t.Fatalf("%d became %d through a float, %v", int64(want), int64(viaFloat), err)
		}
	})
}

func TestTheGreatestMilliComeBackFromAFloat(t *testing.T) {
	for back := range wattline.Milli(100_000) {
		for _, want := range []wattline.Milli{wattline.MaxMilli - back, back - wattline.MaxMilli, wattline.MaxMilli/2 + back} {
			if got, err := wattline.MilliOf(want.Float()); err != nil || got != want {
				t.Fatalf("%d became %d, %v", int64(want), int64(got), err)
			}
		}
	}
}

func TestMilliText(t *testing.T) {
	for text, want := range map[string]wattline.Milli{
		"0": 0, "61.753": 61753, "-0.5": -500, "16323": 16_323_000, "0.0004": 0, "0.0005": 1, "4.566000": 4566, "6.1e1": 61000,
	} {
		if got, err := wattline.ParseMilli(text); err != nil || got != want {
			t.Errorf("%s is %d, %v", text, int64(got), err)
		}
	}
	for _, text := range []string{"", "NaN", "Inf", "-Inf", "1e16", "0x", "1,5", " 1"} {
		if got, err := wattline.ParseMilli(text); err == nil {
			t.Errorf("%q was taken for %v", text, got)
		}
	}
	if _, err := wattline.MilliOf(math.NaN()); err == nil {
		t.Error("NaN was taken")
	}
	if got := fmt.Sprint(wattline.Milli(-1), wattline.Milli(61750), wattline.Milli(1000)); got != "-0.001 61.75 1" {
		t.Error(got)
	}
}

func TestTimeIsUTCWithMillisecondsOnTheWire(t *testing.T) {
	got, err := wattline.ParseTime("2026-03-29T03:30:00.1239+02:00")
	if err != nil || got.String() != "2026-03-29T01:30:00.123Z" {
		t.Fatal(got, err)
	}
	encoded, err := json.Marshal(wattline.AtMilli(0))
	if err != nil || string(encoded) != `"1970-01-01T00:00:00.000Z"` {
		t.Error(string(encoded), err)
	}
	for _, bad := range []string{"9999-01-01T00:00:00Z", "1969-12-31T23:59:59Z", "2026-02-30T00:00:00Z", "2026-01-01", "", "now"} {
		if got, err := wattline.ParseTime(bad); err == nil {
			t.Errorf("%q was taken for %v", bad, got)
		}
	}
}

func TestADayStartsWhereTheZonesCalendarFirstShowsIt(t *testing.T) {
	for _, c := range []struct{ zone, day, want string }{
		{"Europe/Madrid", "2026-03-29", "2026-03-28T23:00:00Z"},
		{"America/Santiago", "2026-09-06", "2026-09-06T04:00:00Z"}, // begins at 01:00
		{"Africa/Cairo", "2026-04-24", "2026-04-23T22:00:00Z"},     // begins at 01:00
		{"Atlantic/Azores", "2026-10-25", "2026-10-25T00:00:00Z"},  // has two midnights
		{"Asia/Amman", "2021-10-29", "2021-10-28T21:00:00Z"},       // has two midnights
		{"Pacific/Apia", "2011-12-30", "2011-12-30T10:00:00Z"},     // is left out
	} {
		zone, err := time.LoadLocation(c.zone)
		if err != nil {
			t.Fatal(err)
		}
		day, err := time.Parse(time.DateOnly, c.day)
		if err != nil {
			t.Fatal(err)
		}
		if got := wattline.At(wattline.StartOfDay(day.Year(), day.Month(), day.Day(), zone)); got.Format(time.RFC3339) != c.want {
			t.Errorf("%s in %s starts at %v, not %s", c.day, c.zone, got, c.want)
		}
	}
}

func TestTopicsRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		topics, err := wattline.NewTopics(strings.Join(rapid.SliceOfN(slug(), 1, 3).Draw(t, "root"), "/"))
		if err != nil {
			t.Fatal(err)
		}
		draw := func(name string) string { return slug().Draw(t, name) }
		want := rapid.SampledFrom([]wattline.Topic{
			{Kind: wattline.TopicData, Site: draw("site"), Device: draw("device")},
			{Kind: wattline.TopicState, Site: draw("site"), Device: draw("device")},
			{Kind: wattline.TopicCommand, Site: draw("site"), Device: draw("device")},
			{Kind: wattline.TopicDevice, Device: draw("device")},
			{Kind: wattline.TopicQuery, Component: draw("component"), Instance: draw("instance"), Verb: draw("verb")},
			{Kind: wattline.TopicReply, Instance: draw("instance"), ID: draw("id")},
			{Kind: wattline.TopicPack, Site: draw("site"), Stream: draw("stream")},
			{Kind: wattline.TopicStored, Hook: draw("hook"), Stream: draw("stream")},
			{Kind: wattline.TopicPresence, Instance: draw("instance")},
			{Kind: wattline.TopicEvent, Event: draw("event")},
		}).Draw(t, "topic")
		text, err := topics.Build(want)
		if err != nil {
			t.Fatal(err)
		}
		got, err := topics.Parse(text)
		if err != nil || got != want {
			t.Fatalf("%s parsed as %+v, %v; built from %+v", text, got, err, want)
		}
	})
}

func TestTopicsRefuseWhatIsNotOneLevel(t *testing.T) {
	var topics wattline.Topics
	for _, device := range []string{"", "a/b", "+", "#", "A", "a b", ".a", "ü", strings.Repeat("a", 64)} {
		if text, err := topics.Build(wattline.Topic{Kind: wattline.TopicDevice, Device: device}); err == nil {
			t.Errorf("device %q made the topic %q", device, text)
		}
	}
	for _, text := range []string{
		"", "wattline", "wattline/", "wattline/device", "wattline/device/", "wattline/device/a/b", "other/device/a",
		"wattline/unknown/a", "wattline/data/hq", "wattline/data/hq/a/b", "wattline/data//a", "wattlinex/device/a",
	} {
		if topic, err := topics.Parse(text); err == nil {
			t.Errorf("%q was taken for %+v", text, topic)
		}
	}
	if got := topics.Filter(wattline.Topic{Kind: wattline.TopicData, Site: "hq"}); got != "wattline/data/hq/+" {
		t.Error(got)
	}
}

func FuzzTopics(f *testing.F) {
	f.Add("wattline/data/hq/desk-1")
	f.Add("wattline/query/history/i-1/readings")
	f.Fuzz(func(t *testing.T, text string) {
		var topics wattline.Topics
		topic, err := topics.Parse(text)
		if err != nil {
			return
		}
		if again, err := topics.Build(topic); err != nil || again != text {
			t.Fatalf("%q parsed and built again is %q, %v", text, again, err)
		}
	})
}

func reading(t *rapid.T) wattline.Reading {
	milli := rapid.Int64Range(0, 1_000_000_000)
	draw := func(name string) wattline.Milli { return wattline.Milli(milli.Draw(t, name)) }
	return wattline.Reading{
		Device: slug().Draw(t, "device"), Time: wattline.AtMilli(rapid.Int64Range(1e12, 2e12).Draw(t, "time")),
		PowerW: draw("power"), VoltageV: draw("voltage"), CurrentA: draw("current"), EnergyWh: draw("energy"), MeterWh: draw("meter"),
		Relay: rapid.SampledFrom([]wattline.Relay{wattline.RelayOn, wattline.RelayOff}).Draw(t, "relay"), RSSIdBm: -60,
		CoversS: wattline.Milli(rapid.Int64Range(0, 10_000).Draw(t, "covers")),
		Quality: wattline.Quality(rapid.Uint16Range(0, 7).Draw(t, "quality")),
		Stream:  "s", Seq: rapid.Uint64Range(1, 1<<60).Draw(t, "seq"),
	}
}

func TestReadingsKeepEveryDigitThroughJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := reading(t)
		encoded, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		var got wattline.Reading
		if err := json.Unmarshal(encoded, &got); err != nil {
			t.Fatalf("%s: %v", encoded, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatal(diff)
		}
		if err := got.Validate(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestAMissingOrUnknownValueIsAFaultAndNeverOff(t *testing.T) {
	for name, err := range map[string]error{
		"command without an action":   wattline.Command{Device: "a"}.Validate(),
		"command with another action": wattline.Command{Device: "a", Action: "toggle"}.Validate(),
		"command without a device":    wattline.Command{Action: wattline.ActionOff}.Validate(),
		"reading without a relay":     wattline.Reading{Device: "a", Time: wattline.AtMilli(1e12)}.Validate(),
		"reading beyond all values":   wattline.Reading{Device: "a", Time: wattline.AtMilli(1e12), Relay: wattline.RelayOn, EnergyWh: -wattline.MaxMilli - 1}.Validate(),
		"reading of unknown doubts":   wattline.Reading{Device: "a", Time: wattline.AtMilli(1e12), Relay: wattline.RelayOn, Quality: 1 << 4}.Validate(),
		"reading without a time":      wattline.Reading{Device: "a", Relay: wattline.RelayOn}.Validate(),
		"state without availability":  wattline.State{Device: "a"}.Validate(),
		"an empty selector":           wattline.Selector{}.Validate(),
		"presence without a status":   wattline.Presence{Instance: "a"}.Validate(),
	} {
		var known *wattline.Error
		if !errors.As(err, &known) || known.Code != wattline.CodeInvalid || len(known.Fields) == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSelectorsMatchWholeLevelsAndEveryPart(t *testing.T) {
	devices := []wattline.Device{
		{ID: "a", Kind: "printer", Location: "hq/f1/r1"},
		{ID: "b", Kind: "workstation", Location: "hq/f10/r1", Labels: map[string]string{"team": "x"}},
		{ID: "c", Kind: "printer", Location: "hq/f1", Labels: map[string]string{"team": "x"}},
	}
	for name, c := range map[string]struct {
		selector wattline.Selector
		want     string
	}{
		"no part chooses none":  {wattline.Selector{}, ""},
		"all":                   {wattline.Selector{All: true}, "abc"},
		"location by levels":    {wattline.Selector{Location: "hq/f1"}, "ac"},
		"kind":                  {wattline.Selector{Kind: "printer"}, "ac"},
		"label":                 {wattline.Selector{Labels: map[string]string{"team": "x"}}, "bc"},
		"all parts together":    {wattline.Selector{Kind: "printer", Labels: map[string]string{"team": "x"}}, "c"},
		"ids":                   {wattline.Selector{IDs: []string{"b", "zz"}}, "b"},
		"ids and a kind":        {wattline.Selector{IDs: []string{"a", "b"}, Kind: "printer"}, "a"},
		"a value nobody has":    {wattline.Selector{Labels: map[string]string{"team": "y"}}, ""},
		"an empty label is one": {wattline.Selector{Labels: map[string]string{"team": ""}}, ""},
	} {
		var got string
		for _, device := range c.selector.Select(devices) {
			got += device.ID
		}
		if got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

func TestLocationAtDepth(t *testing.T) {
	for depth, want := range map[int]string{0: "", 1: "hq", 2: "hq/f1", 3: "hq/f1/r1", 9: "hq/f1/r1"} {
		if got := wattline.LocationAt("hq/f1/r1", depth); got != want {
			t.Errorf("depth %d: %q", depth, got)
		}
	}
}

func TestMergedSummariesAreTheSummaryOfAll(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		parts := make([]wattline.Summary, rapid.IntRange(0, 12).Draw(t, "n"))
		for i := range parts {
			if rapid.Bool().Draw(t, "present") {
				parts[i] = wattline.Summarize(reading(t))
			}
		}
		var left wattline.Summary
		for _, part := range parts {
			left = left.Merge(part)
		}
		cut := 0
		if len(parts) > 0 {
			cut = rapid.IntRange(0, len(parts)).Draw(t, "cut")
		}
		var first, second wattline.Summary
		for _, part := range parts[:cut] {
			first = first.Merge(part)
		}
		for _, part := range parts[cut:] {
			second = second.Merge(part)
		}
		if diff := cmp.Diff(left, first.Merge(second)); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestEveryCodeHasItsStatusAndOutcome(t *testing.T) {
	for code, want := range map[wattline.Code]struct {
		status  int
		outcome wattline.Outcome
	}{
		wattline.CodeInvalid:           {400, wattline.OutcomeRefused},
		wattline.CodeUnauthenticated:   {401, wattline.OutcomeRefused},
		wattline.CodeForbidden:         {403, wattline.OutcomeRefused},
		wattline.CodeNotFound:          {404, wattline.OutcomeRefused},
		wattline.CodeConflict:          {409, wattline.OutcomeRefused},
		wattline.CodeProtected:         {423, wattline.OutcomeRefused},
		wattline.CodeUnsupported:       {422, wattline.OutcomeRefused},
		wattline.CodeBusy:              {429, wattline.OutcomeNotSent},
		wattline.CodeDeviceUnreachable: {502, wattline.OutcomeUnreachable},
		wattline.CodeDeviceError:       {502, wattline.OutcomeFailed},
		wattline.CodeNoResponder:       {503, wattline.OutcomeNotSent},
		wattline.CodeBrokerDown:        {503, wattline.OutcomeNotSent},
		wattline.CodeTimeout:           {504, wattline.OutcomeTimeout},
		wattline.CodeInternal:          {500, wattline.OutcomeTimeout},
		"made-up":                      {http.StatusInternalServerError, wattline.OutcomeRefused},
	} {
		if got := code.HTTPStatus(); got != want.status {
			t.Errorf("%s is HTTP %d, want %d", code, got, want.status)
		}
		if got := wattline.OutcomeOf(code); got != want.outcome {
			t.Errorf("%s is the outcome %s, want %s", code, got, want.outcome)
		}
	}
}

func TestAnUnknownErrorShowsNothingOfItself(t *testing.T) {
	secret := errors.New("password=hunter2")
	got := wattline.AsError(fmt.Errorf("open: %w", secret))
	if got.Code != wattline.CodeInternal || strings.Contains(got.Error(), "hunter2") || !errors.Is(got, secret) {
		t.Error(got)
	}
	if got := wattline.AsError(context.DeadlineExceeded); got.Code != wattline.CodeTimeout {
		t.Error(got)
	}
	if wattline.AsError(nil) != nil {
		t.Error("nil is an error")
	}
}

func TestEnvelopesAreChecked(t *testing.T) {
	var topics wattline.Topics
	now := wattline.At(time.Date(2026, 3, 29, 1, 0, 0, 0, time.UTC))
	good := wattline.Envelope{
		V: 1, ID: "ask-1", ReplyTo: "wattline/reply/gateway-1/ask-1", IssuedAt: now, Deadline: wattline.At(now.Add(time.Second)),
	}
	if err := good.Validate(topics); err != nil {
		t.Fatal(err)
	}
	if good.Expired(now.Add(time.Second)) || !good.Expired(now.Add(time.Second+1)) {
		t.Error("the deadline itself is still in time, and nothing after it")
	}
	for name, spoil := range map[string]func(*wattline.Envelope){
		"another version":        func(e *wattline.Envelope) { e.V = 2 },
		"an id with a slash":     func(e *wattline.Envelope) { e.ID = "a/b" },
		"a reply to elsewhere":   func(e *wattline.Envelope) { e.ReplyTo = "wattline/command/hq/desk-1" },
		"a reply to a wildcard":  func(e *wattline.Envelope) { e.ReplyTo = "wattline/reply/+/a" },
		"a deadline before":      func(e *wattline.Envelope) { e.Deadline = wattline.At(now.Add(-time.Second)) },
		"an actor of a thousand": func(e *wattline.Envelope) { e.Actor = strings.Repeat("a", 1000) },
	} {
		bad := good
		spoil(&bad)
		if err := bad.Validate(topics); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}
