package mqttcredentials_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/wattline/wattline/internal/mqttcredentials"
	"github.com/wattline/wattline/internal/mqttrights"
)

func holder(name string) mqttrights.Holder {
	return mqttrights.Holder{Name: name, Roles: []mqttrights.Role{"collector", "controller"}, Site: "hq"}
}

func now() time.Time { return time.Date(2026, 3, 29, 10, 0, 0, 0, time.UTC) }

func issue(t *testing.T, folder, name string) string {
	t.Helper()
	secret, err := mqttcredentials.Issue(folder, holder(name), now())
	if err != nil {
		t.Fatal(err)
	}
	return secret
}

func names(t *testing.T, folder string) string {
	t.Helper()
	list, err := mqttcredentials.List(folder)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, credential := range list {
		names = append(names, credential.Name)
	}
	return strings.Join(names, " ")
}

func TestAnIssuedCredentialIsKeptWithoutItsSecret(t *testing.T) {
	folder := t.TempDir()
	secret := issue(t, folder, "col-1")
	path := filepath.Join(folder, mqttcredentials.FileName)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), secret) {
		t.Error("the secret is in the file")
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file's mode is %v, %v; want 0600", info.Mode(), err)
	}
	list, err := mqttcredentials.List(folder)
	if err != nil || len(list) != 1 {
		t.Fatalf("kept are %v, %v", list, err)
	}
	if got := list[0]; got.Name != "col-1" || got.Site != "hq" || len(got.Roles) != 2 || !got.Created.Equal(now()) {
		t.Errorf("kept is %+v", got)
	}
	if !list[0].Secret.Matches(secret) || list[0].Secret.Matches(secret+"x") || list[0].Secret.Matches("") {
		t.Error("the hash is not that of the secret alone")
	}
}

func TestANameIsIssuedOnceUntilRevoked(t *testing.T) {
	folder := t.TempDir()
	first := issue(t, folder, "a")
	if _, err := mqttcredentials.Issue(folder, holder("a"), now()); !errors.Is(err, mqttcredentials.ErrExists) {
		t.Errorf("issued twice: %v", err)
	}
	if err := mqttcredentials.Revoke(folder, "a"); err != nil {
		t.Fatal(err)
	}
	if err := mqttcredentials.Revoke(folder, "a"); !errors.Is(err, mqttcredentials.ErrUnknown) {
		t.Errorf("revoked twice: %v", err)
	}
	if second := issue(t, folder, "a"); second == first {
		t.Error("the same secret again")
	}
}

func TestSeveralAtOnceLoseNone(t *testing.T) {
	folder := t.TempDir()
	var all sync.WaitGroup
	for _, name := range []string{"d", "b", "a", "c"} {
		all.Go(func() {
			if _, err := mqttcredentials.Issue(folder, holder(name), now()); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if got := names(t, folder); got != "a b c d" {
		t.Errorf("kept are %q", got)
	}
}

func TestAHolderThatCannotBeIsRefused(t *testing.T) {
	for want, holder := range map[string]mqttrights.Holder{
		"name":                   {Name: "A b", Roles: []mqttrights.Role{"gateway"}},
		"may hold no dot":        {Name: "gw.1", Roles: []mqttrights.Role{"gateway"}},
		"roles are missing":      {Name: "a"},
		"is none of gateway":     {Name: "a", Roles: []mqttrights.Role{"king"}},
		"component:NAME":         {Name: "a", Roles: []mqttrights.Role{"component"}},
		"is a role of its own":   {Name: "a", Roles: []mqttrights.Role{"component:history"}},
		"take a name":            {Name: "a", Roles: []mqttrights.Role{"gateway:x"}},
		"site":                   {Name: "a", Roles: []mqttrights.Role{"gateway"}, Site: "#"},
		"hook:+\": the name":     {Name: "a", Roles: []mqttrights.Role{"hook:+"}},
		"component:\": the name": {Name: "a", Roles: []mqttrights.Role{"component:"}},
	} {
		_, err := mqttcredentials.Issue(t.TempDir(), holder, now())
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: error %v, want one with %q", holder, err, want)
		}
	}
}

// Whatever is in the file, reading it ends well or with an error, and what was read
// well is safe to write into mosquitto's files.
func FuzzParse(f *testing.F) {
	folder := f.TempDir()
	if _, err := mqttcredentials.Issue(folder, holder("col-1"), now()); err != nil {
		f.Fatal(err)
	}
	seed, err := os.ReadFile(filepath.Join(folder, mqttcredentials.FileName))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Add([]byte(`{"credentials":[]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		list, err := mqttcredentials.Parse(data)
		if err != nil {
			return
		}
		if lines := strings.Count(mqttcredentials.Passwords(list), "\n"); lines != len(list) {
			t.Errorf("%d credentials make %d lines", len(list), lines)
		}
	})
}

func TestNoHashMatchesAnythingElse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.StringMatching(`\$7\$[0-9]{1,9}\$[A-Za-z0-9+/]{0,20}={0,2}\$[A-Za-z0-9+/]{0,90}={0,2}`)).Draw(t, "hash")
		if mqttcredentials.Hash(text).Matches(rapid.String().Draw(t, "secret")) {
			t.Fatal("matches")
		}
	})
}
