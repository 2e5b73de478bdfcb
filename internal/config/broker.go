package config

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/goccy/go-yaml"
)

// Broker is one address, or several that are tried in turn, or just "embedded".
type Broker []string

// UnmarshalYAML takes a text or a list of texts.
func (b *Broker) UnmarshalYAML(data []byte) error {
	var one string
	if err := yaml.Unmarshal(data, &one); err == nil {
		*b = Broker{one}
		return nil
	}
	var several []string
	if err := yaml.Unmarshal(data, &several); err != nil {
		return errors.New(`broker must be "embedded", an address such as mqtt://host:1883, or a list of addresses`)
	}
	*b = several
	return nil
}

// IsEmbedded tells whether the broker is the one that Wattline brings.
func (b Broker) IsEmbedded() bool { return len(b) == 1 && b[0] == Embedded }

// URLs are the addresses without the user, whose name comes second.
func (b Broker) URLs() (urls []string, user string) {
	for _, address := range b {
		parsed, err := url.Parse(address)
		if err != nil {
			continue // check has refused it
		}
		if parsed.User != nil {
			user = parsed.User.Username()
			parsed.User = nil
		}
		urls = append(urls, parsed.String())
	}
	return urls, user
}

func (b Broker) check() error {
	if b.IsEmbedded() {
		return nil
	}
	if len(b) == 0 {
		return errors.New("names no address")
	}
	user := ""
	for i, address := range b {
		parsed, err := url.Parse(address)
		if err != nil {
			return fmt.Errorf("address %d is not a URL such as mqtt://host:1883", i+1)
		}
		if _, given := parsed.User.Password(); given {
			return errors.New("holds a password: put it into broker_password_file or WATTLINE_BROKER_PASSWORD")
		}
		if parsed.Scheme != "mqtt" && parsed.Scheme != "mqtts" || parsed.Hostname() == "" || strings.Trim(parsed.Path, "/") != "" {
			return fmt.Errorf(`%.80q must be "embedded", mqtt://host:1883 or mqtts://user@host:8883`, parsed.Redacted())
		}
		if name := parsed.User.Username(); i > 0 && name != user {
			return errors.New("has addresses with different users")
		}
		user = parsed.User.Username()
	}
	return nil
}
