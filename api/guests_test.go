package api_test

import (
	"errors"
	"net/http"
	"strings"
	"sync"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/access"
)

// guests are the principals of bearer tokens. Without a token, a request is the
// admin's.
type guests struct {
	mu sync.Mutex
	of map[string]access.Principal
	// slowed are tokens of an address that has tried too much.
	slowed map[string]bool
}

func (g *guests) Identify(r *http.Request) (access.Principal, error) {
	token, given := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !given {
		return access.Principal{Name: "token:admin", Role: access.Admin, Scope: access.Everything()}, nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if token == "hasty" || g.slowed[token] {
		return access.Principal{}, wattline.Errorf(wattline.CodeBusy, "too many requests with this token")
	}
	if token == "unreadable" {
		return access.Principal{}, errors.New("read the tokens: disk I/O error")
	}
	who, known := g.of[token]
	if !known {
		return access.Principal{}, wattline.Errorf(wattline.CodeUnauthenticated, "the token is not valid")
	}
	return who, nil
}

// slow has a token refused as one of many that were wrong.
func (g *guests) slow(token string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.slowed = map[string]bool{token: true}
}

// let gives a token to somebody, or takes it from them if they may do nothing.
func (g *guests) let(token string, who access.Principal) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.of == nil {
		g.of = map[string]access.Principal{}
	}
	if who.Role == "" {
		delete(g.of, token)
		return
	}
	g.of[token] = who
}
