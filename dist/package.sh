#!/usr/bin/env bash
# Packs a program that was built: tarball, .deb, .rpm and their sums. The same input gives the same bytes.
# Usage: dist/package.sh PROGRAM TARGET OUT
# VERSION: default that of Cargo.toml. PAGES: the program that prints completions and manual, default PROGRAM itself.
# NOTICES: a file with the licenses of the crates in it.
# LEVEL: how far gzip compresses (1 is the quickest), default what each kind of package usually has.
# SOURCE_DATE_EPOCH: the date of everything in the packages, default that of the commit.
set -euo pipefail
cd "$(dirname "$0")/.."
umask 022
export LC_ALL=C TZ=UTC

program="$1" target="$2" out="$3"
pages="${PAGES:-$program}"
name=billmanager-plugin-pmisplicense
version="${VERSION:-$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)}"
root=/usr/local/mgr5
case "$target" in
    x86_64-*) deb_arch=amd64 rpm_arch=x86_64 ;;
    aarch64-*) deb_arch=arm64 rpm_arch=aarch64 ;;
    *) echo "no package architecture is known for $target" >&2; exit 1 ;;
esac
SOURCE_DATE_EPOCH="${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2> /dev/null || echo 0)}"
export SOURCE_DATE_EPOCH

rm -rf "$out"
mkdir -p "$out"
out="$(cd "$out" && pwd)"
work="$out/work"
stage="$work/root"
mkdir -p "$stage"

# Dates of the commit, whoever packs and whenever.
dated() {
    find "$1" -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +
}

# A script of the package, with the fragments that it names.
script() {
    sed -e '/^@SETTINGS@$/{r dist/scripts/settings
d}' -e '/^@PAGES@$/{r dist/scripts/pages
d}' -e '/^@RELOAD@$/{r dist/scripts/reload
d}' "dist/scripts/$1" | sed "s,@MGR_ROOT@,$root,g"
}

make --no-print-directory --silent install-files \
    DESTDIR="$stage" MGR_ROOT="$root" PREFIX=/usr PROGRAM="$program" PAGES="$pages"
doc="$stage/usr/share/doc/$name"
install -d "$doc/docs"
install -m 0644 README.md README.ru.md CHANGELOG.md "$doc/"
install -m 0644 docs/*.md "$doc/docs/"
install -d "$doc/docs/images"
install -m 0644 docs/images/*.png "$doc/docs/images/"
install -m 0644 CONTRIBUTING.md "$doc/"
install -m 0644 LICENSE "$doc/copyright"
[ -z "${NOTICES:-}" ] || gzip -9 -n < "$NOTICES" > "$doc/crates.txt.gz"
dated "$stage"

# .deb
deb="$work/deb"
cp -a "$stage" "$deb"
# Where the zsh of Debian looks.
mv "$deb/usr/share/zsh/site-functions" "$deb/usr/share/zsh/vendor-completions"
mkdir -p "$deb/DEBIAN"
kilobytes="$(find "$stage" -type f -printf '%s\n' | awk '{ sum += $1 } END { print int(sum / 1024) + 1 }')"
sed -e "s/@VERSION@/$version/" -e "s/@ARCH@/$deb_arch/" -e "s/@SIZE@/$kilobytes/" dist/deb/control > "$deb/DEBIAN/control"
printf '%s\n' /etc/cron.d/pmisplicense /etc/logrotate.d/pmisplicense > "$deb/DEBIAN/conffiles"
(cd "$deb" && find usr -type f -print0 | sort -z | xargs -0 md5sum) > "$deb/DEBIAN/md5sums"
for part in postinst postrm; do
    script "$part" > "$deb/DEBIAN/$part"
    chmod 0755 "$deb/DEBIAN/$part"
done
dated "$deb"
dpkg-deb --root-owner-group -Zgzip ${LEVEL:+-z"$LEVEL"} \
    --build "$deb" "$out/${name}_${version}_$deb_arch.deb" > /dev/null

# .rpm: compressed as the oldest systems can read.
script postinst > "$work/postinst"
script postrm > "$work/postrm"
sed -e "s,@VERSION@,$version,g" -e "s,@STAGE@,$stage,g" -e "s,@MGR_ROOT@,$root,g" \
    -e "/^@POSTINST@\$/{r $work/postinst
d}" -e "/^@POSTRM@\$/{r $work/postrm
d}" dist/rpm/pmisplicense.spec > "$work/$name.spec"
rpmbuild --quiet -bb --target "$rpm_arch" --define "_topdir $work/rpm" --define "_rpmdir $out" \
    --define '_rpmfilename %%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm' \
    --define "_binary_payload w${LEVEL:-6}.gzdio" --define '_build_id_links none' \
    --define 'clamp_mtime_to_source_date_epoch 1' --define 'use_source_date_epoch_as_buildtime 1' \
    --define "_buildhost localhost" "$work/$name.spec" > /dev/null

# The tarball installs itself where there is neither dpkg nor rpm.
folder="$name-$version-$rpm_arch"
mkdir -p "$work/$folder"
cp -a "$stage" "$work/$folder/root"
cp "$work/postinst" "$work/postrm" "$work/$folder/"
install -m 0755 dist/scripts/install.sh dist/scripts/uninstall.sh "$work/$folder/"
dated "$work/$folder"
tar --sort=name --format=gnu --owner=0 --group=0 --numeric-owner -C "$work" -cf - "$folder" \
    | gzip -n ${LEVEL:+-"$LEVEL"} > "$out/$folder.tar.gz"

rm -rf "$work"
(cd "$out" && sha256sum -- *.tar.gz *.deb *.rpm | tee SHA256SUMS)
