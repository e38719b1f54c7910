package syslog

import (
	"errors"
	"fmt"
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// received returns nil once all that was sent over a connection was acknowledged by the receiver's
// operating system, after both sides have ended the connection.
//
// A receiver that closes without reading, for example because it does not accept the certificate,
// also ends the connection. Then its operating system answers with a reset, which may come after the
// end.
func received(c *net.TCPConn) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	for limit := time.Now().Add(10 * time.Second); time.Now().Before(limit); time.Sleep(2 * time.Millisecond) {
		var info *unix.TCPInfo
		var failed int
		var err1, err2 error
		if err := raw.Control(func(fd uintptr) {
			info, err1 = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
			failed, err2 = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ERROR)
		}); err != nil {
			return err
		}
		switch {
		case errors.Join(err1, err2) != nil:
			return errors.Join(err1, err2)
		case failed != 0:
			return fmt.Errorf("the receiver ended the connection before it had read all: %w", unix.Errno(failed))
		case info.State == unix.BPF_TCP_CLOSE, info.State == unix.BPF_TCP_TIME_WAIT:
			return nil
		}
	}
	return errors.New("the receiver ended the connection, and does not acknowledge all that was sent")
}
