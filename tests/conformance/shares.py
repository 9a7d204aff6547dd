"""What smbtorture's tests find in the shares they are given."""
import dataclasses
import os
import shutil
import subprocess

import server as servers

# The previous version that the share "twrp" has.
SNAPSHOT = "@GMT-2024.02.29-12.00.00"
STREAM = b"in a stream"


class Below:
    """A folder of the scratch directory, for a server's shares."""

    def __init__(self, scratch, name):
        self.scratch, self.name = scratch, name

    def directory(self, *parts, **properties):
        self.scratch.directory(self.name)
        return self.scratch.directory(self.name, *parts, **properties)


CONTINUOUS = ("continuous_availability = true",)
SCALE_OUT = ("scale_out = true",)


def shares_for_tests(scratch, folder, user, jobs, all_persistent=False, lines=()):
    """The shares of one server: torture0, windows0 and so on for each job, and those that single
    tests ask for by name; with `all_persistent` the common ones have persistent handles, too.
    `lines` of the configuration are in each that has none."""
    scratch = Below(scratch, folder)
    uid_gid = servers.ids_of(user)
    common = CONTINUOUS if all_persistent else ()
    shares = [servers.Share(f"torture{n}", scratch.directory(f"torture{n}", owner=uid_gid),
                            lines=common) for n in range(jobs)]
    # The names that smbtorture knows: of failover shares, without a limit on their leases, and of scale-out ones.
    kinds = {"so": SCALE_OUT, "ca_fo": CONTINUOUS, "ca_fo_max_rwh": CONTINUOUS,
             "ca_so": CONTINUOUS + SCALE_OUT}
    shares += [servers.Share(name, scratch.directory(name, owner=uid_gid), lines=of_kind)
               for name, of_kind in kinds.items()]
    shares += [servers.Share(f"windows{n}", scratch.directory(f"windows{n}", owner=uid_gid),
                             compat="windows") for n in range(jobs)]
    shares.append(servers.Share("nonotify", scratch.directory("nonotify", owner=uid_gid),
                                change_notify=False))
    shares.append(servers.Share("noperm", scratch.directory("noperm", mode=0o700)))
    shares.append(servers.Share("hideunread", scratch.directory("hideunread", owner=uid_gid),
                                hide_unreadable=True))
    shares.append(servers.Share("nostreams", scratch.directory("nostreams", owner=uid_gid),
                                streams=False))
    shares.append(servers.Share("hidden", scratch.directory("hidden", owner=uid_gid),
                                hidden_names=(".*", "hidefile")))
    shares.append(share_with_snapshot(scratch, uid_gid))
    onefile = scratch.directory("onefile", owner=uid_gid)
    with open(os.path.join(onefile, "file"), "w", encoding="ascii") as file:
        file.write("something to overwrite\n" * 500)
    os.chown(file.name, *uid_gid)
    shares.append(servers.Share("onefile", onefile))
    return [dataclasses.replace(share, lines=share.lines or lines) for share in shares]


def share_with_snapshot(scratch, uid_gid):
    """On btrfs a subvolume with a real snapshot; elsewhere a folder laid out like one."""
    root = scratch.directory("twrp", owner=uid_gid)
    os.rmdir(root)
    is_subvolume = make_subvolume(root)
    if not is_subvolume:
        os.mkdir(root)
    os.chown(root, *uid_gid)
    then = os.path.join(root, ".snapshots", SNAPSHOT)
    os.makedirs(os.path.dirname(then))
    link = os.path.join(root, "subdir", "hardlink")
    fill_for_snapshot(root, "as it was", uid_gid)
    with open(link, "w", encoding="ascii"):
        pass
    os.chown(link, *uid_gid)
    if is_subvolume:
        subprocess.run(["btrfs", "-q", "subvolume", "snapshot", "-r", root, then], check=True,
                       timeout=60)
    else:
        os.mkdir(then)
        fill_for_snapshot(then, "as it was", uid_gid)
        # As snapshots made of hard links have it.
        os.link(link, os.path.join(then, "subdir", "hardlink"))
    fill_for_snapshot(root, "now", uid_gid)
    return servers.Share("twrp", root, snapshots=".snapshots")


def make_subvolume(path):
    """Whether there is one now: not unless the file system is btrfs."""
    return shutil.which("btrfs") is not None and subprocess.run(
        ["btrfs", "-q", "subvolume", "create", path], stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, timeout=60, check=False).returncode == 0


def fill_for_snapshot(folder, text, uid_gid):
    path = os.path.join(folder, "file")
    with open(path, "w", encoding="ascii") as file:
        file.write(text)
    try:
        os.setxattr(path, "user.DosStream.stream:$DATA", STREAM + b"\0")
    except OSError:
        pass  # without streams, then
    os.makedirs(os.path.join(folder, "subdir"), exist_ok=True)
    for each in (path, os.path.join(folder, "subdir")):
        os.chown(each, *uid_gid)
