#!/usr/bin/env python3
"""A healthy, busy machine: nginx under wrk, with keepalive and short limits. No rule of the doctor may warn of it, at
either end, however often it looks.

    doctor_busy.py HOLDFAST [SECONDS]     600 unless given; exit 77 where nginx, wrk or namespaces are missing"""

import importlib.machinery
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SKIPPED = 77
CONF = """
user root root; daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 512; }}
http {{ access_log off; keepalive_timeout 3600s; keepalive_requests 100000000; client_body_temp_path {folder}/b;
    proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
    server {{ listen 10.77.0.1:8080 so_keepalive=10s:5s:3; location / {{ return 200 "a short answer\\n"; }} }} }}
"""


def load_provoke():
    loader = importlib.machinery.SourceFileLoader("provoke", os.path.join(ROOT, "examples/doctor/provoke"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("provoke", loader))
    sys.dont_write_bytecode = True
    loader.exec_module(module)
    return module


def limits(provoke):
    """Of both namespaces: what no option of nginx and wrk sets. wrk has no keepalive, so its end is not looked at."""
    for fd in (provoke.there, provoke.here):
        provoke.enter(fd)
        provoke.put("/proc/sys/net/ipv4/tcp_rto_max_ms", "5000")


def warnings(holdfast):
    said = subprocess.run([holdfast, "doctor", "--json"], stdout=subprocess.PIPE, text=True, check=False).stdout
    told = json.loads(said)
    return len(told["connections"]), [f for f in told["findings"] if f["severity"] != "info"]


def main():
    holdfast, seconds = os.path.abspath(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 600
    provoke = load_provoke()
    if not (shutil.which("nginx") and shutil.which("wrk")) or not provoke.namespaces():
        print("skipped: it needs nginx, wrk, ip, nft and network namespaces of one's own")
        return SKIPPED
    limits(provoke)
    looks, most, wrong = 0, 0, []
    with tempfile.TemporaryDirectory(prefix="hf-doctor-busy-") as folder:
        path = os.path.join(folder, "conf")
        provoke.put(path, CONF.format(folder=folder))
        with subprocess.Popen(["nginx", "-p", folder, "-c", path], stderr=subprocess.DEVNULL) as nginx:
            time.sleep(1)
            provoke.enter(provoke.there)
            with subprocess.Popen(["wrk", "-t1", "-c100", f"-d{seconds}s", "http://10.77.0.1:8080/"],
                                  stdout=subprocess.PIPE, text=True) as wrk:
                provoke.enter(provoke.here)
                while wrk.poll() is None and not wrong:
                    count, wrong = warnings(holdfast)
                    looks, most = looks + 1, max(most, count)
                    time.sleep(min(5, seconds / 10))
                if wrong:
                    wrk.terminate()
                print(" ".join(line.strip() for line in wrk.stdout if "Requests/sec" in line))
            nginx.terminate()
    for finding in wrong:
        print("fired:", finding["rule"], finding["who"], finding["evidence"], file=sys.stderr)
    print(f"{looks} looks in {seconds} s, at most {most} connections, {len(wrong)} warnings")
    return 1 if wrong or most < 100 else 0


sys.exit(main())
