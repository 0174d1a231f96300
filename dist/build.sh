#!/usr/bin/env bash
# Builds what is given to providers: a tarball, a .deb and an .rpm of a program that needs nothing newer than glibc 2.17.
# Usage: dist/build.sh [TARGET]   (default x86_64-unknown-linux-gnu). Output: target/dist/.
set -euo pipefail
cd "$(dirname "$0")/.."

target="${1:-x86_64-unknown-linux-gnu}"
glibc=2.17
name=billmanager-plugin-pmisplicense
version="$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)"
out=target/dist
root=/usr/local/mgr5
case "$target" in
    x86_64-*) deb_arch=amd64 rpm_arch=x86_64 ;;
    aarch64-*) deb_arch=arm64 rpm_arch=aarch64 ;;
    *) echo "no package architecture is known for $target" >&2; exit 1 ;;
esac

# The same input gives the same bytes: every date in a package is that of the commit.
SOURCE_DATE_EPOCH="${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}"
export SOURCE_DATE_EPOCH

tools=target/dist-tools
if [ ! -x "$tools/bin/cargo-zigbuild" ]; then
    python3 -m venv "$tools"
    "$tools/bin/pip" --quiet install 'ziglang==0.17.1' 'cargo-zigbuild==0.24.0'
fi
PATH="$PWD/$tools/bin:$PATH" cargo zigbuild --release --locked --bin pmisplicense --target "$target.$glibc"
program="target/$target/release/pmisplicense"

newest="$(objdump -T "$program" | grep -o 'GLIBC_[0-9.]*' | sort -uV | tail -n 1)"
if [ "$(printf '%s\n%s\n' "GLIBC_$glibc" "$newest" | sort -V | tail -n 1)" != "GLIBC_$glibc" ]; then
    echo "the program needs $newest, more than GLIBC_$glibc" >&2
    exit 1
fi

stage="$out/root"
rm -rf "$out"
mkdir -p "$stage"
make --no-print-directory install-files DESTDIR="$PWD/$stage" MGR_ROOT="$root" PROGRAM="$program"
# Settings of the provider are never a file of the package: the sample is installed beside them.
mv "$stage$root/etc/pmisplicense.toml" "$stage$root/etc/pmisplicense.toml.sample"
find "$stage" -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +

tar --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" \
    -C "$stage" -cf - . | gzip -n -9 > "$out/$name-$version-$rpm_arch.tar.gz"

# .deb
deb="$out/deb"
cp -a "$stage" "$deb"
mkdir -p "$deb/DEBIAN"
size="$(du -sk "$stage" | cut -f 1)"
sed -e "s/@VERSION@/$version/" -e "s/@ARCH@/$deb_arch/" -e "s/@SIZE@/$size/" dist/deb/control > "$deb/DEBIAN/control"
printf '%s\n' /etc/cron.d/pmisplicense /etc/logrotate.d/pmisplicense > "$deb/DEBIAN/conffiles"
for script in postinst postrm; do
    sed "s,@MGR_ROOT@,$root,g" "dist/scripts/$script" > "$deb/DEBIAN/$script"
    chmod 0755 "$deb/DEBIAN/$script"
done
dpkg-deb --root-owner-group -Zgzip --build "$deb" "$out/${name}_${version}_$deb_arch.deb" > /dev/null

# .rpm
if command -v rpmbuild > /dev/null; then
    sed -e "s,@VERSION@,$version,g" -e "s,@STAGE@,$PWD/$stage,g" -e "s,@MGR_ROOT@,$root,g" \
        -e "/@POSTINST@/{r dist/scripts/postinst
d}" -e "/@POSTRM@/{r dist/scripts/postrm
d}" dist/rpm/pmisplicense.spec | sed "s,@MGR_ROOT@,$root,g" > "$out/$name.spec"
    rpmbuild --quiet -bb --target "$rpm_arch" --define "_topdir $PWD/$out/rpm" --define "_rpmdir $PWD/$out" \
        --define '_rpmfilename %%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm' \
        --define 'clamp_mtime_to_source_date_epoch 1' --define 'use_source_date_epoch_as_buildtime 1' \
        --define '_buildhost localhost' "$out/$name.spec"
else
    echo "rpmbuild is missing (Debian: package rpm): no .rpm was built" >&2
fi
rm -rf "$deb" "$out/rpm" "$out/$name.spec"
(cd "$out" && shopt -s nullglob && sha256sum -- *.tar.gz *.deb *.rpm | tee SHA256SUMS)
