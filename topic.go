package wattline

import (
	"errors"
	"fmt"
	"strings"
)

// TopicKind is the first level of a topic below the root: what travels on it.
type TopicKind string

// The kinds of topics; docs/topics.md has the whole table.
const (
	TopicData     TopicKind = "data"     // Reading, retained: …/data/{site}/{device}
	TopicPack     TopicKind = "pack"     // Pack: …/pack/{site}/{stream}
	TopicState    TopicKind = "state"    // State, retained: …/state/{site}/{device}
	TopicDevice   TopicKind = "device"   // Device, retained: …/device/{device}
	TopicCommand  TopicKind = "command"  // envelope: …/command/{site}/{device}
	TopicQuery    TopicKind = "query"    // envelope: …/query/{component}/{instance}/{verb}
	TopicReply    TopicKind = "reply"    // Reply: …/reply/{instance}/{id}
	TopicStored   TopicKind = "stored"   // Stored, retained: …/stored/{hook}/{stream}
	TopicPresence TopicKind = "presence" // Presence, retained: …/presence/{instance}
	TopicEvent    TopicKind = "event"    // …/event/{type}
)

// Topic is a parsed topic. Only the levels that its kind has are set.
type Topic struct {
	Kind      TopicKind
	Site      string
	Device    string
	Component string
	Instance  string
	Verb      string
	ID        string
	Hook      string
	Stream    string
	Event     string
}

// levels is the grammar: the fields that follow each kind, in their order.
func (t *Topic) levels() []*string {
	switch t.Kind {
	case TopicData, TopicState, TopicCommand:
		return []*string{&t.Site, &t.Device}
	case TopicPack:
		return []*string{&t.Site, &t.Stream}
	case TopicDevice:
		return []*string{&t.Device}
	case TopicQuery:
		return []*string{&t.Component, &t.Instance, &t.Verb}
	case TopicReply:
		return []*string{&t.Instance, &t.ID}
	case TopicStored:
		return []*string{&t.Hook, &t.Stream}
	case TopicPresence:
		return []*string{&t.Instance}
	case TopicEvent:
		return []*string{&t.Event}
	}
	return nil
}

// Covers tells whether a filter, whose empty levels match anything, passes
// everything that another filter, or one topic, does.
func (t Topic) Covers(other Topic) bool {
	if t.Kind != other.Kind {
		return false
	}
	given := other.levels()
	for i, wanted := range t.levels() {
		if *wanted != "" && *wanted != *given[i] {
			return false
		}
	}
	return true
}

// DefaultTopicRoot is the first level of every topic unless configured.
const DefaultTopicRoot = "wattline"

// Topics builds and parses the topics under one root. It is immutable.
type Topics struct{ root string }

// NewTopics checks the root: one or more names with slashes between them.
func NewTopics(root string) (Topics, error) {
	if err := CheckLocation(root); err != nil {
		return Topics{}, fmt.Errorf("topic root %.80q %w", root, err)
	}
	return Topics{root: root}, nil
}

// Root is the prefix of every topic, without the trailing slash.
func (ts Topics) Root() string {
	if ts.root == "" {
		return DefaultTopicRoot
	}
	return ts.root
}

// Build is the topic's text. A level that is missing or is not a name is a
// CodeInvalid error.
func (ts Topics) Build(topic Topic) (string, error) {
	var text strings.Builder
	text.WriteString(ts.Root() + "/" + string(topic.Kind))
	levels := topic.levels()
	if levels == nil {
		return "", Invalid(FieldError{Field: "topic", Reason: fmt.Sprintf("has no kind %.80q", topic.Kind)})
	}
	for _, level := range levels {
		if err := CheckID(*level); err != nil {
			return "", Invalid(FieldError{Field: "topic", Reason: fmt.Sprintf("level %.80q %v", *level, err)})
		}
		text.WriteString("/" + *level)
	}
	return text.String(), nil
}

// Filter is an MQTT subscription filter: the levels that are empty match
// anything. It panics on a kind or level that cannot be, which only a mistake
// in the program can cause; levels from outside go through Build or CheckID.
func (ts Topics) Filter(topic Topic) string {
	var text strings.Builder
	text.WriteString(ts.Root() + "/" + string(topic.Kind))
	levels := topic.levels()
	if levels == nil {
		panic(fmt.Sprintf("wattline: topic kind %q", topic.Kind))
	}
	for _, level := range levels {
		switch {
		case *level == "":
			text.WriteString("/+")
		case CheckID(*level) == nil:
			text.WriteString("/" + *level)
		default:
			panic(fmt.Sprintf("wattline: topic level %q", *level))
		}
	}
	return text.String()
}

var errNotOurTopic = errors.New("is not one of ours")

// Parse takes a topic's text apart; Build puts the result together again.
func (ts Topics) Parse(text string) (Topic, error) {
	rest, ok := strings.CutPrefix(text, ts.Root()+"/")
	if !ok {
		return Topic{}, fmt.Errorf("topic %.200q %w", text, errNotOurTopic)
	}
	kind, rest, _ := strings.Cut(rest, "/")
	topic := Topic{Kind: TopicKind(kind)}
	levels := topic.levels()
	for i, level := range levels {
		var name string
		var more bool
		name, rest, more = strings.Cut(rest, "/")
		if CheckID(name) != nil || more != (i < len(levels)-1) {
			return Topic{}, fmt.Errorf("topic %.200q %w", text, errNotOurTopic)
		}
		*level = name
	}
	if levels == nil {
		return Topic{}, fmt.Errorf("topic %.200q %w", text, errNotOurTopic)
	}
	return topic, nil
}
