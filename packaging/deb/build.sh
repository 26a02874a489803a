#!/usr/bin/env bash
# Usage: build.sh PROGRAM FOLDER
#
# Makes a Debian package of the built PROGRAM in FOLDER, and prints its path. The version is the program's own;
# DEB_VERSION is another one, DEB_COMPRESSION what dpkg-deb packs with. Needs no root, and changes nothing elsewhere.
set -euo pipefail

(($# == 2)) || { echo "usage: build.sh PROGRAM FOLDER" >&2; exit 2; }
program=$(realpath "$1")
folder=$(realpath "$2")
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repository=$(cd "$here/../.." && pwd)
packaging=$repository/packaging
version=${DEB_VERSION:-$("$program" --version | awk '{ print $2 }')-1}
architecture=$(dpkg --print-architecture)
# The same sources make the same package, whenever and wherever it is made.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git -C "$repository" log -1 --format=%ct 2>/dev/null || echo 0)}
export SOURCE_DATE_EPOCH
umask 022

stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
root=$stage/root
share=$root/usr/share

put() { install -D -m "$1" "$2" "$root/$3"; }

# libc6 (>= X): the youngest symbols that the program asks of the C library.
libc_version() {
    objdump -T "$program" | grep -o 'GLIBC_[0-9.]*' | cut -d_ -f2 | sort -Vu | tail -n 1
}

put 755 "$program" usr/bin/o365flow
strip --strip-unneeded --remove-section=.comment "$root/usr/bin/o365flow"

put 640 "$packaging/o365flow.toml" etc/o365flow/o365flow.toml
put 644 "$packaging/o365flow.default" etc/default/o365flow
install -d -m 700 "$root/etc/o365flow/credentials"
chmod 750 "$root/etc/o365flow"
put 644 "$packaging/systemd/o365flow.service" usr/lib/systemd/system/o365flow.service
put 644 "$packaging/systemd/o365flow.sysusers" usr/lib/sysusers.d/o365flow.conf
put 755 "$packaging/runit/run" usr/share/o365flow/runit/run

install -d "$share/man/man1" "$share/bash-completion/completions" "$share/zsh/vendor-completions" \
    "$share/fish/vendor_completions.d"
"$program" man "$share/man/man1"
find "$share/man" -type f -exec gzip -9n {} +
"$program" completions bash >"$share/bash-completion/completions/o365flow"
"$program" completions zsh >"$share/zsh/vendor-completions/_o365flow"
"$program" completions fish >"$share/fish/vendor_completions.d/o365flow.fish"

cp -r "$repository/vrl" "$repository/config" "$share/o365flow/"
"$program" schema >"$share/o365flow/config/schema.json"

doc=$share/doc/o365flow
install -d "$doc"
cp -r "$repository/README.md" "$repository/docs" "$doc/"
{
    printf '%s\n' 'Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/' \
        'Upstream-Name: o365flow' '' 'Files: *' 'Copyright: the authors of o365flow' 'License: Apache-2.0' \
        ' On Debian systems the text is in /usr/share/common-licenses/Apache-2.0.'
} >"$doc/copyright"
gzip -9nc "$repository/CHANGELOG.md" >"$doc/changelog.gz"
{
    printf 'o365flow (%s) unstable; urgency=medium\n\n  * See changelog.gz.\n\n' "$version"
    printf ' -- o365flow <o365flow@localhost>  %s\n' "$(date -uRd "@$SOURCE_DATE_EPOCH")"
} | gzip -9n >"$doc/changelog.Debian.gz"
# What was copied may have any mode; what was made above has the right one.
find "$share/o365flow" "$doc" -type d -exec chmod 755 {} +
find "$share/o365flow" "$doc" -type f ! -perm -u=x -exec chmod 644 {} +

install -d "$root/DEBIAN"
install -m 755 "$here"/{postinst,prerm,postrm} "$root/DEBIAN/"
printf '%s\n' /etc/default/o365flow /etc/o365flow/o365flow.toml >"$root/DEBIAN/conffiles"
(cd "$root" && find usr -type f -print0 | sort -z | xargs -0 md5sum) >"$root/DEBIAN/md5sums"
cat >"$root/DEBIAN/control" <<CONTROL
Package: o365flow
Version: $version
Architecture: $architecture
Maintainer: o365flow <o365flow@localhost>
Installed-Size: $(du -sk --exclude=DEBIAN "$root" | cut -f1)
Depends: libc6 (>= $(libc_version)), libgcc-s1, ca-certificates, passwd
Suggests: elasticsearch, prometheus
Section: net
Priority: optional
Description: Office 365 audit logs into Elasticsearch, Logstash and Kafka
 o365flow polls the Office 365 Management Activity API for any number of
 tenants, maps the audit records by programs that its user can change, and
 delivers them. It keeps account of every blob of the API, so that nothing is
 lost and nothing comes twice.
CONTROL
find "$root" -exec touch -hd "@$SOURCE_DATE_EPOCH" {} +

package=$folder/o365flow_${version}_${architecture}.deb
dpkg-deb --root-owner-group -Z"${DEB_COMPRESSION:-xz}" --build "$root" "$package" >/dev/null
echo "$package"
