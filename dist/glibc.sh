#!/usr/bin/env bash
# Whether a program starts on a system with this glibc. Usage: dist/glibc.sh PROGRAM VERSION
set -euo pipefail

program="$1" allowed="GLIBC_$2"
symbols="$(objdump -T "$program")"
newest="$(grep -o 'GLIBC_[0-9.]*' <<< "$symbols" | sort -uV | tail -n 1)"
if [ -z "$newest" ]; then
    echo "$program names no version of glibc: is it a dynamic program?" >&2
    exit 1
fi
if [ "$(printf '%s\n' "$allowed" "$newest" | sort -V | tail -n 1)" != "$allowed" ]; then
    echo "$program needs $newest, more than $allowed" >&2
    exit 1
fi
echo "$program needs $newest or later"
