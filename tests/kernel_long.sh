#!/usr/bin/env bash
# The long runs of hf/kernel.h: bounds of 30 s, and ten minutes in which nobody who lives is given up.
# 'make interop' runs it. It compiles kernel.c as a program does that copies it: C11, five headers, no library.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
work=$(mktemp -d /tmp/hf-kernel-long-XXXXXX)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/hf"
cp include/hf/{kernel.h,base.h,err.def,cause.h,cause.def} "$work/hf"
${CC:-cc} -std=c11 -O2 -Wall -Wextra -I"$work" -Itests tests/test_kernel_bounds.c kernel/kernel.c \
    -o "$work/bounds" || exit 1
"$work/bounds" long
status=$?
[ "$status" = 77 ] && exit 0
exit "$status"
