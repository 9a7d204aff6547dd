"""A disk that answers until it is told to hang: a FUSE file system with one empty folder, "data"."""
import ctypes
import os
import signal
import struct
import subprocess
import sys

# Of <linux/fuse.h>: operations, and the sizes of what comes with them.
LOOKUP, FORGET, GETATTR, STATFS, RELEASE, INIT = 1, 2, 3, 17, 18, 26
OPENDIR, READDIR, RELEASEDIR, BATCH_FORGET = 27, 28, 29, 42
ENOENT, ENOSYS = 2, 38
ROOT, DATA = 1, 2
HEADER = struct.Struct("<IIQQIIIHH")


def attributes(node):
    return struct.pack("<6Q10I", node, 0, 0, 0, 0, 0, 0, 0, 0, 0o040777, 2, 0, 0, 0, 4096, 0)


def answer(operation, node, body):
    """(error, bytes), or None where the kernel wants no answer. Nothing may be remembered."""
    if operation in (FORGET, BATCH_FORGET):
        return None
    if operation == INIT:
        return 0, struct.pack("<4IHHIII8I", 7, 31, 0, 0, 8, 6, 4096, 1, 0, *[0] * 8)
    if operation == LOOKUP and (node, body) == (ROOT, b"data\0"):
        return 0, struct.pack("<4QII", DATA, 0, 0, 0, 0, 0) + attributes(DATA)
    if operation == GETATTR:
        return 0, struct.pack("<QII", 0, 0, 0) + attributes(node)
    if operation == OPENDIR:
        return 0, struct.pack("<QII", 1, 0, 0)
    if operation == STATFS:
        return 0, struct.pack("<5Q10I", 1000, 500, 500, 100, 50, 4096, 255, 4096, *[0] * 7)
    if operation in (READDIR, RELEASE, RELEASEDIR):
        return 0, b""
    return (ENOENT, b"") if operation == LOOKUP else (ENOSYS, b"")


def serve(folder):
    device = os.open("/dev/fuse", os.O_RDWR)
    options = f"fd={device},rootmode=40755,user_id=0,group_id=0,allow_other"
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"hung", os.fsencode(folder), b"fuse", 0, options.encode()) != 0:
        sys.exit(os.strerror(ctypes.get_errno()))
    silent = []
    signal.signal(signal.SIGUSR1, lambda *_: signal.pause())
    signal.signal(signal.SIGUSR2, lambda *_: silent.append(True))
    print("mounted", flush=True)
    while True:
        try:
            request = os.read(device, 1 << 17)
        except OSError:
            return
        length, operation, number, node, *_ = HEADER.unpack_from(request)
        given = None if silent else answer(operation, node, request[HEADER.size:length])
        if given:
            os.write(device, struct.pack("<IiQ", 16 + len(given[1]), -given[0], number) + given[1])


class HungDisk:
    """Mounted on `folder`; ends with close(), when whatever waits for it gets an error."""

    def __init__(self, folder):
        self._folder = folder
        self._process = subprocess.Popen([sys.executable, __file__, folder], stdout=subprocess.PIPE,
                                         text=True)
        if self._process.stdout.readline() != "mounted\n":
            self.close()
            raise OSError("no FUSE here")

    def hang(self):
        self._process.send_signal(signal.SIGUSR1)

    def fall_silent(self):
        """Requests are taken and never answered: whoever waits for one cannot even be killed."""
        self._process.send_signal(signal.SIGUSR2)

    def close(self):
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()
        subprocess.run(["umount", "-l", self._folder], check=False, stderr=subprocess.DEVNULL)


if __name__ == "__main__":
    serve(sys.argv[1])
