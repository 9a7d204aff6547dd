#!/bin/sh
# make_deb.sh BUILD-DIR OUT-DIR: makes the Debian package of what is built, and prints its name.
# The same bytes for the same programs: times are those of SOURCE_DATE_EPOCH, or of the last commit.
set -eu
build=$(realpath "$1")
mkdir -p "$2"
out=$(realpath "$2")
cd "$(dirname "$0")/.."
from=packaging/debian
maintainer="braid maintainers <maintainers@braid.invalid>"
version=$("$build/braidd" --version | sed -n 's/^braid \([0-9.]*\).*/\1/p')
architecture=$(dpkg --print-architecture)
epoch=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || date +%s)}
# Debian 12 has units below /lib, later ones have no other place than /usr/lib.
units=lib/systemd/system
if [ "$(. /etc/os-release && echo "${VERSION_ID:-13}" | cut -d. -f1)" -ge 13 ]; then units=usr/$units; fi

stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
root=$stage/root
put() { install -D -m "$1" "$2" "$root/$3"; }
put 755 "$build/braidd" usr/sbin/braidd
put 755 "$build/braidctl" usr/bin/braidctl
strip --strip-unneeded --remove-section=.comment --remove-section=.note \
  "$root/usr/sbin/braidd" "$root/usr/bin/braidctl"
for page in braidd.8 braidctl.8 braid.toml.5; do
  put 644 "docs/man/$page" "usr/share/man/man${page##*.}/$page"
  gzip -9n "$root/usr/share/man/man${page##*.}/$page"
done
mkdir -p "$root/$units"
sed -e 's|@sbindir@|/usr/sbin|' -e 's|@sysconfdir@|/etc|' packaging/braidd.service \
  >"$root/$units/braidd.service"
for unit in braid-web braid-announce; do
  sed -e 's|@bindir@|/usr/bin|' -e 's|@sysconfdir@|/etc|' packaging/$unit.service \
    >"$root/$units/$unit.service"
done
put 644 packaging/braid.toml etc/braid/braid.toml
mkdir -p "$root/usr/share/bash-completion/completions" "$root/usr/share/zsh/vendor-completions"
"$build/braidctl" completion bash >"$root/usr/share/bash-completion/completions/braidctl"
"$build/braidctl" completion zsh >"$root/usr/share/zsh/vendor-completions/_braidctl"
put 644 $from/copyright usr/share/doc/braid/copyright
# Those for who runs it. Manual pages are elsewhere in a package, and pictures left out.
for document in start operate cluster samba macos log metrics json; do
  sed -e 's|\[\([^]]*\)\](man/[^)]*)|\1|g' -e '/^!\[/d' "docs/$document.md" \
    >"$root/usr/share/doc/braid/$document.md"
done
for file in ctdb.tunables ctdb.conf etcd; do
  put 644 "packaging/ctdb/$file" "usr/share/braid/ctdb/$file"
done
# Where CTDB looks for what can be enabled.
put 755 packaging/ctdb/50.braidd.script usr/share/ctdb/events/legacy/50.braidd.script
put 644 $from/lintian-overrides usr/share/lintian/overrides/braid
cat >"$root/usr/share/doc/braid/changelog" <<TEXT
braid ($version) unstable; urgency=medium

  * Made from the sources of braid.

 -- $maintainer  $(date -u -R -d "@$epoch")
TEXT
gzip -9n "$root/usr/share/doc/braid/changelog"

# dpkg-shlibdeps wants to be in a source package.
mkdir -p "$stage/debian"
printf 'Source: braid\n\nPackage: braid\nArchitecture: any\n' >"$stage/debian/control"
libraries=$(cd "$stage" && dpkg-shlibdeps -O -e"$root/usr/sbin/braidd" -e"$root/usr/bin/braidctl" |
  sed -n 's/^shlibs:Depends=//p')
mkdir "$root/DEBIAN"
sed -e "s|@version@|$version|" -e "s|@architecture@|$architecture|" -e "s|@libraries@|$libraries|" \
  -e "s|@maintainer@|$maintainer|" -e "s|@size@|$(du -sk "$root" | cut -f1)|" \
  $from/control >"$root/DEBIAN/control"
for script in postinst prerm postrm; do put 755 "$from/$script" "DEBIAN/$script"; done
for file in conffiles templates; do put 644 "$from/$file" "DEBIAN/$file"; done
(cd "$root" && find . -type f ! -path './DEBIAN/*' -printf '%P\0' | sort -z | xargs -0 md5sum) \
  >"$root/DEBIAN/md5sums"
find "$root" -type d -exec chmod 755 {} +
chmod 644 "$root/$units"/*.service "$root"/usr/share/*/*completions/* \
  "$root/usr/share/doc/braid"/*.md "$root/usr/share/doc/braid/changelog.gz" "$root/DEBIAN/control" "$root/DEBIAN/md5sums"
package=$out/braid_${version}_$architecture.deb
SOURCE_DATE_EPOCH=$epoch dpkg-deb --root-owner-group -Zxz --build "$root" "$package" >/dev/null
echo "$package"
