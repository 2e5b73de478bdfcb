//go:build !linux

package testserver

import "os/exec"

// dieWithParent does nothing here: only Linux can tell a process of its
// parent's end.
func dieWithParent(*exec.Cmd) {}
