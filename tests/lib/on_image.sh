#!/bin/bash
# on_image.sh FS COMMAND ARGUMENT...: runs "COMMAND ARGUMENT... --scratch FOLDER" with FOLDER on a
# fresh file system in an image.
#
#   FS  xfs, btrfs or ext4; ramfs, which needs no image: the server does not trust its change events,
#       as those of NFS or FUSE
#   BRAID_IMAGE_SIZE  3G if not set
#
# Needs root and loop devices; the mount is seen by this script and its children only.
# Exit status: that of COMMAND; 77 where the image cannot be made or mounted.
set -u -o pipefail
fs=${1:?usage: on_image.sh xfs|btrfs|ext4|ramfs COMMAND...}
shift
case $fs in
    xfs) options=(-q -f -m reflink=1) ;;
    btrfs) options=(-q -f) ;;
    ext4) options=(-q -F) ;;
    ramfs) options=() ;;
    *) echo "on_image.sh: $fs is not xfs, btrfs, ext4 or ramfs" >&2; exit 2 ;;
esac

if [ "${BRAID_OWN_MOUNTS:-}" != 1 ]; then
    [ "$(id -u)" = 0 ] || { echo "skipped: needs root for loop devices"; exit 77; }
    unshare --mount true 2>/dev/null || { echo "skipped: no mounts of its own here"; exit 77; }
    BRAID_OWN_MOUNTS=1 exec unshare --mount --propagation private "$0" "$fs" "$@"
fi
export PATH=$PATH:/usr/sbin:/sbin
[ "$fs" = ramfs ] || command -v "mkfs.$fs" >/dev/null || { echo "skipped: there is no mkfs.$fs"; exit 77; }

work=$(mktemp -d) || exit 1
trap 'umount "$work/mnt" 2>/dev/null; rm -rf "$work"' EXIT
mkdir "$work/mnt"
if [ "$fs" = ramfs ]; then
    mount -t ramfs none "$work/mnt" || { echo "skipped: ramfs is not to be mounted"; exit 77; }
    chmod 755 "$work" "$work/mnt"
    "$@" --scratch "$work/mnt"
    exit
fi
truncate -s "${BRAID_IMAGE_SIZE:-3G}" "$work/image"
if ! "mkfs.$fs" "${options[@]}" "$work/image" >"$work/log" 2>&1; then
    cat "$work/log"
    exit 1
fi
if ! mount -o loop "$work/image" "$work/mnt" 2>"$work/log"; then
    echo "skipped: no $fs image can be mounted here: $(cat "$work/log")"
    exit 77
fi
# The server's users have to get in.
chmod 755 "$work" "$work/mnt"
"$@" --scratch "$work/mnt"
