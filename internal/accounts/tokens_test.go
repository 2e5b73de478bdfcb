package accounts_test

import (
	"bytes"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/access"
	"github.com/wattline/wattline/internal/accounts"
)

func TestTokens(t *testing.T) {
	world(t, func(t *testing.T, folder string, a *accounts.Accounts) {
		made, secret := newToken(t, a, accounts.NewToken{Name: "research", Role: access.Operator, Scope: scope(t, "hq/f1,kind:printer")})

		step(t, "are accepted at once, with their role and scope", func(t *testing.T) {
			who := accepted(t, a, withToken(secret), "token:research")
			if who.Role != access.Operator || who.Scope.String() != "hq/f1,kind:printer" {
				t.Errorf("%+v", who)
			}
		})
		step(t, "are nowhere on disk", func(t *testing.T) {
			entries, err := os.ReadDir(folder)
			if err != nil || len(entries) == 0 {
				t.Fatal(entries, err)
			}
			for _, entry := range entries {
				content, err := os.ReadFile(folder + "/" + entry.Name())
				if err != nil || bytes.Contains(content, []byte(strings.TrimPrefix(secret, "wl_"))) {
					t.Errorf("%s holds the secret (%v)", entry.Name(), err)
				}
			}
		})
		step(t, "have names that are taken once", func(t *testing.T) {
			_, _, err := a.CreateToken(t.Context(), accounts.NewToken{Name: "research", Role: access.Viewer, Scope: access.Everything()})
			wantCode(t, err, wattline.CodeConflict)
		})
		step(t, "say every fault of what is wanted", func(t *testing.T) {
			_, _, err := a.CreateToken(t.Context(), accounts.NewToken{Name: "A b", Role: "root", Expires: time.Now()})
			if known := wattline.AsError(err); len(known.Fields) != 4 {
				t.Errorf("%v", known)
			}
		})
		step(t, "tell when they were used last, at once and after a restart", func(t *testing.T) {
			gateway, stop := process(t, folder)
			defer stop()
			time.Sleep(time.Minute)
			accepted(t, gateway, withToken(secret), "token:research")
			used := wattline.At(time.Now())
			if token, err := gateway.Token(t.Context(), made.ID); err != nil || token.LastUsedAt == nil || *token.LastUsedAt != used {
				t.Errorf("%+v, %v", token, err)
			}
			time.Sleep(2 * time.Minute)
			if token, err := a.Token(t.Context(), made.ID); err != nil || token.LastUsedAt == nil || *token.LastUsedAt != used {
				t.Errorf("another process sees %+v, %v", token, err)
			}
		})
		step(t, "end when they are revoked, and free their name", func(t *testing.T) {
			revoked, err := a.RevokeToken(t.Context(), made.ID)
			if err != nil || revoked.RevokedAt == nil {
				t.Fatal(revoked, err)
			}
			refused(t, a, withToken(secret))
			_, another := newToken(t, a, accounts.NewToken{Name: "research"})
			accepted(t, a, withToken(another), "token:research")
			refused(t, a, withToken(secret))
			if again, err := a.RevokeToken(t.Context(), made.ID); err != nil || *again.RevokedAt != *revoked.RevokedAt {
				t.Errorf("revoked again: %+v, %v", again, err)
			}
		})
		step(t, "that nobody made are not found", func(t *testing.T) {
			_, err := a.Token(t.Context(), "tok_none")
			wantCode(t, err, wattline.CodeNotFound)
			_, err = a.RevokeToken(t.Context(), "tok_none")
			wantCode(t, err, wattline.CodeNotFound)
		})
		step(t, "are cleared away long after they have ended", func(t *testing.T) {
			time.Sleep(91 * 24 * time.Hour)
			_, stop := process(t, folder)
			defer stop()
			time.Sleep(2 * time.Minute)
			tokens, err := a.Tokens(t.Context())
			if err != nil || len(tokens) != 1 || tokens[0].Name != "research" || tokens[0].RevokedAt != nil {
				t.Errorf("%+v, %v", tokens, err)
			}
		})
	})
}

func TestATokenExpires(t *testing.T) {
	world(t, func(t *testing.T, _ string, a *accounts.Accounts) {
		_, secret := newToken(t, a, accounts.NewToken{Name: "short", Expires: time.Now().Add(time.Hour)})
		time.Sleep(time.Hour - time.Millisecond)
		accepted(t, a, withToken(secret), "token:short")
		time.Sleep(time.Millisecond)
		refused(t, a, withToken(secret))
	})
}

func TestWhatAnotherProcessChangesHoldsWithinASecond(t *testing.T) {
	world(t, func(t *testing.T, folder string, cli *accounts.Accounts) {
		gateway, _ := process(t, folder)
		made, secret := newToken(t, cli, accounts.NewToken{Name: "new"})
		time.Sleep(soon)
		accepted(t, gateway, withToken(secret), "token:new")
		if _, err := cli.RevokeToken(t.Context(), made.ID); err != nil {
			t.Fatal(err)
		}
		time.Sleep(soon)
		refused(t, gateway, withToken(secret))
		if err := gateway.Ready(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestWhatIsNoToken(t *testing.T) {
	world(t, func(t *testing.T, _ string, a *accounts.Accounts) {
		_, secret := newToken(t, a, accounts.NewToken{Name: "good"})
		for name, header := range map[string][]string{
			"another scheme":     {"Basic " + secret},
			"no scheme":          {secret},
			"nothing":            {""},
			"two":                {"Bearer " + secret, "Bearer " + secret},
			"with more behind":   {"Bearer " + secret + " "},
			"in another case":    {"Bearer " + strings.ToLower(secret)},
			"cut short":          {"Bearer " + secret[:len(secret)-1]},
			"one that is nobody": {"Bearer wl_" + strings.Repeat("A", 26)},
			"very long":          {"Bearer wl_" + strings.Repeat("A", 1<<16)},
		} {
			step(t, name, func(t *testing.T) {
				r := request(http.MethodGet)
				r.Header["Authorization"] = header
				refused(t, a, r)
			})
		}
		step(t, "none at all", func(t *testing.T) { refused(t, a, request(http.MethodGet)) })
		step(t, "a token in a cookie", func(t *testing.T) {
			r := request(http.MethodGet)
			r.AddCookie(&http.Cookie{Name: accounts.SessionCookie, Value: secret})
			refused(t, a, r)
		})
		step(t, "but the scheme's case is free", func(t *testing.T) {
			r := request(http.MethodGet)
			r.Header.Set("Authorization", "bearer "+secret)
			accepted(t, a, r, "token:good")
		})
	})
}

func TestWhoTriesOutTokensIsSlowedDown(t *testing.T) {
	world(t, func(t *testing.T, _ string, a *accounts.Accounts) {
		_, secret := newToken(t, a, accounts.NewToken{Name: "good"})
		wrong := withToken("wl_" + strings.Repeat("B", 26))
		tries := 0
		for ; tries < 1000; tries++ {
			if _, err := a.Identify(wrong); wattline.AsError(err).Code == wattline.CodeBusy {
				later, is := err.(interface{ RetryAfter() time.Duration })
				if !is || later.RetryAfter() <= 0 || later.RetryAfter() > 5*time.Second {
					t.Errorf("%v does not say when", err)
				}
				break
			}
		}
		if tries < 5 || tries > 50 {
			t.Errorf("%d tries", tries)
		}
		step(t, "from anywhere in their network", func(t *testing.T) {
			first, second := withToken("wl_"+strings.Repeat("B", 26)), withToken("wl_"+strings.Repeat("C", 26))
			first.RemoteAddr, second.RemoteAddr = "[2001:db8::1]:1", "[2001:db8::ffff:1]:2"
			for range 100 {
				_, _ = a.Identify(first)
			}
			_, err := a.Identify(second)
			wantCode(t, err, wattline.CodeBusy)
		})
		step(t, "and locks nobody out who has a valid one", func(t *testing.T) {
			accepted(t, a, withToken(secret), "token:good")
		})
		step(t, "for a while", func(t *testing.T) {
			time.Sleep(time.Minute)
			refused(t, a, wrong)
		})
	})
}

func TestTheFirstAdmin(t *testing.T) {
	world(t, func(t *testing.T, folder string, a *accounts.Accounts) {
		path := accounts.FirstTokenPath(folder)
		ensure := func(t *testing.T, want bool) string {
			t.Helper()
			made, err := a.EnsureAdmin(t.Context(), folder)
			if err != nil || made != want {
				t.Fatalf("made %t, %v", made, err)
			}
			secret, err := accounts.ReadSecret(path)
			if err != nil {
				t.Fatal(err)
			}
			return secret
		}
		first := ensure(t, true)
		step(t, "may do everything, with a token that only the owner can read", func(t *testing.T) {
			who := accepted(t, a, withToken(first), "token:admin")
			if who.Role != access.Admin || !who.Scope.IsEverything() {
				t.Errorf("%+v", who)
			}
			if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("%v, %v", info.Mode(), err)
			}
		})
		step(t, "is made once", func(t *testing.T) {
			if again := ensure(t, false); again != first {
				t.Error("it is another")
			}
		})
		step(t, "is made anew when there is none left", func(t *testing.T) {
			tokens, err := a.Tokens(t.Context())
			if err != nil || len(tokens) != 1 {
				t.Fatal(tokens, err)
			}
			if _, err := a.RevokeToken(t.Context(), tokens[0].ID); err != nil {
				t.Fatal(err)
			}
			newToken(t, a, accounts.NewToken{Name: "admin"}) // a viewer who has the name
			second := ensure(t, true)
			if second == first {
				t.Error("a revoked token came back")
			}
			refused(t, a, withToken(first))
			if who, err := a.Identify(withToken(second)); err != nil || who.Role != access.Admin {
				t.Errorf("%+v, %v", who, err)
			}
		})
	})
	t.Run("may be one that was put there before the first start", func(t *testing.T) {
		world(t, func(t *testing.T, folder string, a *accounts.Accounts) {
			secret := "wl_" + strings.Repeat("Q", 26)
			if err := os.WriteFile(accounts.FirstTokenPath(folder), []byte(secret), 0o600); err != nil {
				t.Fatal(err)
			}
			if made, err := a.EnsureAdmin(t.Context(), folder); err != nil || !made {
				t.Fatal(made, err)
			}
			accepted(t, a, withToken(secret), "token:admin")
		})
	})
	t.Run("is none that others can read", func(t *testing.T) {
		path := t.TempDir() + "/token"
		if err := os.WriteFile(path, []byte("wl_"+strings.Repeat("Q", 26)), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := accounts.ReadSecret(path); err == nil || !strings.Contains(err.Error(), "chmod 600") {
			t.Errorf("%v", err)
		}
	})
}

func TestADamagedFileIsNotReplaced(t *testing.T) {
	path := accounts.Path(t.TempDir())
	damaged := []byte(strings.Repeat("not a database. ", 1000))
	if err := os.WriteFile(path, damaged, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := accounts.Open(t.Context(), accounts.Options{Path: path}); err == nil || !strings.Contains(err.Error(), "put a backup in its place") {
		t.Errorf("%v", err)
	}
	if kept, err := os.ReadFile(path); err != nil || !bytes.Equal(kept, damaged) {
		t.Errorf("it is another file now: %v", err)
	}
}
