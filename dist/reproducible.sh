#!/usr/bin/env bash
# Whether the same commit gives the same bytes: builds it here and in a clone in another folder, and compares the sums
# of all packages. What is not committed is not in the clone, so there must be nothing of it.
# Usage: dist/reproducible.sh [TARGET]
set -euo pipefail
cd "$(dirname "$0")/.."

if [ -n "$(git status --porcelain)" ]; then
    echo "there are changes that are not committed: commit them, then repeat" >&2
    exit 1
fi
commit="$(git rev-parse HEAD)"
dist/build.sh "$@"
elsewhere="$(mktemp -d)"
trap 'rm -rf "$elsewhere"' EXIT
git clone --quiet --no-checkout . "$elsewhere/again"
git -C "$elsewhere/again" checkout --quiet --detach "$commit"
mkdir "$elsewhere/again/target"
ln -s "$PWD/target/dist-tools" "$elsewhere/again/target/dist-tools"
env -u CARGO_TARGET_DIR "$elsewhere/again/dist/build.sh" "$@"
diff target/dist/SHA256SUMS "$elsewhere/again/target/dist/SHA256SUMS"
echo "the same bytes from $PWD and from again"
