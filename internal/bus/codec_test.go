package bus

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/wattline/wattline"
)

func testTopics(t testing.TB) wattline.Topics {
	t.Helper()
	topics, err := wattline.NewTopics("wattline")
	if err != nil {
		t.Fatal(err)
	}
	return topics
}

const goodEnvelope = `{"v":1,"id":"abc","reply_to":"wattline/reply/me/abc",` +
	`"issued_at":"2026-11-21T10:00:00.000Z","deadline":"2026-11-21T10:00:05.000Z","actor":"me","body":{"a":1}}`

func testNow() time.Time { return time.Date(2026, 11, 21, 10, 0, 1, 0, time.UTC) }

func TestAnEnvelopeIsRefusedWithItsFieldsAndAnsweredIfItCanBe(t *testing.T) {
	if _, err := decodeEnvelope(testTopics(t), []byte(goodEnvelope), testNow()); err != nil {
		t.Fatal(err)
	}
	replace := func(from, to string) string { return strings.Replace(goodEnvelope, from, to, 1) }
	for name, c := range map[string]struct {
		payload  string
		field    string
		answered bool
	}{
		"a later version":                 {replace(`"v":1`, `"v":2`), "v", true},
		"a version that is a text":        {replace(`"v":1`, `"v":"1"`), "v", true},
		"an unknown field":                {replace(`"v":1`, `"v":1,"x":1`), "x", true},
		"a field given twice":             {replace(`"v":1`, `"v":1,"v":1`), "v", true},
		"no body":                         {replace(`,"body":{"a":1}`, ``), "body", true},
		"null for a time":                 {replace(`"2026-11-21T10:00:05.000Z"`, `null`), "deadline", true},
		"a date in the year 9999":         {replace(`"2026-11-21T10:00:05.000Z"`, `"9999-11-21T10:00:05.000Z"`), "deadline", true},
		"a deadline over an hour ahead":   {replace(`10:00:05.000Z`, `11:00:02.000Z`), "deadline", true},
		"a deadline before its beginning": {replace(`10:00:05.000Z`, `09:00:00.000Z`), "deadline", true},
		"an actor that is too long":       {replace(`"me","body"`, `"`+strings.Repeat("x", 200)+`","body"`), "actor", true},
		"NaN":                             {replace(`{"a":1}`, `{"a":NaN}`), "body.a", false},
		"bytes after the end":             {goodEnvelope + "x", "body", false},
		"cut off":                         {goodEnvelope[:60], "body", false},
		"no JSON":                         {"\x00", "body", false},
		"nothing":                         {"", "body", false},
		"an array":                        {"[]", "body", false},
		"an id with a slash":              {replace(`"id":"abc"`, `"id":"a/c"`), "id", false},
		"an id with a plus":               {replace(`"id":"abc"`, `"id":"+"`), "id", false},
		"an id with a hash":               {replace(`"id":"abc"`, `"id":"#"`), "id", false},
		"another id in the reply topic":   {replace(`me/abc`, `me/abd`), "reply_to", false},
		"a reply to somebody's command":   {replace(`reply/me/abc`, `command/hq/abc`), "reply_to", false},
		"a reply outside the root":        {replace(`wattline/reply`, `elsewhere/reply`), "reply_to", false},
		"a reply to a wildcard":           {replace(`reply/me/abc`, `reply/+/abc`), "reply_to", false},
	} {
		_, err := decodeEnvelope(testTopics(t), []byte(c.payload), testNow())
		known := wattline.AsError(err)
		if known == nil || known.Code != wattline.CodeInvalid || len(known.Fields) == 0 || known.Fields[0].Field != c.field {
			t.Errorf("%s: %v with the fields %+v, want %s", name, err, known.Fields, c.field)
		}
		if to, answered := returnAddress(testTopics(t), []byte(c.payload)); answered != c.answered {
			t.Errorf("%s: it can be answered: %v at %+v", name, answered, to)
		}
	}
}

func TestAReplyMustBelongToItsTopic(t *testing.T) {
	for payload, want := range map[string]bool{
		`{"v":1,"id":"a","instance":"i","error":null,"body":{}}`:                      true,
		`{"v":1,"id":"a","instance":"i","error":null,"body":null}`:                    true,
		`{"v":1,"id":"a","instance":"i"}`:                                             true,
		`{"v":1,"id":"a","instance":"i","body":[1]}`:                                  true,
		`{"v":1,"id":"a","instance":"i","body":{},"later":"field"}`:                   true,
		`{"v":1,"id":"a","instance":"i","error":{"code":"not_found","message":"no"}}`: true,
		`{"v":1,"id":"a","instance":"i","error":{"code":"","message":"no"}}`:          false,
		`{"v":1,"id":"a","instance":"i","error":"no"}`:                                false,
		`{"v":1,"id":"b","instance":"i","body":{}}`:                                   false,
		`{"v":2,"id":"a","instance":"i","body":{}}`:                                   false,
		`{"v":1,"instance":"i","body":{}}`:                                            false,
		`{"v":1,"id":"a","id":"a","instance":"i","body":{}}`:                          false,
		`nonsense`: false,
		``:         false,
	} {
		if _, err := decodeReply([]byte(payload), "a"); (err == nil) != want {
			t.Errorf("%s: %v", payload, err)
		}
	}
}

func TestAPresenceMustBelongToItsTopic(t *testing.T) {
	for payload, want := range map[string]bool{
		`{"instance":"i","status":"online","roles":["worker"],"later":1}`:   true,
		`{"instance":"i","status":"offline"}`:                               true,
		`{"instance":"j","status":"online"}`:                                false,
		`{"instance":"i","status":"asleep"}`:                                false,
		`{"instance":"i","status":"online","roles":["a/b"]}`:                false,
		`{"instance":"i","status":"online","clock":"9999-01-01T00:00:00Z"}`: false,
		`{"instance":"i"}`: false,
		`online`:           false,
	} {
		if _, err := decodePresence([]byte(payload), "i"); (err == nil) != want {
			t.Errorf("%s: %v", payload, err)
		}
	}
}

func TestIDsAreTopicLevelsAndNeverTheSame(t *testing.T) {
	seen := make(map[string]bool)
	for range 1000 {
		id := NewID()
		if err := wattline.CheckID(id); err != nil || seen[id] {
			t.Fatalf("%q: %v", id, err)
		}
		seen[id] = true
	}
}

func FuzzDecoding(f *testing.F) {
	f.Add([]byte(goodEnvelope))
	f.Add([]byte(`{"v":1,"id":"a","instance":"i","error":{"code":"busy","message":"","fields":[{"field":"a","reason":"b"}]}}`))
	f.Add([]byte(`{"instance":"i","status":"online","roles":["a"],"sites":["b"],"since":"2026-11-21T10:00:00.000Z"}`))
	topics := testTopics(f)
	f.Fuzz(func(t *testing.T, payload []byte) {
		if envelope, err := decodeEnvelope(topics, payload, testNow()); err == nil {
			to, ok := returnAddress(topics, payload)
			if text, err := topics.Build(to); !ok || err != nil || text != envelope.ReplyTo {
				t.Errorf("the return address of %s is %q", payload, text)
			}
			again, err := json.Marshal(envelope)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := decodeEnvelope(topics, again, testNow()); err != nil {
				t.Errorf("%s does not decode again: %v", again, err)
			}
		} else if known := wattline.AsError(err); known.Code != wattline.CodeInvalid || len(known.Fields) == 0 {
			t.Errorf("the error of %q is %v", payload, err)
		}
		if to, ok := returnAddress(topics, payload); ok && to.Kind != wattline.TopicReply {
			t.Errorf("a reply would go to %+v", to)
		}
		if reply, err := decodeReply(payload, "a"); err == nil && reply.ID != "a" {
			t.Errorf("%q passes for a reply to a", payload)
		}
		if presence, err := decodePresence(payload, "i"); err == nil && presence.Instance != "i" {
			t.Errorf("%q passes for the presence of i", payload)
		}
	})
}
