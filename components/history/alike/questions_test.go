package alike_test

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/wattline/wattline"
)

// asked is a question: a verb and its body, before encoding.
type asked struct {
	verb string
	body map[string]any
}

func (a asked) String() string {
	text, err := json.Marshal(a.body)
	if err != nil {
		return err.Error()
	}
	return a.verb + " " + string(text)
}

// zones have whole, half and quarter hours, and change their clocks in all ways.
func zones() []string {
	return []string{
		"UTC", "Europe/Madrid", "America/New_York", "Asia/Kolkata", "Asia/Kathmandu", "Australia/Lord_Howe",
		"America/St_Johns", "Pacific/Chatham", "Africa/Casablanca", "Pacific/Apia",
	}
}

func pick[T any](s *story, of ...T) T { return of[s.random.IntN(len(of))] }

// instant is near the story, often at a reading or at a quarter-hour.
func (s *story) instant() time.Time {
	span := s.ends.Sub(s.begins)
	at := s.begins.Add(time.Duration(s.random.Int64N(int64(span)*6/5)) - span/10)
	switch s.random.IntN(4) {
	case 0:
		return s.readings[s.random.IntN(len(s.readings))].Time.Time
	case 1:
		return at.Truncate(15 * time.Minute)
	case 2:
		return at.Truncate(24 * time.Hour)
	}
	return at.Truncate(time.Millisecond)
}

func (s *story) period() (from, to time.Time) {
	from, to = s.instant(), s.instant()
	if to.Before(from) {
		from, to = to, from
	}
	if from.Equal(to) {
		to = from.Add(time.Duration(1+s.random.IntN(3_600_000)) * time.Millisecond)
	}
	return from, to
}

// some are a few of the devices, now and then one that nobody knows.
func (s *story) some() []string {
	var chosen []string
	for _, device := range s.devices {
		if s.random.IntN(2) == 0 {
			chosen = append(chosen, device)
		}
	}
	if s.random.IntN(8) == 0 || len(chosen) == 0 {
		chosen = append(chosen, fmt.Sprintf("nobody-%d", s.random.IntN(3)))
	}
	s.random.Shuffle(len(chosen), func(i, j int) { chosen[i], chosen[j] = chosen[j], chosen[i] })
	return chosen
}

func (s *story) groups() []wattline.Group {
	var groups []wattline.Group
	for _, name := range []string{"hq/f1", "", "workstation", "=4+1", "hq/f10"}[:1+s.random.IntN(5)] {
		groups = append(groups, wattline.Group{Name: name, Devices: s.some()})
	}
	return groups
}

// question is any of those that have an answer.
func (s *story) question() asked {
	from, to := s.period()
	body := map[string]any{"from": wattline.At(from), "to": wattline.At(to)}
	if s.random.IntN(5) == 0 {
		body["devices"], body["limit"] = s.some(), 1+s.random.IntN(1000)
		return asked{wattline.VerbReadings, body}
	}
	body["groups"], body["tz"], body["limit"] = s.groups(), pick(s, zones()...), pick(s, 7, 60, 500, 5000)
	window := pick(s, wattline.WindowQuarter, wattline.WindowHour, wattline.WindowHour, wattline.WindowDay,
		wattline.WindowWeek, wattline.WindowMonth, wattline.WindowYear)
	body["window"] = window
	if s.random.IntN(3) == 0 {
		return asked{wattline.VerbConsumption, body}
	}
	if s.random.IntN(4) == 0 {
		delete(body, "window")
	}
	field := pick(s, wattline.Fields()...)
	op := pick(s, wattline.Ops()...)
	for !op.Takes(field) {
		op = pick(s, wattline.Ops()...)
	}
	body["field"], body["op"] = field, op
	switch op {
	case wattline.OpPercentile:
		body["p"] = pick(s, 0, 0.1, 25, 50, 95, 99.999, 100)
	case wattline.OpTop, wattline.OpBottom, wattline.OpSample, wattline.OpDistinct:
		body["n"] = 1 + s.random.IntN(12)
	}
	return asked{wattline.VerbAggregate, body}
}

// spoil makes a question that has none, or that may have one still.
func (s *story) spoil(q asked) asked {
	switch s.random.IntN(12) {
	case 0:
		q.body["from"], q.body["to"] = q.body["to"], q.body["from"]
	case 1:
		q.body["tz"] = pick(s, "", "Local", "Mars/Olympus", "../etc/passwd", "europe/madrid ")
	case 2:
		q.body["window"] = pick(s, "", "second", "fortnight", "HOUR")
	case 3:
		q.body["cursor"] = pick(s, "x", "-1", "0", "1", "99999999", "1774000000000.desk-a", "5.Nobody")
	case 4:
		q.body["limit"] = pick(s, -1, 5001, 0)
	case 5:
		q.body["groups"] = []wattline.Group{{Name: "a", Devices: []string{"ok", "not/ok"}}, {Name: "a", Devices: []string{}}}
	case 6:
		q.body["devices"] = []string{"UPPER"}
	case 7: // more windows than anybody answers
		q.body["from"], q.body["to"], q.body["window"] = "2001-01-01T00:00:00Z", "2031-01-01T00:00:00Z", "quarter"
	case 8:
		q.verb = wattline.VerbAggregate
		q.body["field"], q.body["op"] = pick(s, "energy", "voltage", "rssi", ""), pick(s, "integral", "mean", "average", "percentile")
	case 9:
		q.body["p"], q.body["n"] = pick[any](s, 100.5, -1, "95"), pick[any](s, -3, 1001, 2.5)
	case 10:
		delete(q.body, pick(s, "from", "to", "tz", "groups", "field", "devices"))
	case 11:
		q.body["unheard-of"] = true
	}
	return q
}
