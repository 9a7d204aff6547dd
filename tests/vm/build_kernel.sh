#!/bin/bash
# build_kernel.sh DIR: builds a small 6.12 kernel from Debian's source, with what Debian's own kernels leave
# out of the SMB client: compression, SMB Direct, witness. All of it is built in (kernel.config), so
# DIR gets boot/vmlinuz-own and no modules. Does nothing where that is newer than kernel.config. Takes some
# ten minutes on two cores and 2 GB below DIR.
#
# Debian packages: linux-source-6.12 gcc make bc flex bison libelf-dev xz-utils
set -euo pipefail

[ $# -eq 1 ] || { echo "usage: build_kernel.sh DIR" >&2; exit 2; }
here=$(realpath "$(dirname "$0")")
mkdir -p "$1"
dir=$(realpath "$1")
[ "$dir/boot/vmlinuz-own" -nt "$here/kernel.config" ] && exit 0

archive=/usr/src/linux-source-6.12.tar.xz
[ -e "$archive" ] || { echo "no $archive: apt-get install linux-source-6.12" >&2; exit 1; }
source=$dir/linux-source-6.12
if [ ! -e "$dir/unpacked" ]; then
    echo "unpacking the kernel's source, then building it: some ten minutes" >&2
    tar -C "$dir" -xJf "$archive"
    touch "$dir/unpacked"
fi

make="make -s -C $source O=$dir/objects"
mkdir -p "$dir/objects"
KCONFIG_ALLCONFIG=$here/kernel.config $make allnoconfig >/dev/null
# An option whose conditions are not met is left out without a word.
lost=$(grep '^CONFIG_.*=y$' "$here/kernel.config" | sort | comm -23 - <(sort "$dir/objects/.config"))
[ -z "$lost" ] || { echo "this kernel does not take: $lost" >&2; exit 1; }
$make -j"$(nproc)" bzImage >&2
mkdir -p "$dir/boot"
cp "$dir/objects/arch/x86/boot/bzImage" "$dir/boot/vmlinuz-own"
