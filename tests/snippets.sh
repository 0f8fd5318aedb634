#!/usr/bin/env bash
# Runs a snippet of examples/snippets: first its own show on loopback, then against a peer whose line is cut, where
# namespaces are allowed: the bound of 6 s must hold, idle and unprivileged. 77 where the interpreter is not installed.
# Usage: snippets.sh INTERPRETER FILE BIN_DIRECTORY
set -uo pipefail
interpreter=$1 file=$(realpath "$2") bin=$(realpath "$3")
PATH=$PATH:/usr/sbin:/sbin
command -v "$interpreter" >/dev/null || { echo "skipped: $interpreter is not installed"; exit 77; }
if [ -z "${HF_INSIDE:-}" ]; then
    "$interpreter" "$file" || exit 1
    for tool in ip nft unshare; do
        command -v "$tool" >/dev/null || { echo "no cut: $tool is not installed"; exit 0; }
    done
    user="--user --map-root-user"
    # shellcheck disable=SC2086
    if ! unshare $user --net --mount --pid --fork true 2>/dev/null; then
        echo "no cut: namespaces are not allowed here"
        exit 0
    fi
    # shellcheck disable=SC2086
    HF_INSIDE=1 exec unshare $user --net --mount --pid --fork --kill-child --mount-proc \
        "$0" "$interpreter" "$file" "$bin"
fi
mount -t tmpfs tmpfs /run && mkdir -p /run/netns
ip netns add far
ip link add here type veth peer name there netns far
ip addr add 10.75.0.1/24 dev here && ip link set here up
ip netns exec far ip addr add 10.75.0.2/24 dev there
ip netns exec far ip link set there up
ip netns exec far "$bin/hf-kernel-poller" --serve 7000 &
sleep 0.3
out=$(mktemp)
"$interpreter" "$file" 10.75.0.2 7000 6 >"$out" 2>&1 &
watcher=$!
for _ in $(seq 100); do grep -q watching "$out" && break; sleep 0.1; done
sleep 2.5
ip netns exec far nft 'table inet line { chain in { type filter hook prerouting priority 0; drop; }
    chain out { type filter hook output priority 0; drop; }; }'
{ sleep 15; kill $watcher; } 2>/dev/null &
wait $watcher
cat "$out"
silent=$(sed -n 's/^silent for \([0-9.]*\) s$/\1/p' "$out")
rm -f "$out"
if [ -z "$silent" ] || ! awk "BEGIN { exit !($silent >= 6 && $silent < 6.3) }"; then
    echo "FAIL: told after '$silent' s"
    exit 1
fi
