package broker_test

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/wattline/wattline/internal/broker"
	"github.com/wattline/wattline/internal/broker/internal/wire"
	"github.com/wattline/wattline/internal/mqttcredentials"
	"github.com/wattline/wattline/internal/mqttrights"
	"github.com/wattline/wattline/internal/testserver"
)

func observer(name string) mqttrights.Holder {
	return mqttrights.Holder{Name: name, Roles: []mqttrights.Role{mqttrights.RoleObserver}}
}

func login(name, secret string) wire.Connect {
	return wire.Connect{ClientID: name, Username: name, Password: secret}
}

func TestCredentialsAreDemanded(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, mqttcredentials.FileName)
	anonymous := wire.Connect{ClientID: "anyone"}
	t.Run("never of the process itself", func(t *testing.T) {
		b := start(t, broker.Options{Listen: "0.0.0.0:0", Self: "office", Credentials: path})
		user, password := b.Login()
		connect(t, b.URL(), wire.Connect{ClientID: user, Username: user, Password: password})
		if _, err := tryConnect(b.URL(), login(user, "guessed")); err == nil {
			t.Error("another secret opens for the process's own name")
		}
	})
	t.Run("beyond loopback, even before there are any", func(t *testing.T) {
		b := start(t, broker.Options{Listen: "0.0.0.0:0", Credentials: path})
		if _, err := tryConnect(b.URL(), anonymous); err == nil {
			t.Error("anyone may connect")
		}
	})
	t.Run("on loopback once the first was issued", func(t *testing.T) {
		b := start(t, broker.Options{Credentials: path})
		client := connect(t, b.URL(), anonymous)
		issue(t, folder, observer("wall"))
		awaitEnd(t, client)
		if _, err := tryConnect(b.URL(), anonymous); err == nil {
			t.Error("anyone may connect")
		}
	})
}

// awaitEnd waits until the broker ends a connection.
func awaitEnd(t *testing.T, client *wire.Client) {
	t.Helper()
	if packet, err := client.Read(); !errors.Is(err, io.EOF) {
		t.Fatalf("read %v, %v; want the end of the connection", packet, err)
	}
}

func TestACredentialOpensForItsNameAlone(t *testing.T) {
	folder := t.TempDir()
	secrets := issue(t, folder, observer("wall"), observer("desk"))
	b := start(t, broker.Options{Credentials: filepath.Join(folder, mqttcredentials.FileName)})
	for name, options := range map[string]wire.Connect{
		"with no secret":                   login("wall", ""),
		"with a wrong secret":              login("wall", "guessed"),
		"with another's secret":            login("wall", secrets["desk"]),
		"with the hash for a secret":       login("wall", string(hashIn(t, folder, "wall"))),
		"as another client":                {ClientID: "desk", Username: "wall", Password: secrets["wall"]},
		"as a client without a name":       {Username: "wall", Password: secrets["wall"]},
		"of a name that nobody has":        login("nobody", secrets["wall"]),
		"as the broker itself":             login("wattline-gate", secrets["wall"]),
		"with a secret and without a user": {ClientID: "wall", Password: secrets["wall"]},
	} {
		t.Run("not "+name, func(t *testing.T) {
			if client, err := tryConnect(b.URL(), options); err == nil {
				t.Errorf("connected: %v", client.Close())
			}
		})
	}
	t.Run("with name and secret", func(t *testing.T) { connect(t, b.URL(), login("wall", secrets["wall"])) })
}

func hashIn(t *testing.T, folder, name string) mqttcredentials.Hash {
	t.Helper()
	list, err := mqttcredentials.List(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, credential := range list {
		if credential.Name == name {
			return credential.Secret
		}
	}
	t.Fatalf("%s is not kept", name)
	return ""
}

func TestCredentialsChangeWhileTheBrokerRuns(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, mqttcredentials.FileName)
	secrets := issue(t, folder, observer("stays"), observer("goes"), observer("desk"))
	said := &testserver.Text{}
	b := start(t, broker.Options{Credentials: path, Log: said.Logger(slog.LevelDebug)})
	stays := connect(t, b.URL(), login("stays", secrets["stays"]))
	goes := connect(t, b.URL(), login("goes", secrets["goes"]))
	t.Run("a new one opens", func(t *testing.T) {
		added := issue(t, folder, observer("added"))
		testserver.Eventually(t, patience, func() error {
			client, err := tryConnect(b.URL(), login("added", added["added"]))
			if err == nil {
				_ = client.Close()
			}
			return err
		})
	})
	t.Run("a revoked one is disconnected and opens no more", func(t *testing.T) {
		if err := mqttcredentials.Revoke(folder, "goes"); err != nil {
			t.Fatal(err)
		}
		awaitEnd(t, goes)
		if _, err := tryConnect(b.URL(), login("goes", secrets["goes"])); err == nil {
			t.Error("it still opens")
		}
	})
	t.Run("one that is issued anew opens with the new secret alone", func(t *testing.T) {
		again := issue(t, folder, observer("goes"))
		testserver.Eventually(t, patience, func() error {
			client, err := tryConnect(b.URL(), login("goes", again["goes"]))
			if err == nil {
				_ = client.Close()
			}
			return err
		})
		if _, err := tryConnect(b.URL(), login("goes", secrets["goes"])); err == nil {
			t.Error("the old secret still opens")
		}
	})
	t.Run("a spoiled file changes nothing", func(t *testing.T) {
		if err := os.WriteFile(path, []byte(`{"credentials":[{"name":"stays"`), 0o600); err != nil {
			t.Fatal(err)
		}
		testserver.Eventually(t, patience, func() error {
			if !strings.Contains(said.String(), "the credentials stay as they were") {
				return errors.New("the broker has not noticed yet")
			}
			return nil
		})
		connect(t, b.URL(), login("desk", secrets["desk"]))
	})
	if arrives(t, stays, "nothing") {
		t.Error("a message came from nowhere")
	}
}

func TestASpoiledFileOfCredentialsStopsTheStart(t *testing.T) {
	path := filepath.Join(t.TempDir(), mqttcredentials.FileName)
	if err := os.WriteFile(path, []byte(`{"credentials":[{"name":"a","roles":["king"]}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	checkStartFails(t, broker.Options{DataDir: t.TempDir(), Credentials: path}, path)
}

func TestThoseWhoGuessKeepNobodyOutAndDoNotFillTheLog(t *testing.T) {
	folder := t.TempDir()
	secrets := issue(t, folder, observer("wall"))
	said := &testserver.Text{}
	b := start(t, broker.Options{Credentials: filepath.Join(folder, mqttcredentials.FileName), Log: said.Logger(slog.LevelDebug)})
	const guesses = 300
	var guessing sync.WaitGroup
	for i := range guesses {
		guessing.Go(func() {
			if client, err := tryConnect(b.URL(), login("wall", fmt.Sprint("guess", i))); err == nil {
				t.Errorf("guess %d opens: %v", i, client.Close())
			}
		})
	}
	client := connect(t, b.URL(), login("wall", secrets["wall"]))
	guessing.Wait()
	if arrives(t, client, "nothing") {
		t.Error("a message came from nowhere")
	}
	if lines := strings.Count(said.String(), "a client was refused"); lines == 0 || lines > guesses/2 {
		t.Errorf("%d lines of the log tell of %d guesses", lines, guesses)
	}
	if strings.Contains(said.String(), "guess1") || strings.Contains(said.String(), secrets["wall"]) {
		t.Error("a secret is in the log")
	}
}

func TestMosquittoTakesTheCredentials(t *testing.T) {
	folder := t.TempDir()
	secrets := issue(t, folder, observer("wall"), observer("desk"))
	m := testserver.Mosquitto(t, testserver.MosquittoOptions{Lines: mosquittoFiles(t, folder, rightsTopics(t), "")})
	wall := connect(t, m.URL(), login("wall", secrets["wall"]))
	for name, options := range map[string]wire.Connect{
		"nobody": {ClientID: "anyone"}, "a wrong secret": login("wall", "guessed"), "another's secret": login("wall", secrets["desk"]),
	} {
		t.Run("and refuses "+name, func(t *testing.T) {
			if _, err := tryConnect(m.URL(), options); err == nil {
				t.Error("connected")
			}
		})
	}
	t.Run("and lets nobody push another off", func(t *testing.T) {
		connect(t, m.URL(), wire.Connect{ClientID: "wall", Username: "desk", Password: secrets["desk"]})
		if arrives(t, wall, "nothing") {
			t.Error("a message came from nowhere")
		}
	})
}

func TestMosquittoDropsWhoWasRevokedWithItsReload(t *testing.T) {
	folder := t.TempDir()
	secrets := issue(t, folder, observer("stays"), observer("goes"))
	m := testserver.Mosquitto(t, testserver.MosquittoOptions{Lines: mosquittoFiles(t, folder, rightsTopics(t), "")})
	stays := connect(t, m.URL(), login("stays", secrets["stays"]))
	goes := connect(t, m.URL(), login("goes", secrets["goes"]))
	if err := mqttcredentials.Revoke(folder, "goes"); err != nil {
		t.Fatal(err)
	}
	mosquittoFiles(t, folder, rightsTopics(t), "")
	m.Reload()
	awaitEnd(t, goes)
	if arrives(t, stays, "nothing") {
		t.Error("a message came from nowhere")
	}
}
