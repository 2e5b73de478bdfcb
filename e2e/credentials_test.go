package e2e_test

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/testserver"
)

// issue gives a credential to a program, whose secret goes into NAME.secret.
func (o *office) issue(name string, args ...string) {
	o.t.Helper()
	args = append([]string{"broker", "credentials", "--data", "data", "--name", name, "--secret-file", name + ".secret"}, args...)
	if got := run(o.t, o.folder, args...); got.code != 0 {
		o.t.Fatalf("wattline %v: %s", args, got.stderr)
	}
}

// runAs runs roles in a process with a credential and more settings.
func (o *office) runAs(name, broker string, devices []wattline.Device, roles []string, settings ...string) *wattlineProcess {
	o.t.Helper()
	own := *o
	own.settings = append(settings, "instance: "+name, "broker_password_file: "+name+".secret", "broker_ca_file: ca.pem",
		fmt.Sprintf("broker: %q", strings.Replace(broker, "://", "://"+name+"@", 1)))
	for _, common := range o.settings {
		key, _, _ := strings.Cut(common, ":")
		if !slices.ContainsFunc(settings, func(line string) bool { return strings.HasPrefix(line, key+":") }) {
			own.settings = append(own.settings, common)
		}
	}
	own.declare(devices...)
	if err := os.Rename(filepath.Join(o.folder, "wattline.yaml"), filepath.Join(o.folder, name+".yaml")); err != nil {
		o.t.Fatal(err)
	}
	return start(o.t, o.folder, append(append([]string{"run"}, roles...), "-c", name+".yaml")...)
}

// certify puts an authority and a certificate of its own into the folder.
func (o *office) certify(name string) *testserver.Authority {
	o.t.Helper()
	authority := testserver.NewAuthority(o.t)
	authority.Issue(o.folder, name)
	pem, err := os.ReadFile(authority.File)
	if err != nil {
		o.t.Fatal(err)
	}
	o.write("ca.pem", string(pem))
	return authority
}

// TestCredentialsOnMosquitto has every process connect by TLS with a certificate, a
// secret and the rights of its roles alone.
func TestCredentialsOnMosquitto(t *testing.T) {
	t.Parallel()
	since := time.Now()
	plugs := simulatedOffice(t)
	o := newOffice(t, "store: archive", "switch_on_per_s: 1")
	authority := o.certify("mosquitto")
	processes := map[string][]string{
		"gw": {"gateway"}, "agent": {"collector", "controller"}, "store": {"registry", "history", "hook"},
	}
	for name, roles := range processes {
		rights := strings.Split(strings.Replace(strings.Join(roles, " "), "hook", "hook:archive", 1), " ")
		o.issue(name, rights...)
		authority.Issue(o.folder, name)
	}
	if got := run(t, o.folder, "broker", "acl", "--data", "data", "--out", "."); got.code != 0 {
		t.Fatal(got.stderr)
	}
	in := func(name string) string { return filepath.Join(o.folder, name) }
	port := testserver.FreePort(t)
	m := testserver.Mosquitto(t, testserver.MosquittoOptions{Lines: []string{
		"log_type all", "allow_anonymous false", "use_username_as_clientid true", "acl_file " + in("wattline.acl"), "password_file " + in("wattline.passwd"),
		fmt.Sprintf("listener %d 127.0.0.1", port), "cafile " + in("ca.pem"), "certfile " + in("mosquitto.pem"),
		"keyfile " + in("mosquitto.key"), "require_certificate true",
	}})
	url := fmt.Sprintf("mqtts://127.0.0.1:%d", port)
	var running []*wattlineProcess
	for _, name := range []string{"store", "agent", "gw"} {
		running = append(running, o.runAs(name, url, plugs.devices, processes[name], "broker_cert_file: "+name+".pem", "broker_key_file: "+name+".key"))
	}
	o.waitReady(running...)
	o.waitUp(plugs.ids()...)
	t.Run("relays move at the plugs", func(t *testing.T) { checkSwitching(t, o, &plugs) })
	t.Run("what waits for its turn ends with its giver's token", func(t *testing.T) { checkRevoked(t, o, &plugs) })
	t.Run("readings come into the store and out of it", func(t *testing.T) {
		o.in(t).eventuallyReading("desk-1", "is stored", since, func(wattline.Reading) bool { return true })
	})
	t.Run("check says that the credential is good", func(t *testing.T) {
		if got := run(t, o.folder, "check", "-c", "agent.yaml"); !strings.Contains(got.stdout, "connected with the credential of agent") {
			t.Errorf("it says %s%s", got.stdout, got.stderr)
		}
	})
	t.Run("nobody needs more than its roles give", func(t *testing.T) {
		for line := range strings.SplitSeq(m.Output(), "\n") {
			if strings.Contains(line, "Denied ") {
				t.Error(line)
			}
		}
	})
}

// checkRevoked has all plugs switched on with a token that is revoked when the first of
// them is on.
func checkRevoked(t *testing.T, o *office, plugs *simulated) {
	o = o.in(t)
	o.command(`{"selector":{"all":true},"action":"off"}`)
	made, err := o.send(http.MethodPost, "/api/v1/tokens", `{"name":"leaver","role":"operator","scope":"*"}`)
	var token struct{ ID, Secret string }
	if err != nil || made.status != http.StatusCreated || json.Unmarshal(made.body, &token) != nil {
		t.Fatalf("%v %s", err, made.body)
	}
	results := make(chan []wattline.Result, 1)
	go func() {
		results <- o.as(token.Secret).command(`{"selector":{"all":true},"action":"on","timeout_s":30}`)
	}()
	isOn := func() (count int) {
		for _, relay := range plugs.relays() {
			if relay == wattline.RelayOn {
				count++
			}
		}
		return count
	}
	testserver.Eventually(t, patience, func() error {
		if isOn() == 0 {
			return errors.New("nothing is on")
		}
		return nil
	})
	if got, err := o.send(http.MethodDelete, "/api/v1/tokens/"+token.ID, ""); err != nil || got.status >= http.StatusBadRequest {
		t.Fatalf("%v %s", err, got.body)
	}
	done, refused := 0, 0
	for _, r := range <-results {
		switch {
		case r.Outcome == wattline.OutcomeDone:
			done++
		case r.Outcome == wattline.OutcomeRefused && r.Code == wattline.CodeUnauthenticated:
			refused++
		default:
			t.Errorf("%+v", r)
		}
	}
	if refused == 0 || done != isOn() {
		t.Errorf("%d done, %d refused, %d are on", done, refused, isOn())
	}
}

// TestCredentialsOnTheEmbeddedBroker has the agents of an annex connect to the broker
// of the head office, until their credential is revoked.
func TestCredentialsOnTheEmbeddedBroker(t *testing.T) {
	t.Parallel()
	plugs := simulatedOffice(t)
	reach := freeAddr(t)
	o := newOffice(t, "store: archive")
	o.certify("broker")
	o.issue("annex", "collector", "controller", "--site", "annex")
	away := plugs.devices[1]
	away.Site = "annex"
	devices := []wattline.Device{plugs.devices[0], away}
	head := *o
	head.settings = append(slices.Clone(o.settings), "broker: embedded", "broker_listen: "+reach, "broker_tls: {cert: broker.pem, key: broker.key}")
	head.declare(devices...)
	w := head.up()
	agent := o.runAs("annex", "mqtts://"+reach, nil, []string{"collector", "controller"}, "site: annex", "data: ./annex")
	o.waitUp(plugs.devices[0].ID, away.ID)
	t.Run("the agents of the annex switch its plugs", func(t *testing.T) {
		o.in(t).switchRelay(away.ID, wattline.RelayOff)
		if got := plugs.relays()[away.ID]; got != wattline.RelayOff {
			t.Errorf("the relay is %s", got)
		}
	})
	t.Run("nobody else gets in", func(t *testing.T) {
		cmd := mqtt{t, reach}.client(soon(t), "mosquitto_sub", "--cafile", filepath.Join(o.folder, "ca.pem"), "-t", "#", "-C", "1", "-W", "5")
		if printed, err := cmd.CombinedOutput(); err == nil || strings.Contains(string(printed), "{") {
			t.Errorf("it hears %s", printed)
		}
	})
	t.Run("not even the agents, once their credential is revoked", func(t *testing.T) {
		if got := run(t, o.folder, "broker", "credentials", "revoke", "annex", "--data", "data"); got.code != 0 {
			t.Fatal(got.stderr)
		}
		testserver.Eventually(t, patience, func() error { return contains(agent.Output(), "no connection to the broker") })
		o := o.in(t)
		testserver.Eventually(t, patience, func() error {
			got, err := o.send(http.MethodPut, "/api/v1/devices/"+away.ID+"/relay", `{"state":"on"}`)
			if err == nil && got.status != http.StatusServiceUnavailable {
				err = fmt.Errorf("the command is answered %d", got.status)
			}
			return err
		})
		o.switchRelay(plugs.devices[0].ID, wattline.RelayOff)
		w.alive()
	})
}

// TestHTTPS serves the API by a certificate of files, which are replaced meanwhile.
func TestHTTPS(t *testing.T) {
	t.Parallel()
	o := newOffice(t, "broker: embedded", "tls: {cert: gateway.pem, key: gateway.key}")
	authority := o.certify("gateway")
	o.declare()
	w := start(t, o.folder, "up", "-c", "wattline.yaml")
	url := strings.Replace(o.base, "http:", "https:", 1)
	serial := func() (string, error) {
		transport := &http.Transport{
			ForceAttemptHTTP2: true, DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: authority.Pool(), MinVersion: tls.VersionTLS12},
		}
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/-/healthy", http.NoBody)
		if err != nil {
			return "", err
		}
		got, err := (&http.Client{Transport: transport, Timeout: requestPatience}).Do(request)
		if err != nil {
			return "", err
		}
		defer got.Body.Close()
		if got.Proto != "HTTP/2.0" || got.Header.Get("Strict-Transport-Security") == "" {
			return "", fmt.Errorf("answered by %s with %v", got.Proto, got.Header)
		}
		return got.TLS.PeerCertificates[0].SerialNumber.String(), nil
	}
	var before string
	testserver.Eventually(t, patience, func() (err error) {
		before, err = serial()
		return err
	})
	authority.Issue(o.folder, "gateway")
	testserver.Eventually(t, patience, func() error {
		now, err := serial()
		if err == nil && now == before {
			err = errors.New("still the old certificate")
		}
		return err
	})
	if err := contains(w.stdout.String(), "serves "+url); err != nil {
		t.Error(err)
	}
}
