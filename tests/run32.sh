#!/usr/bin/env bash
# Runs a 32-bit program: by the kernel, or where that runs none, by qemu-i386. 77 where there is neither.
"$@"
code=$?
[ $code = 126 ] || exit $code
if command -v qemu-i386 >/dev/null; then exec qemu-i386 "$@"; fi
echo "SKIPPED: this kernel runs no 32-bit programs, and qemu-i386 (Debian: qemu-user) is not installed"
exit 77
