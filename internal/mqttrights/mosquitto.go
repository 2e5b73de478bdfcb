package mqttrights

import (
	"strings"

	"github.com/wattline/wattline"
)

// ACL is the text of a mosquitto acl_file that gives each holder its rights and
// everybody else none. Mosquitto grants every subscription and checks each message
// on its way out instead.
//
// It holds a holder's client id to its name only with use_username_as_clientid true:
// without, one holder could push another off the broker.
func ACL(topics wattline.Topics, holders []Holder) string {
	var text strings.Builder
	text.WriteString("# Written by wattline broker acl. Goes with use_username_as_clientid true.\n")
	for _, holder := range holders {
		text.WriteString("\nuser " + holder.Name + "\n")
		rights := Of(holder)
		for _, topic := range rights.Publish {
			text.WriteString("topic write " + topics.Filter(topic) + "\n")
		}
		for _, topic := range rights.Subscribe {
			text.WriteString("topic read " + topics.Filter(topic) + "\n")
		}
	}
	return text.String()
}
