"""A file system of a test's own that can be frozen, as a snapshot of its disk would."""
import os
import subprocess


class FrozenDisk:
    """ext4 in an image, mounted; needs root and loop devices."""

    SIZE = 64 << 20

    def __init__(self, folder):
        self.folder = folder
        self._is_frozen = False

    @classmethod
    def make(cls, scratch):
        """None where there are no loop devices."""
        if os.geteuid() != 0:
            return None
        image = scratch.file("frozen.img")
        folder = scratch.directory("frozen")
        with open(image, "wb") as out:
            out.truncate(cls.SIZE)
        for command in (("mkfs.ext4", "-q", "-F", image), ("mount", "-o", "loop", image, folder)):
            try:
                if subprocess.run(command, capture_output=True, timeout=60, check=False).returncode:
                    return None
            except OSError:
                return None
        os.chmod(folder, 0o777)
        return cls(folder)

    def freeze(self):
        subprocess.run(("fsfreeze", "--freeze", self.folder), check=True, timeout=60)
        self._is_frozen = True

    def thaw(self):
        if self._is_frozen:
            subprocess.run(("fsfreeze", "--unfreeze", self.folder), check=True, timeout=60)
            self._is_frozen = False

    def unmount(self):
        self.thaw()
        subprocess.run(("umount", "--lazy", self.folder), check=False, timeout=60)
