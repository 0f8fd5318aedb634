#!/usr/bin/env bash
# The long runs of the doctor: predictions of what takes up to half an hour, rules that need a minute of silence, and ten
# minutes of a healthy, busy machine. 'make interop' runs it. usage: doctor_long.sh HOLDFAST
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
holdfast=${1:?holdfast} failed=0

# run NAME COMMAND...: 77 is skipped, anything else but 0 fails.
run() {
    local name=$1
    shift
    "$@"
    case $? in
    0) echo "ok: $name" ;;
    77) echo "skipped: $name" ;;
    *) echo "FAIL: $name"; failed=1 ;;
    esac
}

cmake --preset dev >/dev/null && cmake --build --preset dev --target test_doctor_notice >/dev/null || exit 1
run "the moment of notice, up to half an hour" build/dev/bin/test_doctor_notice long
run "rules that need a minute" examples/doctor/provoke "$holdfast" --slow
run "a healthy, busy machine" tests/doctor_busy.py "$holdfast"
exit $failed
