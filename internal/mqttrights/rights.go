// Package mqttrights decides who may say and hear what on MQTT. It is pure: the
// embedded broker and the files for mosquitto are both made from its one table.
//
// A holder's name is its MQTT user, its client id and its instance in one, so that
// what belongs to an instance (its presence, the replies to it, the queries to it)
// belongs to one credential.
//
// Topics are all that a broker can judge. It does not look into payloads: a
// collector may say of itself, in its presence, that it is a history, but it is
// never given the queries to one and so cannot answer them.
package mqttrights

import (
	"fmt"
	"strings"

	"github.com/wattline/wattline"
)

// Holder is a program that has a credential.
type Holder struct {
	// Name is unique among the holders; see wattline.CheckID. It has no dots, with
	// which the embedded broker takes no client id.
	Name string
	// Roles are what it may do together, at least one.
	Roles []Role
	// Site limits a collector and a controller to the devices of one site; empty is
	// all.
	Site string
}

// Validate says what is wrong with a holder.
func (h Holder) Validate() error {
	if err := wattline.CheckID(h.Name); err != nil {
		return fmt.Errorf("name %.80q %w", h.Name, err)
	}
	if strings.Contains(h.Name, ".") {
		return fmt.Errorf("name %.80q may hold no dot", h.Name)
	}
	if len(h.Roles) == 0 {
		return fmt.Errorf("%s: roles are missing", h.Name)
	}
	for _, role := range h.Roles {
		if _, err := ParseRole(string(role)); err != nil {
			return fmt.Errorf("%s: %w", h.Name, err)
		}
	}
	if h.Site != "" {
		if err := wattline.CheckID(h.Site); err != nil {
			return fmt.Errorf("%s: site %.80q %w", h.Name, h.Site, err)
		}
	}
	return nil
}

// Rights are topics whose empty levels stand for anything. What is not among them is
// denied.
type Rights struct {
	Publish   []wattline.Topic
	Subscribe []wattline.Topic
}

// MayPublish tells whether a topic may be published on.
func (r Rights) MayPublish(topic wattline.Topic) bool { return covered(r.Publish, topic) }

// MaySubscribe tells whether everything that passes a filter may be heard.
func (r Rights) MaySubscribe(filter wattline.Topic) bool { return covered(r.Subscribe, filter) }

func covered(by []wattline.Topic, topic wattline.Topic) bool {
	for _, right := range by {
		if right.Covers(topic) {
			return true
		}
	}
	return false
}

// Of are the rights of a holder: those of its roles together.
func Of(h Holder) Rights {
	rights := Rights{Subscribe: []wattline.Topic{presence("")}}
	for _, role := range h.Roles {
		if role != RoleObserver {
			rights.add(member(h.Name))
		}
		rights.add(role.rights(h))
	}
	return rights
}

// add keeps each topic once.
func (r *Rights) add(more Rights) {
	for _, topic := range more.Publish {
		if !r.MayPublish(topic) {
			r.Publish = append(r.Publish, topic)
		}
	}
	for _, topic := range more.Subscribe {
		if !r.MaySubscribe(topic) {
			r.Subscribe = append(r.Subscribe, topic)
		}
	}
}

// member is what every process needs: to say that it is there, to hear the replies
// to itself, and to tell of a clock that is off.
func member(name string) Rights {
	return Rights{
		Publish:   []wattline.Topic{presence(name), event("clock_skew")},
		Subscribe: []wattline.Topic{{Kind: wattline.TopicReply, Instance: name}},
	}
}

// rights is the table.
func (r Role) rights(h Holder) Rights {
	kind, of := r.parts()
	switch kind {
	case wattline.RoleGateway:
		return Rights{
			Publish:   []wattline.Topic{{Kind: wattline.TopicCommand}, {Kind: wattline.TopicQuery}, event(""), reply()},
			Subscribe: append(published(), queries(kind, h.Name)),
		}
	case wattline.RoleCollector:
		return Rights{
			Publish: []wattline.Topic{
				{Kind: wattline.TopicData, Site: h.Site},
				{Kind: wattline.TopicPack, Site: h.Site},
				{Kind: wattline.TopicState, Site: h.Site},
				event("journal_dropped"), reply(),
				query(wattline.RoleHistory, wattline.VerbLast), query(wattline.RoleWhereabouts, h.Site),
				query(wattline.RoleRegistry, wattline.VerbList),
			},
			Subscribe: []wattline.Topic{
				{Kind: wattline.TopicDevice},
				{Kind: wattline.TopicStored},
				{Kind: wattline.TopicData, Site: h.Site},
				{Kind: wattline.TopicState, Site: h.Site},
				queries(kind, h.Name),
			},
		}
	case wattline.RoleController:
		return Rights{
			Publish: []wattline.Topic{
				{Kind: wattline.TopicState, Site: h.Site},
				event("command"), reply(), query(wattline.RoleGateway, wattline.VerbConfirm),
				query(wattline.RoleRegistry, wattline.VerbList),
			},
			Subscribe: []wattline.Topic{
				{Kind: wattline.TopicDevice}, {Kind: wattline.TopicState, Site: h.Site}, {Kind: wattline.TopicCommand, Site: h.Site},
			},
		}
	case wattline.RoleRegistry:
		return Rights{
			Publish:   []wattline.Topic{{Kind: wattline.TopicDevice}, event("registry"), reply()},
			Subscribe: []wattline.Topic{queries(kind, h.Name), queries(wattline.RoleWhereabouts, h.Name)},
		}
	case wattline.RoleHistory:
		return Rights{Publish: []wattline.Topic{reply()}, Subscribe: []wattline.Topic{queries(kind, h.Name)}}
	case wattline.RoleHook:
		return hook(h, of)
	case RoleComponent:
		return Rights{
			Publish: []wattline.Topic{
				reply(), query(wattline.RoleRegistry, wattline.VerbList), query(wattline.RoleRegistry, wattline.VerbGet),
				query(wattline.RoleHistory, wattline.VerbReadings), query(wattline.RoleHistory, wattline.VerbConsumption),
				query(wattline.RoleHistory, wattline.VerbAggregate),
			},
			Subscribe: append(published(), queries(of, h.Name)),
		}
	case RoleObserver:
		return Rights{Subscribe: published()}
	}
	return Rights{}
}

// hook listens and raises alerts; one with a name stores, so that it asks for what
// it lacks and says how far it has got, under its own name alone: with another's it
// could have a journal drop what that one still lacks.
func hook(h Holder, store string) Rights {
	rights := Rights{Publish: []wattline.Topic{event("alert")}, Subscribe: published()}
	if store == "" {
		return rights
	}
	rights.Publish = append(rights.Publish, wattline.Topic{Kind: wattline.TopicStored, Hook: store},
		query(wattline.RoleCollector, wattline.VerbReplay), reply())
	rights.Subscribe = append(rights.Subscribe, wattline.Topic{Kind: wattline.TopicPack}, queries(wattline.RoleHook, h.Name))
	return rights
}

// published is what tells of devices and of what happened.
func published() []wattline.Topic {
	return []wattline.Topic{
		{Kind: wattline.TopicData}, {Kind: wattline.TopicState}, {Kind: wattline.TopicDevice}, event(""),
	}
}

func presence(name string) wattline.Topic {
	return wattline.Topic{Kind: wattline.TopicPresence, Instance: name}
}

func event(name string) wattline.Topic { return wattline.Topic{Kind: wattline.TopicEvent, Event: name} }

// reply is to answer whoever asked. The id of a question is known to the one asked
// alone, and cannot be guessed.
func reply() wattline.Topic { return wattline.Topic{Kind: wattline.TopicReply} }

// queries are those to one instance of a component.
func queries(component, instance string) wattline.Topic {
	return wattline.Topic{Kind: wattline.TopicQuery, Component: component, Instance: instance}
}

// query asks any instance of a component one thing.
func query(component, verb string) wattline.Topic {
	return wattline.Topic{Kind: wattline.TopicQuery, Component: component, Verb: verb}
}
