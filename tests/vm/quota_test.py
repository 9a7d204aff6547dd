#!/usr/bin/env python3
"""Quotas of real file systems: braidd and its clients in a virtual machine whose kernel has them.

  quota_test.py --braidd build/release/braidd

ext4 and XFS images on disks of the machine, and a tmpfs if its kernel has quotas there. smbcquotas asks and sets, the quota tools
look from within, the kernel's client writes until it is stopped. guest/quotas.sh has the steps.
Needs what vm_test.py needs, and e2fsprogs xfsprogs quota smbclient.

Exit status: 0 all steps went well, 1 otherwise, 2 the machine could not be made.
"""
import argparse
import os
import re
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))

import vm_test  # noqa: E402
from guest_files import find, put_program  # noqa: E402
from scratch import Scratch  # noqa: E402

PROGRAMS = ["smbcquotas", "repquota", "setquota"]
PASSWD = """root:x:0:0:root:/:/bin/sh
boss:x:2000:2000:boss:/:/bin/sh
alice:x:2001:2001:alice:/:/bin/sh
bob:x:2002:2002:bob:/:/bin/sh
nobody:x:65534:65534:nobody:/:/bin/sh
"""


def make_guest(scratch, args):
    root = scratch.directory("job")
    for program in (args.braidd, os.path.join(os.path.dirname(args.braidd), "braidctl")):
        put_program(root, os.path.abspath(program))
    for program in PROGRAMS:
        put_program(root, find(program))
    os.makedirs(os.path.join(root, "etc"), exist_ok=True)
    group = re.sub(r":x:(\d+).*", r":x:\1:", PASSWD)
    for name, text in {"passwd": PASSWD, "group": group, "nsswitch.conf": "passwd: files\n",
                       "hosts": "127.0.0.1 localhost quotas\n", "mtab": ""}.items():
        with open(os.path.join(root, "etc", name), "w", encoding="ascii") as out:
            out.write(text)


def make_disk(scratch, name, size, *mkfs):
    path = scratch.file(name)
    with open(path, "wb") as disk:
        disk.truncate(size)
    subprocess.run([find(mkfs[0]), *mkfs[1:], path], check=True, stdout=subprocess.DEVNULL)
    return ["-drive", f"file={path},if=none,id={name},format=raw,cache=unsafe",
            "-device", f"virtio-blk-pci,drive={name},serial={name}"]


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--braidd", required=True, help="braidctl is beside it")
    parser.add_argument("--cache", default=os.path.join(HERE, "..", "..", "build", "vm"))
    parser.add_argument("--scratch", help="where the temporary directory goes (default: $TMPDIR)")
    parser.add_argument("--limit", type=int, default=400, help="seconds for the machine")
    args = parser.parse_args()
    with Scratch(args.scratch) as scratch:
        try:
            vmlinuz, initramfs = vm_test.prepare(os.path.abspath(args.cache))
            make_guest(scratch, args)
            disks = (make_disk(scratch, "ext4", 64 << 20, "mkfs.ext4", "-q", "-O", "quota")
                     + make_disk(scratch, "xfs", 320 << 20, "mkfs.xfs", "-q"))
        except (subprocess.CalledProcessError, FileNotFoundError) as error:
            print(f"quota_test: {error}", file=sys.stderr)
            return 2
        job = vm_test.pack_job(scratch, "quotas.sh", {"PASSWORD": "Limits-1"})
        text, ended = vm_test.boot(scratch, vmlinuz, initramfs, job, args.limit,
                                   network=disks)
        trouble = vm_test.judge(text, ended, args.limit)
        for sentence in trouble:
            print(sentence)
        return 1 if trouble else 0


if __name__ == "__main__":
    sys.exit(main())
