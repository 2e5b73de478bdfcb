package testserver

import (
	"os/exec"
	"syscall"
)

// dieWithParent makes the process end when the test binary is killed, which
// runs no cleanup.
func dieWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
