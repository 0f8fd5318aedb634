#!/usr/bin/env bash
# The one-file release compiles alone, gives the same symbols as the library, and comes out the same twice; the
# tarball (where git is) builds the same two files again.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
fail() { echo "dist: $*" >&2; exit 1; }

tools/dist --amalgam "$folder/one" >/dev/null
tools/dist --amalgam "$folder/two" >/dev/null
cmp "$folder/one/holdfast.c" "$folder/two/holdfast.c" || fail "two runs differ"

cd "$folder/one"
for compiler in gcc clang; do
    command -v $compiler >/dev/null || continue
    $compiler -std=c17 -ffreestanding -fno-stack-protector -O1 -Wall -Wextra -Werror -c holdfast.c -o $compiler.o ||
        fail "$compiler does not take holdfast.c alone"
    needs=$(nm -u $compiler.o | awk '{print $2}' | grep -vxE 'memcpy|memset|memmove|memcmp' || true)
    [ -z "$needs" ] || fail "$compiler: the one file needs $needs"
done
printf '#include "holdfast.h"\nint main(void) { return sizeof(HF_VERSION) == 0; }\n' >user.c
cc -std=c17 -Wall -Wextra -Werror -c user.c || fail "holdfast.h does not compile alone"
if command -v g++ >/dev/null; then
    g++ -std=c++17 -Wall -Wextra -Werror -x c++ -c user.c -o user_cpp.o || fail "holdfast.h is no C++"
fi

cd "$OLDPWD"
if git rev-parse --verify -q HEAD >/dev/null 2>&1 && [ "$(git rev-parse --show-toplevel)" = "$PWD" ]; then
    tools/dist "$folder/release" >/dev/null
    (cd "$folder/release" && sha256sum --quiet -c SHA256SUMS) || fail "SHA256SUMS is wrong"
    tar -xzf "$folder"/release/holdfast-*.tar.gz -C "$folder"
    tree=$(echo "$folder"/holdfast-*/)
    "$tree/tools/dist" --amalgam "$folder/again" >/dev/null || fail "the tarball cannot make the one file"
    cc -std=c17 -ffreestanding -c "$folder/again/holdfast.c" -o "$folder/again.o" ||
        fail "the tarball's one file does not compile"
fi
echo "the one-file release compiles alone"
