package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
)

// maxFile bounds the configuration: ten thousand devices take about 2 MB.
const maxFile = 16 << 20

// maxSecret bounds a file with a password or a token.
const maxSecret = 4 << 10

// Load reads and checks a file. Paths in it are relative to its own folder. The
// error lists every fault with its line or key.
func Load(path string) (Config, error) {
	data, err := read(path)
	if err != nil {
		return Config{}, fmt.Errorf("configuration: %w", err)
	}
	config, err := Parse(data)
	if err != nil {
		return Config{}, fmt.Errorf("%s: %w", path, err)
	}
	config.folder = filepath.Dir(path)
	config.Data = config.path(config.Data)
	config.resolve()
	return config, nil
}

// read is the content of a file of bounded size.
func read(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = fmt.Errorf("%s is larger than %d bytes", path, maxFile)
	}
	return data, err
}

// Parse reads and checks the text of a file.
func Parse(data []byte) (Config, error) {
	config := Default()
	switch err := parse(data, &config); {
	case errors.Is(err, io.EOF): // nothing but comments
		return Default(), nil
	case err != nil:
		return Config{}, err
	}
	if err := config.check(); err != nil {
		return Config{}, err
	}
	return config, nil
}

// parse reads the one document of a text strictly; io.EOF where there is none.
func parse(data []byte, into any) error {
	decoder := yaml.NewDecoder(bytes.NewReader(data), yaml.Strict())
	switch err := decode(decoder, into); {
	case errors.Is(err, io.EOF):
		return err
	case err != nil:
		of := reflect.TypeOf(into).Elem()
		message, line := explain(err, of)
		if line == 0 {
			message, line = located(data, of, message)
		}
		if line > 0 {
			return fmt.Errorf("line %d: %s", line, message)
		}
		return errors.New(message)
	}
	var more any
	if err := decode(decoder, &more); !errors.Is(err, io.EOF) {
		return errors.New("there is a second document after ---; one is all that is read")
	}
	return nil
}

// decode outlives the panics of the library (1.19.2: on a tag in place of a list),
// because a file that is read anew must not end a process that runs.
func decode(decoder *yaml.Decoder, into any) (err error) {
	defer func() {
		if recover() != nil {
			err = errors.New("this YAML cannot be read: look for a tag (!) or an anchor (&) where a value should be")
		}
	}()
	return decoder.Decode(into)
}

// explain puts the library's error into one line, with the nearest known key of what
// was to be read, and tells where it is; 0 where that is not known.
func explain(err error, of reflect.Type) (message string, line int) {
	var known yaml.Error
	if !errors.As(err, &known) || known.GetToken() == nil {
		return err.Error(), 0
	}
	at := known.GetToken()
	message = known.GetMessage()
	if _, ok := errors.AsType[*yaml.UnknownFieldError](err); ok {
		message = fmt.Sprintf("unknown key %q", at.Value)
		if near := nearestKey(at.Value, of); near != "" {
			message += fmt.Sprintf("; did you mean %q?", near)
		}
	}
	if mistyped, ok := errors.AsType[*yaml.TypeError](err); ok {
		message = fmt.Sprintf("%.80q must be %s", at.Value, wanted(mistyped.DstType))
		if at.Value == "0" && mistyped.DstType == reflect.TypeFor[time.Duration]() {
			message += "; for none write 0s"
		}
	}
	return message, at.Position.Line
}

// wanted is a type in the words of the file.
func wanted(t reflect.Type) string {
	switch {
	case t == reflect.TypeFor[time.Duration]():
		return "a duration such as 5s"
	case t.Kind() == reflect.String:
		return "a text"
	case t.Kind() == reflect.Bool:
		return "true or false"
	case t.Kind() == reflect.Slice:
		return "a list"
	case t.Kind() == reflect.Int64:
		return "a whole number"
	}
	return "a group of keys"
}

// path makes a path of the file relative to the file's own folder.
func (c Config) path(path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(c.folder, path)
}

// BrokerPassword is the broker user's password, if there is one.
func (c Config) BrokerPassword() (string, error) {
	return c.secret("WATTLINE_BROKER_PASSWORD", "broker_password_file", c.BrokerPasswordFile)
}

// InfluxToken is the store's token.
func (c Config) InfluxToken() (string, error) {
	return c.secret("WATTLINE_INFLUX_TOKEN", "influx.token_file", c.Influx.TokenFile)
}

// ClusterSecret is what the members of the brokers' cluster share.
func (c Config) ClusterSecret() (string, error) {
	return c.secret("WATTLINE_CLUSTER_SECRET", "broker_cluster.secret_file", c.BrokerCluster.SecretFile)
}

// BrokerCA is the content of BrokerCAFile; nil if there is none.
func (c Config) BrokerCA() ([]byte, error) {
	if c.BrokerCAFile == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(c.path(c.BrokerCAFile))
	if err != nil {
		return nil, fmt.Errorf("broker_ca_file: %w", err)
	}
	return pem, nil
}

// secret takes a value from the environment or the first line of a file.
func (c Config) secret(variable, key, path string) (string, error) {
	if value := os.Getenv(variable); value != "" {
		return value, nil
	}
	if path == "" {
		return "", nil
	}
	file, err := os.Open(c.path(path))
	if err != nil {
		return "", fmt.Errorf("%s: %w", key, err)
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxSecret))
	if err != nil {
		return "", fmt.Errorf("%s: %w", key, err)
	}
	line, _, _ := strings.Cut(string(data), "\n")
	value := strings.TrimSpace(line)
	if value == "" {
		return "", fmt.Errorf("%s: the file's first line is empty", key)
	}
	return value, nil
}
