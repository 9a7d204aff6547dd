#!/bin/bash
# on_filesystem.sh FS ARGUMENT...: runs run.py with its shares on a fresh file system in an image.
#
#   FS        xfs, btrfs or ext4
#   ARGUMENT  for run.py, which takes ledger.tsv with what ledger_FS.tsv says otherwise
#
# Needs root and loop devices. Exit status: that of run.py; 77 where there can be no image.
fs=${1:?usage: on_filesystem.sh xfs|btrfs|ext4 ARGUMENT...}
shift
here=$(cd "$(dirname "$0")" && pwd)
exec "$here/../lib/on_image.sh" "$fs" /usr/bin/python3 "$here/run.py" \
    --base-ledger "$here/ledger.tsv" --ledger "$here/ledger_$fs.tsv" "$@"
