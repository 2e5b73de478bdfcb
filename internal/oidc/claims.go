package oidc

import (
	"encoding/json"
	"slices"
	"strings"
	"unicode"

	gooidc "github.com/coreos/go-oidc/v3/oidc"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/access"
)

// claims are what an ID token says of somebody.
type claims map[string]json.RawMessage

// text is a claim; empty where it is something else.
func (c claims) text(name string) string {
	var value string
	if json.Unmarshal(c[name], &value) != nil {
		return ""
	}
	return value
}

// texts is a claim that is a list, or a single text.
func (c claims) texts(name string) []string {
	var values []string
	if json.Unmarshal(c[name], &values) == nil {
		return values
	}
	if one := c.text(name); one != "" {
		return []string{one}
	}
	return nil
}

// principal is whom a verified token is about.
func (p *Provider) principal(token *gooidc.IDToken) (SignedIn, error) {
	var said claims
	if err := token.Claims(&said); err != nil {
		return SignedIn{}, p.unproven("the provider's ID token cannot be read", nil)
	}
	if by := said.text("azp"); by != "" && by != p.options.ClientID {
		return SignedIn{}, p.unproven("the provider's ID token was issued to another client", nil)
	}
	name, fault := nameOf(said, p.options.NameClaim)
	if fault != "" {
		return SignedIn{}, p.unproven(fault, nil)
	}
	who := SignedIn{Principal: access.Principal{Name: "oidc:" + name}}
	groups := said.texts(p.options.GroupsClaim)
	right, has := rightOf(p.options.Rights, groups)
	if !has {
		p.log.Warn("somebody signed in whose groups have no rights", "name", name, "groups_claim", p.options.GroupsClaim, "groups", len(groups))
		return who, wattline.Errorf(wattline.CodeForbidden,
			"%s is known to the provider, but in no group that has rights here: ask whoever runs this", name)
	}
	who.Principal.Role, who.Principal.Scope, who.Group = right.Role, right.Scope, right.Group
	return who, nil
}

// rightOf is the first right whose group is among those given. One principal has one
// role and one scope, and no merging of several would be seen at a glance: a viewer of
// everything who operates a floor must not come to operate everything.
func rightOf(rights []Right, groups []string) (Right, bool) {
	at := slices.IndexFunc(rights, func(right Right) bool { return slices.Contains(groups, right.Group) })
	if at < 0 {
		return Right{}, false
	}
	return rights[at], true
}

// nameOf is the name in a claim, or what is wrong with it.
func nameOf(said claims, claim string) (name, fault string) {
	const longest = 128
	name = said.text(claim)
	unfit := func(char rune) bool { return !unicode.IsGraphic(char) || unicode.IsSpace(char) }
	switch {
	case name == "" || len(name) > longest || strings.ContainsFunc(name, unfit):
		return "", "the provider's ID token has no name that can be used in the claim " + claim
	case claim == "email" && strings.Trim(string(said["email_verified"]), `"`) != "true":
		return "", "the provider does not say that it has verified the email address"
	}
	return name, ""
}
