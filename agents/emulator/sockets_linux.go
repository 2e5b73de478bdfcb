package emulator

import (
	"net"
	"os"
	"syscall"
)

// setBacklog changes how many connections wait for Accept. Listening again on a
// socket that listens does just that on Linux.
func setBacklog(listener *net.TCPListener, n int) error {
	raw, err := listener.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	if err := raw.Control(func(fd uintptr) { failed = syscall.Listen(int(fd), n) }); err != nil {
		return err
	}
	return os.NewSyscallError("listen", failed)
}

// holdPort binds an address without listening on it: connecting is refused and
// the port stays ours.
func holdPort(address *net.TCPAddr) (release func(), err error) {
	family, bound := sockaddr(address)
	fd, err := syscall.Socket(family, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	err = syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1)
	if err == nil {
		err = syscall.Bind(fd, bound)
	}
	if err != nil {
		_ = syscall.Close(fd)
		return nil, os.NewSyscallError("bind", err)
	}
	return func() { _ = syscall.Close(fd) }, nil
}

func sockaddr(address *net.TCPAddr) (family int, bound syscall.Sockaddr) {
	if ip := address.IP.To4(); ip != nil {
		return syscall.AF_INET, &syscall.SockaddrInet4{Port: address.Port, Addr: [4]byte(ip)}
	}
	bound6 := &syscall.SockaddrInet6{Port: address.Port}
	copy(bound6.Addr[:], address.IP.To16())
	return syscall.AF_INET6, bound6
}
