package broker

import (
	"crypto/tls"
	"strings"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/mqttrights"
)

// everything keeps clients from the subjects on which the server talks to itself
// alone, where anyone could delete what it keeps. Filters below $MQTT, which a
// client's own queues need, are refused by the server.
func everything() *server.Permissions {
	const mqtt, mark = "$MQTT.>", "$wattline.>"
	internal := []string{"$JS.>", "$JSC.>", "$SYS.>", "$NRG.>", mark}
	return &server.Permissions{
		Publish:   &server.SubjectPermission{Deny: append(internal, mqtt)},
		Subscribe: &server.SubjectPermission{Deny: internal},
	}
}

// permissionsOf are a holder's rights as subjects. What is not allowed is denied,
// the server's own subjects included. The server acknowledges a denied message of
// QoS 1 and drops it.
func permissionsOf(topics wattline.Topics, holder mqttrights.Holder) *server.Permissions {
	rights := mqttrights.Of(holder)
	return &server.Permissions{
		Publish:   &server.SubjectPermission{Allow: subjects(topics, rights.Publish)},
		Subscribe: &server.SubjectPermission{Allow: subjects(topics, rights.Subscribe)},
	}
}

func subjects(topics wattline.Topics, rights []wattline.Topic) []string {
	subjects := make([]string, len(rights)) // not nil, which would allow everything
	for i, topic := range rights {
		subjects[i] = subjectOf(topics.Filter(topic))
	}
	return subjects
}

// subjectOf is the server's name for a filter of ours. It has no empty levels, in
// which the two would differ more.
func subjectOf(filter string) string {
	return strings.NewReplacer("/", ".", ".", "//", "+", "*").Replace(filter)
}

// commonName is whom the certificate that a client shows was made for; nil if it
// shows none. The handshake has checked it.
func commonName(state *tls.ConnectionState) *string {
	if state == nil || len(state.VerifiedChains) == 0 {
		return nil
	}
	return &state.PeerCertificates[0].Subject.CommonName
}
