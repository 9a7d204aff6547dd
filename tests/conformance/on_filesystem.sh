#!/bin/bash
# on_filesystem.sh FS ARGUMENT...: runs run.py with its shares on a fresh file system in an image.
#
#   FS        xfs, btrfs or ext4
#   ARGUMENT  for run.py, which takes ledger.tsv with what ledger_FS.tsv says otherwise
#
# Needs root and loop devices; the mount is seen by this script and its children only.
# Exit status: that of run.py; 77 where the image cannot be made or mounted.
set -u -o pipefail
fs=${1:?usage: on_filesystem.sh xfs|btrfs|ext4 ARGUMENT...}
shift
here=$(cd "$(dirname "$0")" && pwd)

if [ "${BRAID_OWN_MOUNTS:-}" != 1 ]; then
    [ "$(id -u)" = 0 ] || { echo "skipped: needs root"; exit 77; }
    BRAID_OWN_MOUNTS=1 exec unshare --mount --propagation private "$0" "$fs" "$@"
fi

work=$(mktemp -d) || exit 1
trap 'umount "$work/mnt" 2>/dev/null; rm -rf "$work"' EXIT
mkdir "$work/mnt"
truncate -s 3G "$work/image"
case $fs in
    xfs) options=(-q -f -m reflink=1) ;;
    btrfs) options=(-q -f) ;;
    ext4) options=(-q -F) ;;
    *) echo "on_filesystem.sh: $fs is not xfs, btrfs or ext4" >&2; exit 2 ;;
esac
if ! "mkfs.$fs" "${options[@]}" "$work/image" || ! mount -o loop "$work/image" "$work/mnt"; then
    echo "skipped: no $fs image here"
    exit 77
fi
# The server's users have to get in.
chmod 755 "$work" "$work/mnt"
ledger=(--base-ledger "$here/ledger.tsv" --ledger "$here/ledger_$fs.tsv")
/usr/bin/python3 "$here/run.py" --scratch "$work/mnt" "${ledger[@]}" "$@"
status=$?
exit $status
