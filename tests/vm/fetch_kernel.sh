#!/bin/bash
# fetch_kernel.sh DIR: gets Debian's newest 6.12 kernel with its modules and unpacks it, without
# installing anything. DIR receives boot/vmlinuz-* and lib/modules/*. Does nothing where DIR has a
# kernel. Needs apt's lists to be current.
set -euo pipefail

[ $# -eq 1 ] || { echo "usage: fetch_kernel.sh DIR" >&2; exit 2; }
dir=$1
compgen -G "$dir/boot/vmlinuz-*" >/dev/null && exit 0

package=$(apt-cache search --names-only '^linux-image-6\.12\.[0-9+a-z]*-amd64-unsigned$' |
    cut -d' ' -f1 | sort -V | tail -1)
[ -n "$package" ] || { echo "apt knows no kernel of the 6.12 series: apt-get update?" >&2; exit 1; }

mkdir -p "$dir"
dir=$(realpath "$dir")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work" # apt downloads as a user of its own
(cd "$work" && apt-get download -q "$package" >&2)
dpkg-deb -x "$work"/*.deb "$work/tree"
if [ -d "$work/tree/usr/lib/modules" ]; then # where newer packages have them
    mkdir -p "$work/tree/lib"
    mv "$work/tree/usr/lib/modules" "$work/tree/lib/"
fi
mkdir -p "$dir/boot" "$dir/lib"
cp -a "$work/tree/lib/modules" "$dir/lib/"
cp "$work"/tree/boot/vmlinuz-* "$dir/boot/" # last, since it says that all is there
