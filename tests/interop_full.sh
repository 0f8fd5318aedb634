#!/usr/bin/env bash
# The full-size runs against the kernel's TCP: 1 GiB, 64 MiB with loss, 200 transfers at once, both ways. Some
# minutes; 'make interop' runs it.
# Usage: interop_full.sh BIN_DIRECTORY
set -uo pipefail
bin=${1:?usage: interop_full.sh BIN_DIRECTORY}
# shellcheck source=tests/interop_lib.sh
. "$(dirname "$0")/interop_lib.sh"
need curl ip nft nginx unshare
enter "$@"

site=http://10.99.0.2:8080
site6=http://[fd99::2]:8080

# Says how long a command took, and runs it.
timed() {
    local what=$1 from to
    shift
    from=$(date +%s%N)
    "$@"
    to=$(date +%s%N)
    echo "   $what took $(((to - from) / 1000000)) ms"
}

server_sends_much() {
    start_server || return
    timed "1 GiB" curl -sS --max-time 600 -o "$work/out/got" "$site/huge"
    same "1 GiB with offload" huge
    timed "1 GiB over IPv6" curl -gsS --max-time 600 -o "$work/out/got" "http://[fd99::2]:8080/huge"
    same "1 GiB over IPv6" huge
    rm "$work/out/got"
    timed "200 transfers" many_at_once 200 four "$site"
    timed "200 transfers over IPv6" many_at_once 200 four "$site6"
    cat "$work/server.err"
    stop_server
}

# many_at_once COUNT NAME SITE: one curl with so many connections, so that the machine is not busy with starting curls
many_at_once() {
    local i good=0 expected
    expected=$(sum_of "$work/files/$2")
    curl -sS --no-progress-meter --max-time 500 -Z --parallel-immediate --parallel-max "$1" -o "$work/out/many-#1" "$3/$2?[1-$1]"
    for i in $(seq "$1"); do
        if [ "$(sum_of "$work/out/many-$i")" = "$expected" ]; then good=$((good + 1)); fi
    done
    rm -f "$work"/out/many-*
    equal "$1 transfers at once get the whole file" "$1" "$good"
}

loss_is_survived() {
    start_server --no-offload || return
    lose 2
    timed "64 MiB with 2 % loss" ip netns exec far curl -sS --max-time 1200 -o "$work/out/got" "$site/loss"
    same "64 MiB without offload and with 2 % loss each way" loss
    timed "64 MiB with 2 % loss over IPv6" \
        ip netns exec far curl -gsS --max-time 1200 -o "$work/out/got" "$site6/loss"
    same "64 MiB without offload and with 2 % loss each way over IPv6" loss
    check "packets were lost on the way ($(lost_packets))" test "$(lost_packets)" -ge 1000
    mend
    stop_server
}

client_takes_much() {
    start_nginx
    timed "1 GiB" get http://10.99.0.1:8081/huge -o "$work/out/got"
    same "hf-http-get fetches 1 GiB from nginx" huge
    timed "1 GiB over IPv6" get "http://[fd99::1]:8081/huge" -o "$work/out/got"
    same "hf-http-get fetches 1 GiB from nginx over IPv6" huge
    timed "1 GiB without offload" get http://10.99.0.1:8081/huge --no-offload -o "$work/out/got"
    same "hf-http-get fetches 1 GiB without offload" huge
}

set_up
make_far
make_file huge $((1 << 30))
make_file loss $((64 << 20))
make_file four $((4 << 20))
server_sends_much
loss_is_survived
client_takes_much
finish
