#!/usr/bin/env bash
# What is installed is enough for a user: headers, libraries, pkg-config, manual.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
fail() { echo "install: $*" >&2; exit 1; }

cmake -S . -B "$folder/build" -DCMAKE_INSTALL_PREFIX="$folder/root" -DCMAKE_INSTALL_LIBDIR=lib \
    -DHF_TOOLS=OFF -DHF_EXAMPLES=OFF >/dev/null
cmake --build "$folder/build" -j 2 >/dev/null
cmake --install "$folder/build" >/dev/null

cat >"$folder/user.c" <<'END'
#include <hf/tcp.h>
#include <stdio.h>

int main(void) {
    hf_config config;
    hf_config_default(&config);
    printf("%s %d\n", hf_state_name(HF_ESTABLISHED), hf_engine_bytes(&config).block_bytes > 0);
    return 0;
}
END
export PKG_CONFIG_PATH=$folder/root/lib/pkgconfig
flags=$(pkg-config --cflags --libs holdfast)
# shellcheck disable=SC2086
cc -std=c17 -Wall -Wextra -Werror "$folder/user.c" $flags -o "$folder/user" || fail "a user's program does not build"
[ "$("$folder/user")" = "ESTABLISHED 1" ] || fail "a user's program does not run"
grep -q "^Version: $(sed -n 's/.*HF_VERSION "\(.*\)"/\1/p' include/hf/base.h)$" \
    "$folder/root/lib/pkgconfig/holdfast.pc" || fail "pkg-config tells another version than hf/base.h"
echo "what is installed is enough to build with"
