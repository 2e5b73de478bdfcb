package bus

import (
	"errors"
	"net"
	"net/url"
	"strconv"
)

// broker is where and how to connect.
type broker struct {
	address string // host:port
	host    string
	user    string
	secure  bool
}

// String is the URL, which holds no secret.
func (b broker) String() string {
	if b.secure {
		return "mqtts://" + b.address
	}
	return "mqtt://" + b.address
}

// The errors never repeat the URL: somebody may have put a password into it.
var (
	errBrokerURL      = errors.New("must be a URL such as mqtt://host:1883 or mqtts://user@host:8883")
	errBrokerPassword = errors.New("must not hold a password: it belongs in a file or in the environment")
)

// parseBroker takes a broker's URL apart. Only mqtt and mqtts are known; the
// ports are 1883 and 8883 unless given.
func parseBroker(text string) (broker, error) {
	parsed, err := url.Parse(text)
	if err != nil {
		return broker{}, errBrokerURL
	}
	if _, given := parsed.User.Password(); given {
		return broker{}, errBrokerPassword
	}
	var port string
	switch parsed.Scheme {
	case "mqtt":
		port = "1883"
	case "mqtts":
		port = "8883"
	default:
		return broker{}, errBrokerURL
	}
	if given := parsed.Port(); given != "" {
		port = given
	}
	number, err := strconv.ParseUint(port, 10, 16)
	onlyHost := parsed.Opaque == "" && (parsed.Path == "" || parsed.Path == "/") &&
		parsed.RawQuery == "" && parsed.Fragment == ""
	if err != nil || number == 0 || parsed.Hostname() == "" || !onlyHost {
		return broker{}, errBrokerURL
	}
	return broker{
		address: net.JoinHostPort(parsed.Hostname(), port),
		host:    parsed.Hostname(),
		user:    parsed.User.Username(),
		secure:  parsed.Scheme == "mqtts",
	}, nil
}
