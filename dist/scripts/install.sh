#!/bin/sh
# Installs this folder where no package manager does. Lines of cron and logrotate that were changed here stay: the new
# ones are put beside them, by a name that no cron and no logrotate reads (.rpmnew). Usage: ./install.sh
set -eu
cd "$(dirname "$0")/root"
find . -type d | while read -r folder; do
    [ -d "/$folder" ] || mkdir -m 0755 "/$folder"
done
find . ! -type d | while read -r file; do
    to="/$file"
    case "$file" in
    ./etc/*) if [ -e "$to" ] && ! cmp -s "$file" "$to"; then to="$to.rpmnew"; fi ;;
    esac
    # By rename: a program that runs cannot be written to.
    cp -P -p "$file" "$to.install"
    [ "$(id -u)" != 0 ] || chown -h 0:0 "$to.install"
    mv -f "$to.install" "$to"
done
sh ../postinst
