// Package asyncapitest holds messages against the description of the topics.
package asyncapitest

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/wattline/wattline/openapi/asyncapi"
)

// address is where the document is, for whoever compiles its schemas.
const address = "asyncapi.json"

// Validator knows the description. It is used by one goroutine at a time.
type Validator struct {
	document document
	compiler *jsonschema.Compiler
	channels []channel
}

type document struct {
	Channels map[string]struct {
		Address  string `yaml:"address"`
		Messages map[string]struct {
			Ref string `yaml:"$ref"`
		} `yaml:"messages"`
	} `yaml:"channels"`
	Components struct {
		Messages map[string]struct {
			Payload struct {
				Ref string `yaml:"$ref"`
			} `yaml:"payload"`
		} `yaml:"messages"`
		Schemas map[string]map[string]any `yaml:"schemas"`
	} `yaml:"components"`
}

type channel struct {
	name   string
	topic  *regexp.Regexp
	schema *jsonschema.Schema
}

// New reads the description.
func New() (*Validator, error) {
	v := &Validator{compiler: jsonschema.NewCompiler()}
	if err := yaml.Unmarshal(asyncapi.Document(), &v.document); err != nil {
		return nil, fmt.Errorf("read the description: %w", err)
	}
	text, err := yaml.YAMLToJSON(asyncapi.Document())
	if err != nil {
		return nil, fmt.Errorf("read the description: %w", err)
	}
	whole, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	v.compiler.DefaultDraft(jsonschema.Draft7)
	if err := v.compiler.AddResource(address, whole); err != nil {
		return nil, err
	}
	for name, described := range v.document.Channels {
		for message := range described.Messages {
			schema, err := v.schema(v.document.Components.Messages[message].Payload.Ref)
			if err != nil {
				return nil, err
			}
			v.channels = append(v.channels, channel{name, topicOf(described.Address), schema})
		}
	}
	slices.SortFunc(v.channels, func(a, b channel) int { return strings.Compare(a.name, b.name) })
	return v, nil
}

func (v *Validator) schema(ref string) (*jsonschema.Schema, error) {
	return v.compiler.Compile(address + ref)
}

// topicOf matches the topics of an address, whose parameters are levels.
func topicOf(address string) *regexp.Regexp {
	levels := strings.Split(address, "/")
	for i, level := range levels {
		if strings.HasPrefix(level, "{") {
			levels[i] = "[^/]+"
		} else {
			levels[i] = regexp.QuoteMeta(level)
		}
	}
	return regexp.MustCompile("^" + strings.Join(levels, "/") + "$")
}

// Channels are the names of those described.
func (v *Validator) Channels() []string {
	var names []string
	for _, c := range v.channels {
		names = append(names, c.name)
	}
	return names
}

// Check holds a message against its channel, whose name it returns. An empty payload
// deletes what a topic holds and is always in order.
func (v *Validator) Check(topic string, payload []byte) (string, error) {
	for _, c := range v.channels {
		if !c.topic.MatchString(topic) {
			continue
		}
		if len(payload) == 0 {
			return c.name, nil
		}
		value, err := jsonschema.UnmarshalJSON(bytes.NewReader(payload))
		if err != nil {
			return c.name, err
		}
		return c.name, c.schema.Validate(value)
	}
	return "", fmt.Errorf("no channel has the topic %s", topic)
}

// Fields are the properties of a named schema and which of them must be there.
func (v *Validator) Fields(name string) (properties, required []string) {
	schema := v.document.Components.Schemas[name]
	if described, is := schema["properties"].(map[string]any); is {
		for property := range described {
			properties = append(properties, property)
		}
	}
	if described, is := schema["required"].([]any); is {
		for _, property := range described {
			required = append(required, fmt.Sprint(property))
		}
	}
	slices.Sort(properties)
	slices.Sort(required)
	return properties, required
}
