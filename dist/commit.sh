#!/bin/sh
# Prints the commit that is built, for --version; what is not committed is not called the commit. Nothing where there is
# no git.
cd "$(dirname "$0")/.." || exit
commit="$(git rev-parse --short=12 HEAD 2> /dev/null)" || exit 0
[ -z "$(git status --porcelain)" ] || commit="$commit+changes"
echo "$commit"
