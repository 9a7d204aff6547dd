#!/usr/bin/env python3
"""The Linux kernel's SMB client against the server: boots a small virtual machine and mounts.

  vm_test.py --braidd build/release/braidd                    all mounts, a file of 100 MiB
  vm_test.py --braidd build/release/braidd --mib 8 --mount vers=3.1.1,seal
  vm_test.py --smbd /usr/sbin/smbd                             for comparison

The guest is Debian's 6.12 kernel with busybox and nothing else, in QEMU, with KVM where the processor
has what that takes; it reaches the server on the host's loopback through QEMU's user-mode network.
Kernel and initramfs are made once and kept in --cache. Needs qemu-system-x86 busybox-static cpio kmod; no root.

Exit status: 0 all steps went well in every mount, 1 otherwise, 2 the machine could not be made.
"""
import argparse
import glob
import os
import re
import shlex
import shutil
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))

import server as servers  # noqa: E402
from scratch import Scratch  # noqa: E402
from trees import make_tree  # noqa: E402

MOUNTS = ["vers=2.1", "vers=3.0", "vers=3.0,seal", "vers=3.1.1", "vers=3.1.1,seal"]
HOST = "10.0.2.2"  # the host's 127.0.0.1 as QEMU's user-mode network shows it


def prepare(cache, own=False):
    """Makes kernel and initramfs where they are missing or older than their recipe. `own`: a kernel that is
    built here, with what Debian's does not have."""
    kernel, image = (os.path.join(cache, name) for name in (("own", "own-image") if own
                                                            else ("kernel", "image")))
    maker = "build_kernel.sh" if own else "fetch_kernel.sh"
    subprocess.run([os.path.join(HERE, maker), kernel], check=True)
    recipe = [os.path.join(HERE, name) for name in ("build_initramfs.sh", "guest/init")]
    recipe += glob.glob(os.path.join(kernel, "boot", "vmlinuz-*"))
    initramfs = os.path.join(image, "initramfs.cpio.gz")
    if (not os.path.exists(initramfs)
            or os.path.getmtime(initramfs) < max(map(os.path.getmtime, recipe))):
        subprocess.run([os.path.join(HERE, "build_initramfs.sh"), kernel, image], check=True)
    return os.path.join(image, "vmlinuz"), initramfs


def make_job(scratch, server, user, mounts, mib):
    """An archive with script, settings and tree; the kernel unpacks it over the initramfs."""
    root = scratch.directory("job", "job")
    make_tree(os.path.join(root, "tree"), seed=7, folders=3, depth=2)
    return pack_job(scratch, "exercise.sh",
                    {"HOST": HOST, "PORT": server.port, "SHARE": "share", "NAME": user.name,
                     "PASSWORD": user.password, "MIB": mib, "MOUNTS": " ".join(mounts)})


def pack_job(scratch, script, settings):
    """The archive: a script of guest/, its settings as shell variables, and what is in job/job."""
    root = scratch.directory("job", "job")
    shutil.copy(os.path.join(HERE, "guest", script), os.path.join(root, "run.sh"))
    with open(os.path.join(root, "settings"), "w", encoding="utf-8") as out:
        out.writelines(f"{key}={shlex.quote(str(value))}\n" for key, value in settings.items())
    names = subprocess.run(["find", "."], cwd=scratch.file("job"), capture_output=True, check=True)
    return subprocess.run(["cpio", "--quiet", "-o", "-H", "newc", "-R", "0:0"], check=True,
                          cwd=scratch.file("job"), input=names.stdout, capture_output=True).stdout


def accelerator():
    """QEMU's: KVM, or the processor played by a program. A kernel without the processor's own
    means (pvm) has /dev/kvm, too, and runs no kernel but such as are made for it."""
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as out:
        has_means = re.search(r"^flags\s*:.*\b(vmx|svm)\b", out.read(), re.M)
    if has_means and os.access("/dev/kvm", os.R_OK | os.W_OK):
        return "kvm"
    return "tcg,thread=multi"


# The kernel changes its own code as it begins, by way of a breakpoint; the played processors may meet
# that after it is gone.
OWN_BREAKPOINT = re.compile(r"Oops: int3.*Kernel panic", re.S)
TRIES = 3
USER_NETWORK = ["-netdev", "user,id=net,ipv6=off",
                "-device", "virtio-net-pci,netdev=net,romfile="]


def boot(scratch, vmlinuz, initramfs, job, limit, network=USER_NETWORK, prefix=(), hear=None,
         memory=1024):
    """Runs the machine to its end; (the console's text, whether it ended in time). `hear` is given
    each line as it comes; `prefix` is the command that runs the machine's."""
    for _ in range(TRIES):
        text, ended = boot_once(scratch, vmlinuz, initramfs, job, limit, network, prefix, hear, memory)
        if not ended or not OWN_BREAKPOINT.search(text):
            break
        print("the kernel has met its own breakpoint, once more", flush=True)
    return text, ended


def boot_once(scratch, vmlinuz, initramfs, job, limit, network, prefix, hear, memory):
    archive = scratch.file("initramfs")
    with open(archive, "wb") as out, open(initramfs, "rb") as base:
        shutil.copyfileobj(base, out)
        out.write(b"\0" * (-out.tell() % 4))
        out.write(job)
    console = scratch.file("console")
    with open(console, "wb"):
        pass  # nothing of a machine before
    machine = scratch.start(
        [*prefix, "qemu-system-x86_64", "-accel", accelerator(), "-cpu", "max", "-smp", "2",
         "-m", str(memory), "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
         "-kernel", vmlinuz, "-initrd", archive,
         "-append", "console=ttyS0 quiet loglevel=3 panic=-1 oops=panic net.ifnames=0 "
                    "mitigations=off random.trust_cpu=on "
                    # On a busy machine the emulated timer may not tick while the kernel looks.
                    "no_timer_check",
         "-serial", f"file:{console}", "-device", "virtio-rng-pci",
         *network],
        scratch.file("qemu.log"))
    end = time.monotonic() + limit
    shown = 0
    while True:
        ended = machine.poll() is not None
        text = ""
        if os.path.exists(console):
            with open(console, encoding="utf-8", errors="replace") as out:
                text = out.read().replace("\r", "")
        whole = text[:text.rfind("\n") + 1]
        for line in whole[shown:].splitlines():
            print(line, flush=True)
            if hear:
                hear(line)
        shown = max(shown, len(whole))
        if ended or time.monotonic() > end:
            with open(scratch.file("qemu.log"), encoding="utf-8", errors="replace") as log:
                print(log.read(), end="")
            return text, ended
        time.sleep(0.2)


def judge(text, ended, limit):
    """Sentences about how the machine ended."""
    status = re.search(r"^guest status: (\d+)", text, re.M)
    if not ended:
        return [f"the machine did not end in {limit} s"]
    if not status:
        return ["the machine ended without a status"]
    return ["the exercise failed"] if status.group(1) != "0" else []


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    servers.add_arguments(parser)
    parser.add_argument("--cache", default=os.path.join(HERE, "..", "..", "build", "vm"))
    parser.add_argument("--mount", action="append", help="mount options; may repeat")
    parser.add_argument("--mib", type=int, default=100, help="size of the large file")
    parser.add_argument("--limit", type=int, default=900, help="seconds for the machine")
    args = parser.parse_args()
    try:
        vmlinuz, initramfs = prepare(os.path.abspath(args.cache))
    except subprocess.CalledProcessError as error:
        print(f"vm_test: {error}", file=sys.stderr)
        return 2
    alice = servers.test_users()[0]
    with Scratch(args.scratch) as scratch:
        share = scratch.directory("share", owner=servers.ids_of(alice))
        server = servers.start(args, scratch, servers.Options(
            [servers.Share("share", share)], [alice], min_dialect="2.1"))
        job = make_job(scratch, server, alice, args.mount or MOUNTS, args.mib)
        text, ended = boot(scratch, vmlinuz, initramfs, job, args.limit)
        trouble = server.stop() + judge(text, ended, args.limit)
        if os.listdir(share):
            trouble.append(f"left in the share: {os.listdir(share)}")
        for sentence in trouble:
            print(sentence)
        return 1 if trouble else 0


if __name__ == "__main__":
    sys.exit(main())
