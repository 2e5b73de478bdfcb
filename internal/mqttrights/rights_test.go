package mqttrights_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/mqttrights"
)

func drawHolder(t *rapid.T) mqttrights.Holder {
	name := rapid.StringMatching(`[a-z0-9][a-z0-9_-]{0,8}`)
	role := rapid.Custom(func(t *rapid.T) mqttrights.Role {
		text := rapid.SampledFrom(mqttrights.Names()).Draw(t, "role")
		return mqttrights.Role(strings.Replace(text, "NAME", "x"+name.Draw(t, "of"), 1))
	})
	return mqttrights.Holder{
		Name: name.Draw(t, "name"), Roles: rapid.SliceOfN(role, 1, 3).Draw(t, "roles"),
		Site: rapid.OneOf(rapid.Just(""), name).Draw(t, "site"),
	}
}

// Whatever roles somebody has, what belongs to another instance is out of reach.
func TestNobodyReachesWhatIsAnothers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		holder := drawHolder(t)
		if err := holder.Validate(); err != nil {
			t.Fatal(err)
		}
		other := rapid.StringMatching(`[a-z0-9][a-z0-9._-]{0,8}`).Filter(func(name string) bool { return name != holder.Name }).Draw(t, "other")
		rights := mqttrights.Of(holder)
		for _, topic := range []wattline.Topic{
			{Kind: wattline.TopicReply},
			{Kind: wattline.TopicReply, Instance: other},
			{Kind: wattline.TopicReply, Instance: other, ID: "k2m5"},
			{Kind: wattline.TopicQuery},
			{Kind: wattline.TopicQuery, Component: "history", Instance: other},
		} {
			if rights.MaySubscribe(topic) {
				t.Errorf("hears %+v", topic)
			}
		}
		for _, topic := range []wattline.Topic{
			{Kind: wattline.TopicPresence}, {Kind: wattline.TopicPresence, Instance: other},
		} {
			if rights.MayPublish(topic) {
				t.Errorf("says %+v", topic)
			}
		}
	})
}

// Only a gateway switches, and only a registry says what devices there are.
func TestRolesTogetherGiveNoMoreThanEach(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		holder := drawHolder(t)
		rights := mqttrights.Of(holder)
		for kind, role := range map[wattline.TopicKind]mqttrights.Role{
			wattline.TopicCommand: wattline.RoleGateway, wattline.TopicDevice: wattline.RoleRegistry, wattline.TopicData: wattline.RoleCollector,
			wattline.TopicPack: wattline.RoleCollector,
		} {
			topic := wattline.Topic{Kind: kind, Site: holder.Site}
			if kind == wattline.TopicDevice {
				topic.Site = ""
			}
			want := false
			for _, has := range holder.Roles {
				want = want || has == role
			}
			if got := rights.MayPublish(topic); got != want {
				t.Errorf("%v says %s: %v, want %v", holder.Roles, kind, got, want)
			}
		}
	})
}

func TestTheACLOfMosquittoNamesEachHolder(t *testing.T) {
	acl := mqttrights.ACL(wattline.Topics{}, []mqttrights.Holder{
		{Name: "his-1", Roles: []mqttrights.Role{"history"}}, {Name: "wall", Roles: []mqttrights.Role{"observer"}},
	})
	want := `# Written by wattline broker acl. Goes with use_username_as_clientid true.

user his-1
topic write wattline/presence/his-1
topic write wattline/event/clock_skew
topic write wattline/reply/+/+
topic read wattline/presence/+
topic read wattline/reply/his-1/+
topic read wattline/query/history/his-1/+

user wall
topic read wattline/presence/+
topic read wattline/data/+/+
topic read wattline/state/+/+
topic read wattline/device/+
topic read wattline/event/+
`
	if acl != want {
		t.Errorf("the ACL is\n%s", acl)
	}
}
