#!/usr/bin/env bash
# hf/kernel.h as people take it: copied with its four companions into a tree, as C11 and as C++; and by
# pkg-config from what the build would install.
# Usage: kernel_copy.sh BUILD_DIRECTORY
set -euo pipefail
build=${1:?usage: kernel_copy.sh BUILD_DIRECTORY}
root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d /tmp/hf-kernel-copy-XXXXXX)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/tree/hf"
cp "$root"/include/hf/{kernel.h,base.h,err.def,cause.h,cause.def} "$work/tree/hf"
cp "$root/kernel/kernel.c" "$work/tree"
cat >"$work/main.c" <<'C'
#include <hf/kernel.h>
int main(void) {
    hf_watch_bounds bounds = {3 * HF_SECOND, 0, 0, 0, 0};
    hf_watch watch;
    hf_kernel_problem problem;
    return hf_watch_begin(&watch, 0, &bounds, hf_kernel_now(), 0, &problem) ? 1 : 0;
}
C
flags="-Wall -Wextra -Werror -pedantic -O2 -I$work/tree"
# shellcheck disable=SC2086
${CC:-cc} -std=c11 $flags "$work/main.c" "$work/tree/kernel.c" -o "$work/copied"
"$work/copied" </dev/null
echo "ok: copied, as C11"
if command -v g++ >/dev/null; then
    # shellcheck disable=SC2086
    ${CC:-cc} -std=c11 $flags -c "$work/tree/kernel.c" -o "$work/kernel.o"
    # shellcheck disable=SC2086
    g++ -std=c++11 $flags -x c++ "$work/main.c" -x none "$work/kernel.o" -o "$work/plus"
    "$work/plus" </dev/null
    echo "ok: from C++"
    g++ -std=c++20 -Wall -Werror -O2 -I"$work/tree" -x c++ "$work/main.c" "$work/tree/kernel.c" -o "$work/all_plus"
    "$work/all_plus" </dev/null
    echo "ok: copied, as C++"
fi
cmake --install "$build" --prefix "$work/prefix" >/dev/null
if command -v pkg-config >/dev/null; then
    PKG_CONFIG_PATH=$(dirname "$(find "$work/prefix" -name holdfast-kernel.pc)")
    export PKG_CONFIG_PATH
    libs=$(pkg-config --define-variable=prefix="$work/prefix" --cflags --libs holdfast-kernel)
    # shellcheck disable=SC2086
    ${CC:-cc} -std=c11 "$work/main.c" $libs -o "$work/linked"
    "$work/linked" </dev/null
    echo "ok: by pkg-config: $libs"
fi
