#!/usr/bin/env python3
"""The cures of hf/kernel.h on a Python socket: a bound on silence, a close with a receipt, a failed connect explained.

Linux. Run it, and it shows them on loopback.
"""
import errno
import fcntl
import os
import socket
import struct
import sys
import time

TCP_RTO_MAX_MS = 44  # Linux 6.15; no Python names it yet
SIOCOUTQ = 0x5411
ESTABLISHED, FIN_WAIT1, FIN_WAIT2, TIME_WAIT, CLOSE, LISTEN = 1, 4, 5, 6, 7, 10


def set_bounds(sock, bound_s):
    """Lets the kernel make the peer speak: four times within the bound, idle or not. Ends nothing."""
    spacing_ms = max(1000, bound_s * 1000 // 6)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, max(1, bound_s // 3))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, max(1, bound_s // 6))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 127)
    try:
        sock.setsockopt(socket.IPPROTO_TCP, TCP_RTO_MAX_MS, spacing_ms)
    except OSError as problem:
        if problem.errno != errno.ENOPROTOOPT:
            raise  # an old kernel: retransmissions go on doubling, up to two minutes


def tcp_info(sock):
    """State, retransmissions, probes; ages in ms of what was heard; what is in flight. From struct tcp_info."""
    raw = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
    state, _, retransmits, probes = raw[0:4]
    unacked, = struct.unpack_from("I", raw, 24)
    last_data_received, last_ack_received = struct.unpack_from("II", raw, 52)
    return {"state": state, "retransmits": retransmits, "probes": probes, "unacked": unacked,
            "silence_s": min(last_data_received, last_ack_received) / 1000}


def is_silent(sock, bound_s):
    """True if the peer must be given up: nothing heard for the bound, and four transmissions unanswered. Look again
    as often as you like; close() is yours. With bounds below 5 s the kernel's probes are too few: see kernel.c."""
    info = tcp_info(sock)
    tried = info["probes"] if info["unacked"] == 0 else info["retransmits"] + 1
    return info["silence_s"] >= bound_s and tried >= 4


def close_with_receipt(sock, written, deadline_s=10):
    """Sends all, then FIN, reads to the end, and tells how much the peer's kernel has acknowledged."""
    until = time.monotonic() + deadline_s
    sock.shutdown(socket.SHUT_WR)
    sock.settimeout(0.05)
    heard, error = False, 0
    while not heard and error == 0 and time.monotonic() < until:
        try:
            heard = sock.recv(65536) == b""  # what is left unread would turn close() into RST
        except socket.timeout:
            pass
        except OSError as problem:
            error = problem.errno
    waiting, = struct.unpack("i", fcntl.ioctl(sock, SIOCOUTQ, b"\0" * 4))
    state = tcp_info(sock)["state"]
    if state == FIN_WAIT1 and waiting > 0:
        waiting -= 1  # the FIN counts as one
    if not heard:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # the deadline: reset
    sock.close()
    return {"acknowledged": written - waiting, "lost": waiting, "fin_heard": heard, "error": error}


def explain_connect(error):
    """What a failed connect() means on Linux; a full listener is never 'refused'."""
    return {errno.ECONNREFUSED: "RST: that host is up, and nobody listens on the port",
            errno.ETIMEDOUT: "no answer to any SYN: host down, packets dropped, or the listener's queue is full",
            errno.EHOSTUNREACH: "the next hop does not answer, or a router sent ICMP",
            errno.ENETUNREACH: "no route on this machine leads there",
            errno.EADDRNOTAVAIL: "no local port is free for this destination: TIME_WAIT, see ss -tan"
            }.get(error, os.strerror(error))


def show():
    listener = socket.create_server(("127.0.0.1", 0), backlog=8)
    ours = socket.create_connection(listener.getsockname())
    theirs = listener.accept()[0]
    set_bounds(ours, 6)
    assert not is_silent(ours, 6) and tcp_info(ours)["state"] == ESTABLISHED
    assert ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 2
    ours.sendall(b"x" * 1000)
    theirs.sendall(b"not read")
    while len(theirs.recv(4096)) == 4096:
        pass
    theirs.shutdown(socket.SHUT_WR)
    receipt = close_with_receipt(ours, 1000)
    print("closed:", receipt)
    assert receipt == {"acknowledged": 1000, "lost": 0, "fin_heard": True, "error": 0}
    port = listener.getsockname()
    listener.close()
    try:
        socket.create_connection(port)
        return 1
    except OSError as problem:
        print("connect:", explain_connect(problem.errno))
    return 0


def watch(host, port, bound_s):
    """Connects and watches: what the test does with a peer whose line is cut."""
    sock = socket.create_connection((host, port))
    set_bounds(sock, bound_s)
    print("watching", flush=True)
    while not is_silent(sock, bound_s):
        time.sleep(0.05)
    print("silent for %.2f s" % tcp_info(sock)["silence_s"], flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(watch(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])) if len(sys.argv) == 4 else show())
