//go:build !linux

package emulator

import "net"

func setBacklog(*net.TCPListener, int) error { return nil }

func holdPort(*net.TCPAddr) (release func(), err error) { return func() {}, nil }
