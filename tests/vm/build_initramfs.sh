#!/bin/bash
# build_initramfs.sh KERNEL_DIR OUT_DIR: makes what QEMU boots out of a kernel of fetch_kernel.sh:
# OUT_DIR/vmlinuz and OUT_DIR/initramfs.cpio.gz with busybox, the SMB client's modules and guest/init; of one of
# build_kernel.sh, which needs no modules, too.
# The exercise itself is appended by vm_test.py as a second archive.
#
# Debian packages: busybox-static cpio kmod xz-utils zstd
set -euo pipefail

[ $# -eq 2 ] || { echo "usage: build_initramfs.sh KERNEL_DIR OUT_DIR" >&2; exit 2; }
kernel=$(realpath "$1")
mkdir -p "$2"
out=$(realpath "$2")
here=$(realpath "$(dirname "$0")")
PATH=$PATH:/usr/sbin:/sbin

# Asked for by name; what they depend on comes along. The ciphers are loaded by the client at mount
# time, by an alias that the guest has no udev to follow, hence by name here.
modules="virtio_pci virtio_net virtio_rng cifs nls_utf8 cmac ccm gcm ctr ecb hmac md4 md5
    sha256_generic sha512_generic aes_generic ghash_generic gf128mul crc32_generic crc32c_generic
    aesni_intel ghash_clmulni_intel sha256_ssse3 sha512_ssse3
    virtio_blk ext4 xfs quota_v2 nfsd nfsv4 rdma_rxe rdma_ucm"

vmlinuz=$(compgen -G "$kernel/boot/vmlinuz-*" | head -1)
release=${vmlinuz##*/vmlinuz-}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root
mkdir -p "$root"/{bin,proc,sys,dev,tmp,mnt,etc,lib/modules/"$release"}
cp "$(command -v busybox)" "$root/bin/busybox"
ldd "$root/bin/busybox" >/dev/null 2>&1 && { echo "busybox is not static: busybox-static" >&2; exit 1; }
install -m 755 "$here/guest/init" "$root/init"

if [ -d "$kernel/lib/modules/$release" ]; then
    # The package's tree stays as it is; the index is made in a tree of links.
    index=$work/index/lib/modules/$release
    mkdir -p "$index"
    for part in kernel modules.order modules.builtin modules.builtin.modinfo; do
        ln -s "$kernel/lib/modules/$release/$part" "$index/$part"
    done
    depmod -b "$work/index" "$release"

    for module in $modules; do
        # Names that this kernel has built in or does not have are no error; a missing cifs shows soon.
        modprobe -d "$work/index" -S "$release" --show-depends "$module" 2>/dev/null |
            awk '$1 == "insmod" { print $2 }' || true
    done | sort -u > "$work/files"
    [ -s "$work/files" ] || { echo "no modules found in $kernel" >&2; exit 1; }
    while read -r file; do
        plain=$root/lib/modules/$release/$(basename "${file%.ko*}").ko
        case $file in
            *.xz) xz -dc "$file" > "$plain" ;;
            *.zst) zstd -qdc "$file" > "$plain" ;;
            *) cp "$file" "$plain" ;;
        esac
    done < "$work/files"
    cp "$index"/modules.{order,builtin,builtin.modinfo} "$root/lib/modules/$release/"
    depmod -b "$root" "$release" 2>/dev/null
fi

# In one step each, beside others who may be doing the same.
new=$(mktemp "$out/new.XXXXXX")
cp "$vmlinuz" "$new"
chmod 644 "$new"
mv "$new" "$out/vmlinuz"
(cd "$root" && find . | cpio --quiet -o -H newc -R 0:0 | gzip -1) > "$new"
mv "$new" "$out/initramfs.cpio.gz"
