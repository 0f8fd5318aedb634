#!/usr/bin/env bash
# The print server of examples/ on Holdfast, in an engine of 64 KiB on a TUN device, asked by Debian's rlpr, rlpq and
# rlprm and by examples/kernel/lpq.c, over the kernel's TCP. By RFC 1179 the server closes first and has every TIME_WAIT.
# Usage: interop_lpd.sh BIN_DIRECTORY [few | long]     long: ten questions a second for 150 s; 'make interop' runs it
set -uo pipefail
bin=${1:?usage: interop_lpd.sh BIN_DIRECTORY [few | long]}
size=${2:-short}
# shellcheck source=tests/interop_lib.sh
. "$(dirname "$0")/interop_lib.sh"
need ip rlpq rlpr rlprm unshare
enter "$@"

printer="-N -H10.99.0.2 -Plp"

# start_printer OPTIONS...: with an empty spool
start_printer() {
    rm -rf "$work/spool" && mkdir "$work/spool"
    "$bin/hf-lpd-server" --tun hf0 --address 10.99.0.2/24 --log "$@" "$work/spool" \
        >"$work/server.out" 2>"$work/server.err" &
    server_pid=$!
    wait_for_line "hf-lpd-server: .* port 515; the engine takes [0-9]+ of 65536 bytes" "$work/server.err" "$server_pid"
}

stop_printer() {
    stop_server
    has "its books are good" '^books: good$' "$work/server.out"
    has "no TIME_WAIT left early that nothing else guards" 'early exits: [0-9]+ guarded, 0 unsafe' "$work/server.out"
    grep -E '^(clients|TIME_WAIT|early)' "$work/server.out"
}

# ask EVERY COUNT: by the mock client, all of which must be answered
ask() {
    "$bin/hf-kernel-lpq" --wrong 10.99.0.2 515 --every "$1" "$2" >"$work/out/asked"
    equal "$2 questions, one each $1, are all answered" 0 $?
    cat "$work/out/asked"
}

# rlpq_often COUNT: one after the other, as fast as it goes
rlpq_often() {
    local i answered=0
    for i in $(seq "$1"); do
        # shellcheck disable=SC2086
        [ "$(rlpq $printer 2>&1)" = "no entries" ] && answered=$((answered + 1))
    done
    echo "$answered"
}

# many_rlpq PROCESSES COUNT: so many at once
many_rlpq() {
    local i
    for i in $(seq "$1"); do rlpq_often "$2" >"$work/out/rlpq-$i" & done
    # shellcheck disable=SC2046
    wait $(jobs -p | grep -vx "$server_pid")
    equal "$1 times $2 questions of rlpq are answered" "$(yes "$2" | head -n "$1")" "$(cat "$work"/out/rlpq-*)"
}

# RFC 1179 5.2 to 5.5, with the real programs.
jobs_come_are_listed_and_go() {
    local control
    start_printer || return
    echo "a page by rlpr" >"$work/files/page"
    # shellcheck disable=SC2086
    timeout 10 rlpr $printer "$work/files/page" >"$work/out/rlpr" 2>&1
    equal "rlpr spools a page" 0 $?
    make_file large 3000000
    # shellcheck disable=SC2086
    timeout 20 rlpr $printer -o "$work/files/large" >>"$work/out/rlpr" 2>&1
    equal "rlpr spools 3 MB" 0 $?
    wait_for_line "^job [0-9]{3} spooled" "$work/server.out" "$server_pid"
    equal "both control files are in the spool" 2 "$(find "$work/spool" -name 'cf*' | wc -l)"
    check "the page lies in a data file as it was" grep -qx "a page by rlpr" "$work"/spool/df*
    equal "the large one too" "$(sum_of "$work/files/large")" \
        "$(find "$work/spool" -name 'df*' -size +2M -exec sha256sum {} + | cut -d' ' -f1)"
    # shellcheck disable=SC2086
    rlpq $printer >"$work/out/list" 2>&1
    equal "rlpq lists two" 2 "$(grep -cE '^[12] +[a-z]+ +[0-9]{3} +cf' "$work/out/list")"
    cat "$work/out/list"
    control=$(sed -nE 's/^1 +[a-z]+ +([0-9]{3}) .*/\1/p' "$work/out/list")
    # shellcheck disable=SC2086
    rlprm $printer "$control" >"$work/out/rlprm" 2>&1
    has "rlprm removes the first" "^job $control removed" "$work/server.out"
    equal "its files are gone" 2 "$(find "$work/spool" -type f | wc -l)"
    # shellcheck disable=SC2086
    equal "rlpq lists one" 1 "$(rlpq $printer 2>&1 | grep -c cf)"
    stop_printer
}

# as_fast_as_they_go COUNT COUNT_BY_RLPQ
as_fast_as_they_go() {
    start_printer || return
    ask 0 "$1"
    many_rlpq 4 "$2"
    stop_printer
}

# --whole: a TIME_WAIT that ended early, guarded or not, would fail the server.
ten_a_second() {
    start_printer --whole || return
    ask 100ms "$1"
    stop_printer
    [ "$1" -lt 700 ] || check "those of the first minute have lived their 60 s, or until the client took the pair up again" \
        test "$(sed -nE 's/.*in use; ([0-9]+) lived their whole time, ([0-9]+) were.*/\1 + \2/p' "$work/server.out" |
            { read -r sum; echo $((sum)); })" -ge $(($1 - 610))
}

set_up
jobs_come_are_listed_and_go
case $size in
few) as_fast_as_they_go 3000 20 && ten_a_second 20 ;;
short) as_fast_as_they_go 36000 50 && ten_a_second 40 ;;
long) as_fast_as_they_go 36000 500 && ten_a_second 1500 ;;
esac
finish
