#!/usr/bin/env python3
"""By BPF the doctor sees what it sees without: the same sockets, owners and options; and `watch` tells a refused
connect with the kernel's reason. Needs root of the machine and BPF; else it says so and exits 77.
usage: doctor_bpf.py HOLDFAST"""

import json
import os
import socket
import subprocess
import sys
import time

HOLDFAST, SKIPPED = sys.argv[1], 77


def look(*words):
    said = subprocess.run([HOLDFAST, "doctor", "--json", *words], stdout=subprocess.PIPE, text=True, check=False)
    mine = [c for c in json.loads(said.stdout)["connections"] if c["pid"] == os.getpid()]
    return {c["fd"]: c for c in mine}


def sockets():
    """Connections over loopback, each with other options."""
    listener = socket.create_server(("127.0.0.1", 0))
    kept = [listener]
    for i in range(12):
        s = socket.create_connection(listener.getsockname())
        s.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, i % 2)
        if i % 3 == 0:
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 11 + i)
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 31 + i)
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 2 + i)
        if i % 4 == 0:
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 1000 + i)
        if i % 5 == 0:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        if i == 7:
            s.setsockopt(socket.IPPROTO_TCP, 44, 3000)  # TCP_RTO_MAX_MS
        kept += [s, listener.accept()[0]]
    return kept


def compare():
    kept = sockets()
    by_bpf, without = look(), look("--no-bpf")
    if not any(c["settings"] != "unknown" and c["settings"]["source"] == "bpf" for c in by_bpf.values()):
        print("skipped: BPF iterators are not permitted here, or not built in")
        sys.exit(SKIPPED)
    assert len(by_bpf) == 24 and set(by_bpf) == set(without), (sorted(by_bpf), sorted(without))
    for fd, one in by_bpf.items():
        other = without[fd]
        assert one["settings"].pop("source") == "bpf" and other["settings"].pop("source") == "getsockopt"
        for key in ("local", "remote", "settings", "command", "worst_case"):
            assert one[key] == other[key], (fd, key, one[key], other[key])
    return kept


def wait_for(process, text, seconds=60):
    end = time.monotonic() + seconds
    for line in process.stdout:
        if text in line:
            return True
        if time.monotonic() > end:
            return False
    return False


def watch():
    with subprocess.Popen([HOLDFAST, "doctor", "watch", "--jsonl"], stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, text=True) as process:
        assert wait_for(process, '"type":"interval"')
        closed = socket.create_server(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        closed.close()
        probe = socket.socket()
        assert probe.connect_ex(("127.0.0.1", port)) != 0
        reset = f'"kind":"reset_sent","local":"127.0.0.1:{port}"'
        assert wait_for(process, reset), "the reset was not told"
        process.terminate()


compare()
watch()
