#!/bin/sh
# Removes what install.sh brought. Settings, state and log stay: they say what was bought. Usage: ./uninstall.sh
set -eu
cd "$(dirname "$0")/root"
find . ! -type d | while read -r file; do
    rm -f "/$file" "/$file.rpmnew"
done
sh ../postrm 0
