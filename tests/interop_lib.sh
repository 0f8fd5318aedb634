# Sourced by the interop scripts: namespaces of their own, programs in them, checks.
#
# The whole script runs inside fresh network, mount and PID namespaces, so that nothing of it meets the machine's
# network and nothing stays when it ends, however it ends:
#
#   client namespace ("far")           this namespace: router                the engine
#   10.98.0.2/24 --- veth --- 10.98.0.1/24    10.99.0.1/24 --- TUN hf0 --- 10.99.0.2/24
#
# Loss is made in this namespace's forward hook, after the packets have left their sender's: a packet that is
# dropped in its sender's own output counts there as a local failure and is no loss (it is not sent again).

failures=0
work=""
server_pid=""

skip() { echo "skipped: $*"; exit 77; }
fail() { echo "FAIL: $*"; failures=$((failures + 1)); }

# check "what must hold" COMMAND...: runs it and says how it went.
check() {
    local what=$1
    shift
    if "$@"; then echo "ok: $what"; else fail "$what"; fi
}

# equal "what" EXPECTED FOUND
equal() {
    if [ "$2" = "$3" ]; then echo "ok: $1"; else fail "$1: expected '$2', found '$3'"; fi
}

# has "what" PATTERN FILE
has() {
    if grep -qE -e "$2" "$3"; then echo "ok: $1"; else fail "$1: no '$2' in: $(head -c 600 "$3")"; fi
}

need() {
    local tool
    for tool in "$@"; do
        command -v "$tool" >/dev/null || skip "$tool is not installed; 'tools/setup test' installs it"
    done
}

# Starts the script again inside namespaces of its own. As a user who is not root, a user namespace gives the
# permission, where the machine allows that and /dev/net/tun may be opened.
enter() {
    local user=""
    [ -z "${HF_INSIDE:-}" ] || return 0
    [ -r /dev/net/tun ] && [ -w /dev/net/tun ] || skip "/dev/net/tun is not there or may not be opened"
    [ "$(id -u)" = 0 ] || user="--user --map-root-user"
    # shellcheck disable=SC2086
    unshare $user --net --mount --pid --fork true 2>/dev/null || skip "namespaces are not allowed here"
    # shellcheck disable=SC2086
    HF_INSIDE=1 exec unshare $user --net --mount --pid --fork --kill-child --mount-proc "$0" "$@"
}

set_up() {
    work=$(mktemp -d /tmp/hf-interop-XXXXXX)
    trap 'rm -rf "$work"' EXIT
    mount -t tmpfs tmpfs /run
    mkdir /run/netns
    ip link set lo up
    ip tuntap add dev hf0 mode tun
    ip link set hf0 up txqueuelen 4096
    ip addr add 10.99.0.1/24 dev hf0
    ip addr add fd99::1/64 dev hf0 nodad
    mkdir "$work/files" "$work/out"
}

# make_file NAME BYTES: random content
make_file() { head -c "$2" /dev/urandom >"$work/files/$1"; }
sum_of() { sha256sum <"$1" | cut -d' ' -f1; }

# start_server OPTIONS...: on the TUN device; waits until it serves.
start_server() {
    "$bin/hf-http-server" --tun hf0 --address 10.99.0.2/24 --address6 fd99::2/64 --port 8080 "$@" \
        "$work/files" >"$work/server.out" 2>"$work/server.err" &
    server_pid=$!
    wait_for_line "hf-http-server: .* at http" "$work/server.err" "$server_pid"
}

stop_server() {
    kill "$server_pid"
    wait "$server_pid"
    equal "the server ends well when told to" 0 $?
    server_pid=""
}

# wait_for_line PATTERN FILE PID: until the line is there, five seconds at most.
wait_for_line() {
    local i
    for i in $(seq 100); do
        grep -qE "$1" "$2" 2>/dev/null && return 0
        kill -0 "$3" 2>/dev/null || break
        sleep 0.05
    done
    fail "'$1' did not come: $(cat "$2")"
    return 1
}

# The namespace behind the router. The veth cuts super-segments before they leave it, so that the hook between
# drops packets of the size of the wire.
make_far() {
    ip netns add far
    ip link add veth-near type veth peer name veth-far netns far
    ip link set veth-near gso_max_segs 1 up
    ip addr add 10.98.0.1/24 dev veth-near
    ip -n far link set veth-far gso_max_segs 1 up
    ip -n far link set lo up
    ip -n far addr add 10.98.0.2/24 dev veth-far
    ip -n far route add default via 10.98.0.1
    ip addr add fd98::1/64 dev veth-near nodad
    ip -n far addr add fd98::2/64 dev veth-far nodad
    ip -n far -6 route add default via fd98::1
    echo 1 >/proc/sys/net/ipv4/ip_forward
    echo 1 >/proc/sys/net/ipv6/conf/all/forwarding
}

# lose PERCENT: of the packets that are forwarded, each direction alike; 100 cuts the cable. mend ends it.
lose() {
    local which="numgen random mod 100 < $1"
    [ "$1" != 100 ] || which=""
    nft -f - <<RULES
table inet loss {
    chain forward {
        type filter hook forward priority 0
        $which counter drop
    }
}
RULES
}

mend() { nft delete table inet loss; }

lost_packets() { nft list table inet loss | sed -n 's/.*counter packets \([0-9]*\).*/\1/p'; }

start_nginx() {
    cat >"$work/nginx.conf" <<CONF
user root;
daemon off;
master_process off;
pid $work/nginx.pid;
error_log $work/nginx.err;
events { worker_connections 512; }
http {
    access_log off;
    client_body_temp_path $work/nginx-a;
    proxy_temp_path $work/nginx-b;
    fastcgi_temp_path $work/nginx-c;
    uwsgi_temp_path $work/nginx-d;
    scgi_temp_path $work/nginx-e;
    server {
        listen 10.99.0.1:8081;
        listen [fd99::1]:8081;
        root $work/files;
        # A page that may be changed on its way has no length before its end, so it is sent in chunks.
        location /chunked/ { alias $work/files/; ssi on; ssi_types *; }
    }
}
CONF
    nginx -c "$work/nginx.conf" -e "$work/nginx.err" &
    local i
    for i in $(seq 100); do
        curl -s -o /dev/null http://10.99.0.1:8081/ && return 0
        sleep 0.05
    done
    fail "nginx did not start: $(cat "$work/nginx.err")"
}

# get URL OPTIONS...: hf-http-get on the TUN device
get() {
    local url=$1
    shift
    "$bin/hf-http-get" --tun hf0 --address 10.99.0.2/24 --address6 fd99::2/64 "$@" "$url" \
        2>"$work/get.err"
}

# same "what" FILE: what arrived in out/got is this file
same() { equal "$1" "$(sum_of "$work/files/$2")" "$(sum_of "$work/out/got")"; }

finish() {
    [ "$failures" = 0 ] || { echo "$failures checks failed"; exit 1; }
    echo "all checks hold"
}
