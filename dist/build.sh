#!/usr/bin/env bash
# Builds what is given to providers: a program that needs nothing newer than glibc 2.17, and of it a tarball, a .deb and
# an .rpm. Usage: dist/build.sh [TARGET]   (default x86_64-unknown-linux-gnu). Output: target/dist/.
# The same commit gives the same bytes, wherever it is built: dist/reproducible.sh.
set -euo pipefail
cd "$(dirname "$0")/.."

target="${1:-x86_64-unknown-linux-gnu}"
glibc=2.17
max_bytes=$((10 * 1024 * 1024))

missing=()
for tool in git:git python3:python3 make:make cc:gcc objdump:binutils dpkg-deb:dpkg rpmbuild:rpm; do
    command -v "${tool%%:*}" > /dev/null || missing+=("${tool##*:}")
done
python3 -c 'import ensurepip, venv' 2> /dev/null || missing+=(python3-venv)
if [ "${#missing[@]}" -gt 0 ] && [ "$(id -u)" = 0 ] && command -v apt-get > /dev/null; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
elif [ "${#missing[@]}" -gt 0 ]; then
    echo "missing: install the packages ${missing[*]}, then repeat" >&2
    exit 1
fi

if [ ! -d "$(rustc --print target-libdir --target "$target")" ]; then
    echo "Rust cannot build for $target yet: run rustup target add $target, then repeat" >&2
    exit 1
fi

tools=target/dist-tools
if [ ! -x "$tools/bin/cargo-zigbuild" ]; then
    python3 -m venv "$tools"
    "$tools/bin/pip" --quiet install 'ziglang==0.17.1' 'cargo-zigbuild==0.24.0'
fi

# Paths of this machine are not part of the program.
cargo_home="${CARGO_HOME:-$HOME/.cargo}"
PATH="$PWD/$tools/bin:$PATH" PMISPLICENSE_COMMIT="$(dist/commit.sh)" \
    RUSTFLAGS="--remap-path-prefix=$PWD=/pmisplicense --remap-path-prefix=$cargo_home=/cargo" \
    cargo zigbuild --release --locked --bin pmisplicense --target "$target.$glibc"
program="target/$target/release/pmisplicense"

dist/glibc.sh "$program" "$glibc"
bytes="$(stat -c %s "$program")"
echo "$program has $bytes bytes, at most $max_bytes allowed"
[ "$bytes" -le "$max_bytes" ]

# Completions and the manual come out of the program itself; one for another machine cannot be asked.
pages="$program"
if [ "${target%%-*}" != "$(uname -m)" ]; then
    cargo build --locked --bin pmisplicense
    pages=target/debug/pmisplicense
fi
notices="target/$target/notices.txt"
python3 dist/notices.py "$target" > "$notices"
PAGES="$pages" NOTICES="$notices" dist/package.sh "$program" "$target" target/dist
