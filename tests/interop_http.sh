#!/usr/bin/env bash
# The example programs against the kernel's TCP: curl fetches from hf-http-server, hf-http-get fetches from
# nginx, over a TUN device in namespaces of the script's own.
# Usage: interop_http.sh BIN_DIRECTORY
set -uo pipefail
bin=${1:?usage: interop_http.sh BIN_DIRECTORY}
# shellcheck source=tests/interop_lib.sh
. "$(dirname "$0")/interop_lib.sh"
need curl ip nft nginx python3 unshare
enter "$@"

site=http://10.99.0.2:8080
site6="http://[fd99::2]:8080"

# fetch NAME [OPTIONS...]: by curl, into out/got
fetch() {
    local name=$1
    shift
    curl -sS --max-time 60 -o "$work/out/got" "$@" "$site/$name"
}

status_of() { curl -s --max-time 20 -o "$work/out/got" -w '%{http_code}' "$@"; }

server_answers_as_http_says() {
    local name
    for name in empty one small middle; do
        fetch $name
        same "curl gets $name" $name
    done
    curl -sS -o "$work/out/got" "$site6/middle"
    same "curl gets a file over IPv6" middle
    equal "a missing file is 404" 404 "$(status_of "$site/nothing")"
    equal "a path that climbs is 403" 403 "$(status_of --path-as-is "$site/../etc/passwd")"
    equal "an encoded path that climbs is 403" 403 "$(status_of "$site/%2e%2e/etc/passwd")"
    equal "a link that leaves is 403" 403 "$(status_of "$site/leaves")"
    equal "POST is 405" 405 "$(status_of -d x=1 "$site/small")"
    equal "an unknown method is 501" 501 "$(status_of -X BREW "$site/small")"
    equal "a head of 9 KiB is 431" 431 "$(status_of -H "X: $(head -c 9000 /dev/zero | tr '\0' x)" "$site/small")"
    curl -sSI "$site/middle" | tr -d '\r' >"$work/out/head"
    has "HEAD tells the length" '^Content-Length: 300001$' "$work/out/head"
    equal "HTTP/1.0 is answered" 200 "$(status_of -0 "$site/small")"
    equal "a directory is listed" 200 "$(status_of "$site/")"
    has "the listing names the files" 'href="middle"' "$work/out/got"
    equal "a connection is used again" "1 0 0 " \
        "$(curl -sS -o /dev/null -o /dev/null -o /dev/null -w '%{num_connects} ' "$site/small" "$site/one" "$site/empty")"
}

ranges_are_parts_of_the_file() {
    fetch middle -r 1000-4999
    equal "a range in the middle" "$(tail -c +1001 "$work/files/middle" | head -c 4000 | sha256sum)" \
        "$(sha256sum <"$work/out/got")"
    fetch middle -r -777
    equal "the last bytes" "$(tail -c 777 "$work/files/middle" | sha256sum)" "$(sha256sum <"$work/out/got")"
    equal "a range beyond the end is 416" 416 "$(status_of -r 300001- "$site/middle")"
}

# parallel COUNT NAME: so many curls at once, each of which must get the whole file
parallel() {
    local i pids="" good=0 expected
    expected=$(sum_of "$work/files/$2")
    for i in $(seq "$1"); do
        curl -sS --max-time 120 "$site/$2" 2>"$work/out/err-$i" | sha256sum >"$work/out/sum-$i" &
        pids="$pids $!"
    done
    # shellcheck disable=SC2086
    wait $pids
    for i in $(seq "$1"); do
        if [ "$(cut -d' ' -f1 "$work/out/sum-$i")" = "$expected" ]; then good=$((good + 1)); fi
    done
    equal "$1 curls at once get the whole file" "$1" "$good"
}

# All connections stand before the first request goes out, and stand until all answers are in.
thousand_connections() {
    equal "1,000 connections at once are served" "1000 answers" "$(timeout 120 python3 - "$work/files/small" <<'PYTHON'
import resource, socket, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (2048, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
expected = open(sys.argv[1], "rb").read()
sockets = [socket.create_connection(("10.99.0.2", 8080), timeout=60) for i in range(1000)]
for s in sockets: s.sendall(b"GET /small HTTP/1.1\r\nHost: h\r\n\r\n")
good = 0
for s in sockets:
    answer = b""
    while not answer.endswith(expected) and (more := s.recv(65536)): answer += more
    good += answer.startswith(b"HTTP/1.1 200 ") and answer.endswith(expected)
print(good, "answers")
PYTHON
)"
}

server_with_offload() {
    start_server --idle 5s || return
    server_answers_as_http_says
    ranges_are_parts_of_the_file
    fetch big
    same "32 MiB with offload" big
    parallel 50 small
    thousand_connections
    idle_client_is_ended
    cat "$work/server.err"
    stop_server
}

# An open connection that asks for nothing must be closed by the server: FIN, which read sees as the end.
idle_client_is_ended() {
    equal "an idle client hears FIN" "end" "$(timeout 20 python3 - <<'PYTHON'
import socket
s = socket.create_connection(("10.99.0.2", 8080))
s.settimeout(15)
print("end" if s.recv(1) == b"" else "data")
PYTHON
)"
}

server_with_loss() {
    start_server --no-offload --pcapng "$work/out/capture.pcapng" || return
    lose 2
    ip netns exec far curl -sS --max-time 100 -o "$work/out/got" "$site/eight"
    same "8 MiB without offload and with 2 % loss each way" eight
    check "packets were lost on the way ($(lost_packets))" test "$(lost_packets)" -ge 50
    mend
    stop_server
    check "the capture tells why a segment was sent again" \
        grep -qa -e "it is lost and goes again" -e "sent again" "$work/out/capture.pcapng"
}

# A client whose cable is cut while it is idle: no FIN, no RST, only silence.
server_notices_a_vanished_client() {
    start_server --detect-within 3s --idle 10m || return
    ip netns exec far python3 - >"$work/out/idle" 2>&1 <<'PYTHON' &
import socket, time
s = socket.create_connection(("10.99.0.2", 8080))
s.sendall(b"GET /small HTTP/1.1\r\nHost: h\r\n\r\n")
print("answered:", s.recv(12), flush=True)
time.sleep(60)
PYTHON
    local client=$!
    wait_for_line "answered: b.HTTP/1.1 200" "$work/out/idle" "$client"
    lose 100
    wait_for_line "client 10.98.0.2 port [0-9]+: PEER_SILENT by DETECT_WITHIN" "$work/server.err" "$server_pid" &&
        echo "ok: a client that vanished is noticed within 3 s"
    grep PEER_SILENT "$work/server.err"
    mend
    kill "$client"
    stop_server
}

server_refuses_what_cannot_be() {
    timeout 10 "$bin/hf-http-server" --tun hf0 --address 10.99.0.2/24 "$work/nowhere" 2>"$work/out/err"
    equal "a directory that is not there fails" 1 $?
    has "and is named" "$work/nowhere: No such file" "$work/out/err"
    timeout 10 "$bin/hf-http-server" --tun hf0 --address 10.99.0.2 "$work/files" 2>"$work/out/err"
    equal "an address without its network fails" 2 $?
    has "and an example is given" "as 10.99.0.2/24" "$work/out/err"
    timeout 10 "$bin/hf-http-server" --tun hf0 --address fd99::2/64 "$work/files" 2>"$work/out/err"
    equal "an address of the other family fails" 2 $?
    has "and the right option is named" "IPv6 addresses go to --address6" "$work/out/err"
    timeout 10 "$bin/hf-http-server" --tun lo --address 10.99.0.2/24 "$work/files" 2>"$work/out/err"
    equal "a device of another kind fails" 1 $?
    has "and is named" "TUN device lo: .* is no TUN device" "$work/out/err"
    start_server || return
    timeout 10 "$bin/hf-http-server" --tun hf0 --address 10.99.0.3/24 "$work/files" 2>"$work/out/err"
    equal "a device that is in use fails" 1 $?
    has "and what to do is said" "Another program has it open" "$work/out/err"
    stop_server
}

client_fetches_from_nginx() {
    local name
    start_nginx
    for name in empty small middle big; do
        get "http://10.99.0.1:8081/$name" -o "$work/out/got"
        equal "hf-http-get fetches $name" 0 $?
        same "and it is whole" $name
    done
    get "http://[fd99::1]:8081/middle" -o "$work/out/got"
    same "hf-http-get fetches over IPv6" middle
    get "http://10.99.0.1:8081/chunked/middle" -o "$work/out/got"
    same "hf-http-get reads chunks" middle
    get "http://10.99.0.1:8081/big" --no-offload >"$work/out/got"
    same "hf-http-get fetches without offload, to standard output" big
}

# A server that ends its answers as its path says.
start_odd_server() {
    python3 - 2>/dev/null <<'PYTHON' &
import socket, struct, threading
def serve(s):
    path = s.recv(4096).split()[1]
    if path == b"/short": s.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc")
    if path == b"/close": s.sendall(b"HTTP/1.1 200 OK\r\n\r\nuntil the end")
    if path == b"/other": s.sendall(b"220 mail.example ESMTP\r\n\r\n")
    if path == b"/reset":
        s.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc")
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    if path == b"/silent": s.recv(1)
    s.close()
l = socket.create_server(("10.99.0.1", 8082))
while True: threading.Thread(target=serve, args=(l.accept()[0],), daemon=True).start()
PYTHON
    local i
    for i in $(seq 100); do
        curl -s -o /dev/null http://10.99.0.1:8082/close && return 0
        sleep 0.05
    done
    fail "the odd server did not start"
}

# code "what" EXPECTED URL OPTIONS...
code() {
    local what=$1 expected=$2
    shift 2
    get "$@"
    equal "$what: exit code $expected" "$expected" $?
}

client_says_what_went_wrong() {
    local odd=http://10.99.0.1:8082
    start_odd_server
    code "content until the close" 0 $odd/close -o "$work/out/got"
    equal "and it is whole" "until the end" "$(cat "$work/out/got")"
    code "a port where nobody listens" 7 http://10.99.0.1:9/ -o "$work/out/got"
    has "and the sentence says so" "refused the connection" "$work/get.err"
    code "content cut short" 18 $odd/short -o "$work/out/got"
    code "an HTTP error" 22 http://10.99.0.1:8081/nothing -f -o "$work/out/none"
    check "and nothing is written" test ! -e "$work/out/none"
    code "a full disk" 23 http://10.99.0.1:8081/middle -o /dev/full
    code "a server that says nothing" 28 $odd/silent --max-time 1s -o "$work/out/got"
    code "an address where nobody is" 28 http://10.97.0.1/ --connect-timeout 500ms
    code "a reset" 56 $odd/reset -o "$work/out/got"
    has "and the sentence says so" "peer reset" "$work/get.err"
    code "something that is not HTTP" 8 $odd/other -o "$work/out/got"
    code "a name instead of an address" 3 http://example.org/
}

set_up
make_far
make_file empty 0
make_file one 1
make_file small 1000
make_file middle 300000
# nginx keeps back a "<" at the very end of a page that it looks through for commands.
printf . >>"$work/files/middle"
make_file eight $((8 << 20))
make_file big $((32 << 20))
ln -s /etc/passwd "$work/files/leaves"
ip route add blackhole 10.97.0.0/16
server_with_offload
server_with_loss
server_notices_a_vanished_client
server_refuses_what_cannot_be
client_fetches_from_nginx
client_says_what_went_wrong
finish
