package testserver

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

var errNoModule = errors.New("no go.mod in this folder or above it")

// moduleRoot walks up from the working directory, which is the folder of the
// package under test.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the module: %w", err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errNoModule
		}
		dir = parent
	}
}

// findServer finds a program that Debian keeps in sbin, which is not in
// everybody's PATH.
func findServer(name string) (string, error) {
	path, err := exec.LookPath(name)
	if err == nil {
		return path, nil
	}
	for _, dir := range []string{"/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin"} {
		if path, errThere := exec.LookPath(filepath.Join(dir, name)); errThere == nil {
			return path, nil
		}
	}
	return "", err
}

// findNPM returns a file of tools/npm and node to run it with.
func findNPM(name string) (node, script string, err error) {
	node, err = exec.LookPath("node")
	if err != nil {
		return "", "", errors.New("node is missing: apt-get install nodejs npm (make deps)")
	}
	root, err := moduleRoot()
	if err != nil {
		return "", "", err
	}
	folder := filepath.Join(root, "tools", "npm")
	if _, err := os.Stat(filepath.Join(folder, "node_modules", ".installed")); err != nil {
		return "", "", errors.New("the npm packages of tools/npm are missing: npm ci there (make deps)")
	}
	return node, filepath.Join(folder, filepath.FromSlash(name)), nil
}
