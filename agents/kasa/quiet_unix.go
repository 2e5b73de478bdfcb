//go:build unix

package kasa

import "syscall"

// quiet tells, without waiting, that an idle connection is open and holds no
// byte: neither the plug's end of it nor an answer that comes too late.
func (p *plug) quiet() bool {
	if p.raw == nil {
		return true
	}
	quiet := false
	err := p.raw.Control(func(fd uintptr) {
		var one [1]byte
		_, err := syscall.Read(int(fd), one[:])
		quiet = err == syscall.EAGAIN || err == syscall.EINTR
	})
	return err == nil && quiet
}
