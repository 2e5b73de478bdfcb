package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/testserver"
)

// as is the same API for somebody with another token.
func (o *office) as(token string) api {
	other := o.api
	other.token = token
	return other
}

// TestWhoMayDoWhat runs a gateway on an empty folder and goes in with what it makes.
func TestWhoMayDoWhat(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.declare(wattline.Device{ID: "desk-1", Kind: "workstation", Location: "hq/f1/desk-1", Address: "127.0.0.1:1"},
		wattline.Device{ID: "desk-2", Kind: "workstation", Location: "hq/f2/desk-2", Address: "127.0.0.1:1"})
	path := filepath.Join(o.folder, "data", "admin.token")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	w := o.up()
	secret := func(text []byte) string { return strings.TrimSpace(string(text)) }
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	first := secret(text)

	t.Run("the first start makes an admin's token in a file, and names the file alone", func(t *testing.T) {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%v %v", info, err)
		}
		if strings.Count(w.Output(), "admin.token") != 1 || strings.Contains(w.Output()+w.stdout.String(), first) {
			t.Errorf("it printed %s", w.Output())
		}
		o.as(first).get("/api/v1/me", nil)
	})
	t.Run("without a token there is only health", func(t *testing.T) {
		stranger := o.as("")
		stranger.get("/-/healthy", nil)
		for _, path := range []string{"/api/v1/devices", "/api/v1/me", "/metrics", "/api/v1/openapi.json", "/api/v1/audit"} {
			if p := stranger.refused(http.StatusUnauthorized, http.MethodGet, path, ""); p.Code != wattline.CodeUnauthenticated {
				t.Errorf("%s: %+v", path, p)
			}
		}
	})
	made := run(t, o.folder, "token", "create", "--name", "floor", "--role", "viewer", "--scope", "hq/f1", "--expires", "2h")
	floor := secret([]byte(made.stdout))
	t.Run("a token from the command line is good within a second, for its scope", func(t *testing.T) {
		if made.code != 0 || !strings.HasPrefix(floor, "wl_") {
			t.Fatalf("%+v", made)
		}
		time.Sleep(time.Second)
		viewer := o.as(floor)
		if devices := viewer.devices(""); len(devices) != 1 || devices[0].ID != "desk-1" {
			t.Errorf("%+v", devices)
		}
		viewer.refused(http.StatusNotFound, http.MethodGet, "/api/v1/devices/desk-2", "")
		viewer.refused(http.StatusForbidden, http.MethodPut, "/api/v1/devices/desk-1/relay", `{"state":"on"}`)
	})
	t.Run("it is refused within a second when it is revoked, and listed as such", func(t *testing.T) {
		if got := run(t, o.folder, "token", "revoke", "floor"); got.code != 0 {
			t.Fatalf("%+v", got)
		}
		time.Sleep(time.Second)
		o.as(floor).refused(http.StatusUnauthorized, http.MethodGet, "/api/v1/devices", "")
		listed := run(t, o.folder, "token", "list").stdout
		if !strings.Contains(listed, "revoked") || strings.Contains(listed, floor) {
			t.Error(listed)
		}
	})
	t.Run("a user from the command line signs in", func(t *testing.T) {
		o.write("password", "correct horse battery\n")
		if got := run(t, o.folder, "user", "add", "ana", "--role", "operator", "--scope", "hq/f1", "--password-file", "password"); got.code != 0 {
			t.Fatalf("%+v", got)
		}
		testserver.Eventually(t, patience, func() error {
			got, err := o.as("").send(http.MethodPost, "/api/v1/session", `{"name":"ana","password":"correct horse battery"}`)
			if err == nil {
				err = got.as(nil)
			}
			return err
		})
	})
	t.Run("all of it is in the audit, which verifies", func(t *testing.T) {
		testserver.Eventually(t, patience, func() error {
			var page struct {
				Records []struct{ Who, Action, Outcome string } `json:"records"`
			}
			o.as(first).get("/api/v1/audit", &page)
			seen := map[string]bool{}
			for _, r := range page.Records {
				who, _, _ := strings.Cut(r.Who, ":")
				seen[fmt.Sprint(who, " ", r.Action, " ", r.Outcome)] = true
			}
			for _, want := range []string{
				"system token.create done", "cli token.create attempted", "cli token.create done", "cli token.revoke done",
				"token command.on refused", " token.use refused", "cli user.create done", "user session.begin done",
			} {
				if !seen[want] {
					return fmt.Errorf("no %q among %v", want, seen)
				}
			}
			return nil
		})
		var report struct{ Head string }
		got := run(t, o.folder, "audit", "verify", "--json")
		if err := json.Unmarshal([]byte(got.stdout), &report); err != nil || got.code != 0 {
			t.Fatalf("%+v %v", got, err)
		}
		if got := run(t, o.folder, "audit", "verify", "--head", report.Head); got.code != 0 || !strings.Contains(got.stdout, "0 faults") {
			t.Errorf("%+v", got)
		}
		wrong := report.Head[:len(report.Head)-4] + "0000"
		if got := run(t, o.folder, "audit", "verify", "--head", wrong); got.code != 1 || !strings.Contains(got.stdout, "is not the one that was the head") {
			t.Errorf("%+v", got)
		}
	})
}
