// The cures of hf/kernel.h on a Go connection: a bound on silence, a close with a receipt, a failed connect explained.
// Linux, golang.org/x/sys/unix. Untested: no test of this project runs it.
package bounds

import (
	"errors"
	"io"
	"net"
	"time"

	"golang.org/x/sys/unix"
)

const tcpRTOMaxMS = 44 // Linux 6.15; older kernels answer ENOPROTOOPT

func control(c *net.TCPConn, do func(fd int) error) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var inner error
	if err := raw.Control(func(fd uintptr) { inner = do(int(fd)) }); err != nil {
		return err
	}
	return inner
}

// SetBounds lets the kernel make the peer speak: four times within the bound, idle or not. It ends nothing.
// Set net.Dialer.KeepAlive to -1, or Go's own keepalive of 15 s is set first.
func SetBounds(c *net.TCPConn, bound time.Duration) error {
	seconds := int(bound / time.Second)
	return control(c, func(fd int) error {
		for _, option := range [][2]int{
			{unix.TCP_KEEPIDLE, max(1, seconds/3)},
			{unix.TCP_KEEPINTVL, max(1, seconds/6)},
			{unix.TCP_KEEPCNT, 127},
		} {
			if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, option[0], option[1]); err != nil {
				return err
			}
		}
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, tcpRTOMaxMS, max(1000, seconds*1000/6))
		return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1)
	})
}

// IsSilent: nothing heard for the bound, and four transmissions unanswered. Ask it on a ticker; Close is yours.
func IsSilent(c *net.TCPConn, bound time.Duration) (silent bool, err error) {
	err = control(c, func(fd int) error {
		info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
		if err != nil {
			return err
		}
		tried := int(info.Probes)
		if info.Unacked > 0 {
			tried = int(info.Retransmits) + 1
		}
		heard := time.Duration(min(info.Last_data_recv, info.Last_ack_recv)) * time.Millisecond
		silent = heard >= bound && tried >= 4
		return nil
	})
	return silent, err
}

// CloseWithReceipt sends FIN behind all that was written, reads to the end (unread bytes would turn Close into RST)
// and returns how many bytes the peer's kernel has not acknowledged.
func CloseWithReceipt(c *net.TCPConn, deadline time.Duration) (lost int, err error) {
	defer c.Close()
	if err := c.CloseWrite(); err != nil {
		return 0, err
	}
	_ = c.SetReadDeadline(time.Now().Add(deadline))
	_, err = io.Copy(io.Discard, c)
	if err != nil {
		_ = c.SetLinger(0) // the deadline or an error: reset
	}
	_ = control(c, func(fd int) error {
		lost, _ = unix.IoctlGetInt(fd, unix.SIOCOUTQ) // the FIN, if it is not acknowledged either, counts as one
		return nil
	})
	return lost, err
}

// ExplainConnect says what a failed Dial means on Linux. A full listener is never "refused".
func ExplainConnect(err error) string {
	switch {
	case errors.Is(err, unix.ECONNREFUSED):
		return "RST: that host is up, and nobody listens on the port"
	case errors.Is(err, unix.ETIMEDOUT):
		return "no answer to any SYN: host down, packets dropped, or the listener's queue is full"
	case errors.Is(err, unix.EHOSTUNREACH):
		return "the next hop does not answer, or a router sent ICMP"
	case errors.Is(err, unix.EADDRNOTAVAIL):
		return "no local port is free for this destination: TIME_WAIT, see ss -tan"
	}
	return err.Error()
}
