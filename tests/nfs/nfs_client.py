"""A folder served by NFSv4 on loopback (nfs-ganesha), and a client of it (libnfs) in this process."""
import ctypes
import errno
import os
import socket
import time

LIMIT_S = 60
NFS4_F_TLOCK, NFS4_F_ULOCK = 1, 2

GANESHA = """
NFS_CORE_PARAM {{ Protocols = 4; NFS_Port = {port}; Bind_addr = 127.0.0.1;
                  Enable_NLM = false; Enable_RQUOTA = false; }}
NFSV4 {{ Graceless = true; Delegations = false; RecoveryBackend = fs; RecoveryRoot = "{state}"; }}
LOG {{ Default_log_level = WARN; }}
EXPORT {{ Export_Id = 1; Path = "{folder}"; Pseudo = "/share"; Access_Type = RW;
          Squash = No_Root_Squash; SecType = sys; Protocols = 4; Transports = TCP;
          Attr_Expiration_Time = 0; FSAL {{ Name = VFS; }} }}
"""


class Ganesha:
    """Ends with the Scratch."""

    def __init__(self, scratch, folder):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        config = scratch.file("ganesha.conf")
        self.log = scratch.file("ganesha.log")
        with open(config, "w", encoding="ascii") as out:
            out.write(GANESHA.format(port=self.port, folder=folder,
                                     state=scratch.directory("ganesha")))
        self._process = scratch.start(
            ["ganesha.nfsd", "-F", "-f", config, "-L", self.log, "-p", scratch.file("ganesha.pid")],
            scratch.file("ganesha.out"))
        until = time.monotonic() + LIMIT_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                pass
            if self._process.poll() is not None or time.monotonic() > until:
                raise AssertionError(f"ganesha.nfsd did not start: {self.log_text()}")
            time.sleep(0.05)

    def log_text(self):
        if not os.path.exists(self.log):
            return ""
        with open(self.log, encoding="utf-8", errors="replace") as log:
            return log.read()[-2000:]


class NfsClient:
    """Caches nothing. Each call may be made by any one thread at a time.

    libnfs loses count of its requests once a lock was refused or given back: neither open() nor
    close() then, but another client."""

    made = 0

    def __init__(self, server, uid, gid, folder):
        lib = self._lib = ctypes.CDLL("libnfs.so.13")
        for name in ("nfs_init_context", "nfs_parse_url_dir"):
            getattr(lib, name).restype = ctypes.c_void_p
        lib.nfs_get_error.restype = ctypes.c_char_p
        self._nfs = ctypes.c_void_p(lib.nfs_init_context())
        url = f"nfs://127.0.0.1{folder}?version=4&nfsport={server.port}&uid={uid}&gid={gid}"
        if not lib.nfs_parse_url_dir(self._nfs, url.encode()):
            raise OSError(self._error())
        # By default all of one process and second are one client to the server.
        NfsClient.made += 1
        self._name = f"test {os.getpid()} {NfsClient.made}".encode()
        lib.nfs4_set_client_name(self._nfs, self._name)
        until = time.monotonic() + LIMIT_S
        while lib.nfs_mount(self._nfs, b"127.0.0.1", folder.encode()) != 0:
            if time.monotonic() > until:
                raise OSError(self._error())
            time.sleep(0.2)

    def _error(self):
        return (self._lib.nfs_get_error(self._nfs) or b"").decode(errors="replace")

    def _checked(self, result):
        if result < 0:
            raise OSError(-result, self._error())
        return result

    def open(self, name, flags):
        """Again while the server says that it is held off: NFS4ERR_DELAY."""
        file = ctypes.c_void_p()
        until = time.monotonic() + LIMIT_S
        while True:
            result = self._lib.nfs_open(self._nfs, ("/" + name).encode(), flags,
                                        ctypes.byref(file))
            if result != -errno.EAGAIN or time.monotonic() > until:
                self._checked(result)
                return file
            time.sleep(0.02)

    def close(self, file):
        self._checked(self._lib.nfs_close(self._nfs, file))

    def pread(self, file, size, offset=0):
        room = ctypes.create_string_buffer(size)
        length = self._checked(self._lib.nfs_pread(
            self._nfs, file, ctypes.c_uint64(offset), ctypes.c_uint64(size), room))
        return room.raw[:length]

    def pwrite(self, file, data, offset=0):
        self._checked(self._lib.nfs_pwrite(
            self._nfs, file, ctypes.c_uint64(offset), ctypes.c_uint64(len(data)), data))

    def read(self, name, size):
        file = self.open(name, os.O_RDONLY)
        try:
            return self.pread(file, size)
        finally:
            self.close(file)

    def write(self, name, data):
        file = self.open(name, os.O_RDWR)
        try:
            self.pwrite(file, data)
        finally:
            self.close(file)

    def lock(self, file, length):
        """Whether it could be had."""
        return self._lib.nfs_lockf(self._nfs, file, NFS4_F_TLOCK, ctypes.c_uint64(length)) == 0

    def unlock(self, file, length):
        self._checked(self._lib.nfs_lockf(self._nfs, file, NFS4_F_ULOCK, ctypes.c_uint64(length)))
