// Package mqttcredentials keeps who may connect to the MQTT broker: a file in the
// data folder with a name, roles and the hash of a secret for each. The command line
// writes it, and the embedded broker reads it while it runs.
package mqttcredentials

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/datalock"
	"github.com/wattline/wattline/internal/files"
	"github.com/wattline/wattline/internal/mqttrights"
	"github.com/wattline/wattline/internal/strictjson"
)

// FileName is the file's name in the data folder.
const FileName = "mqtt-credentials.json"

const (
	maxFileBytes   = 4 << 20
	maxCredentials = 4096
)

// The errors of Issue and Revoke, to be told apart by errors.Is.
var (
	ErrExists  = errors.New("there is a credential of that name already; revoke it first, or choose another --name")
	ErrUnknown = errors.New("there is no credential of that name")
)

// Credential lets one program in. Its name is the MQTT user, the client id and the
// instance of that program.
type Credential struct {
	Name    string            `json:"name"`
	Roles   []mqttrights.Role `json:"roles"`
	Site    string            `json:"site,omitempty"`
	Secret  Hash              `json:"secret"`
	Created wattline.Time     `json:"created"`
}

// Holder is who the credential is for.
func (c Credential) Holder() mqttrights.Holder {
	return mqttrights.Holder{Name: c.Name, Roles: c.Roles, Site: c.Site}
}

// Equal tells whether two let the same in.
func (c Credential) Equal(other Credential) bool {
	return c.Name == other.Name && c.Site == other.Site && c.Secret == other.Secret && slices.Equal(c.Roles, other.Roles)
}

func (c Credential) validate() error {
	if err := c.Holder().Validate(); err != nil {
		return err
	}
	if _, _, _, err := c.Secret.parse(); err != nil {
		return fmt.Errorf("%s: secret %w", c.Name, err)
	}
	return nil
}

// content is the whole file.
type content struct {
	Credentials []Credential `json:"credentials"`
}

// Parse reads the text of a file, strictly.
func Parse(data []byte) ([]Credential, error) {
	var read content
	if err := strictjson.Decode(data, &read); err != nil {
		return nil, err
	}
	if len(read.Credentials) > maxCredentials {
		return nil, fmt.Errorf("there are more than %d credentials", maxCredentials)
	}
	seen := make(map[string]bool, len(read.Credentials))
	for _, credential := range read.Credentials {
		if err := credential.validate(); err != nil {
			return nil, err
		}
		if seen[credential.Name] {
			return nil, fmt.Errorf("%s is there twice", credential.Name)
		}
		seen[credential.Name] = true
	}
	return read.Credentials, nil
}

// List reads the credentials of a data folder, in order of their names; none where
// none were ever issued.
func List(folder string) ([]Credential, error) {
	path := filepath.Join(folder, FileName)
	data, err := Read(path)
	if err != nil || data == nil {
		return nil, err
	}
	list, err := Parse(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return list, nil
}

// Issue adds a credential and returns its secret, which is kept nowhere. The error
// is ErrExists where the name is taken.
func Issue(folder string, holder mqttrights.Holder, now time.Time) (secret string, err error) {
	secret = newSecret()
	hash, err := hashOf(secret)
	if err != nil {
		return "", err
	}
	added := Credential{Name: holder.Name, Roles: holder.Roles, Site: holder.Site, Secret: hash, Created: wattline.At(now)}
	if err := added.validate(); err != nil {
		return "", err
	}
	return secret, change(folder, func(list []Credential) ([]Credential, error) {
		if slices.ContainsFunc(list, named(holder.Name)) {
			return nil, fmt.Errorf("%s: %w", holder.Name, ErrExists)
		}
		if len(list) == maxCredentials {
			return nil, fmt.Errorf("there are %d credentials, no more fit", maxCredentials)
		}
		list = append(list, added)
		slices.SortFunc(list, func(a, b Credential) int { return strings.Compare(a.Name, b.Name) })
		return list, nil
	})
}

// Revoke removes a credential; a broker that runs disconnects who uses it. The error
// is ErrUnknown where there is none.
func Revoke(folder, name string) error {
	return change(folder, func(list []Credential) ([]Credential, error) {
		kept := slices.DeleteFunc(list, named(name))
		if len(kept) == len(list) {
			return nil, fmt.Errorf("%.80q: %w", name, ErrUnknown)
		}
		return kept, nil
	})
}

func named(name string) func(Credential) bool {
	return func(c Credential) bool { return c.Name == name }
}

// change rewrites the file; one process at a time does.
func change(folder string, edit func([]Credential) ([]Credential, error)) error {
	lock, err := datalock.Take(folder, "mqtt-credentials")
	if err != nil {
		return err
	}
	defer lock.Close()
	list, err := List(folder)
	if err != nil {
		return err
	}
	list, err = edit(slices.Clone(list))
	if err != nil {
		return err
	}
	data, err := json.MarshalIndent(content{Credentials: list}, "", "  ")
	if err != nil {
		return err
	}
	return files.Replace(filepath.Join(folder, FileName), append(data, '\n'))
}

// Passwords is the text of a mosquitto password_file for the credentials.
func Passwords(list []Credential) string {
	var text strings.Builder
	for _, credential := range list {
		text.WriteString(credential.Name + ":" + string(credential.Secret) + "\n")
	}
	return text.String()
}

// Holders are those whom the credentials let in.
func Holders(list []Credential) []mqttrights.Holder {
	holders := make([]mqttrights.Holder, len(list))
	for i, credential := range list {
		holders[i] = credential.Holder()
	}
	return holders
}

// Read is the content of a file of credentials; nil where there is none.
func Read(path string) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	case info.Size() > maxFileBytes:
		return nil, fmt.Errorf("%s is larger than %d bytes", path, maxFileBytes)
	}
	data, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	return data, err
}
