package main

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/wattline/wattline"
)

// instanceName is this process's name on the broker: the configured one, or one
// that is made up once for these roles and kept with the data, so that a restart
// takes the place of what ended.
func instanceName(configured, data string, chosen roles) (string, error) {
	if configured != "" {
		return configured, nil
	}
	kind := strings.Join(chosen, "-")
	if len(chosen) == len(allRoles()) {
		kind = "wattline"
	}
	path := filepath.Join(data, "instance-"+kind)
	kept, err := os.ReadFile(path)
	if name := strings.TrimSpace(string(kept)); err == nil && wattline.CheckID(name) == nil {
		return name, nil
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("instance name: %w", err)
	}
	random := make([]byte, 4)
	if _, err := rand.Read(random); err != nil {
		return "", err
	}
	const longest = 50
	name := kind[:min(len(kind), longest)] + "-" + hex.EncodeToString(random)
	return name, os.WriteFile(path, []byte(name+"\n"), 0o600)
}
