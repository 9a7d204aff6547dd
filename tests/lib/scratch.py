"""A temporary directory and the processes that belong to it; both go away at the end."""
import ctypes
import os
import shutil
import signal
import subprocess
import sys
import tempfile

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


def _die_with_parent():
    # A test runner that is killed (ctest's time-out) must not leave servers behind.
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class Scratch:
    """Use as `with Scratch() as scratch:`.

    SIGTERM and SIGINT unwind the `with` block too, since they are turned into SystemExit.
    """

    def __init__(self, parent=None):
        self.path = tempfile.mkdtemp(prefix="braid-test-", dir=parent)
        os.chmod(self.path, 0o755)  # the test users have to get through
        self._processes = []

    def __enter__(self):
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        signal.signal(signal.SIGINT, lambda *_: sys.exit(130))
        return self

    def __exit__(self, *_):
        for process in reversed(self._processes):
            stop(process)
        self._end_daemons()
        shutil.rmtree(self.path, ignore_errors=True)

    def _end_daemons(self):
        """Ends what the processes left running in sessions of their own (smbd starts an RPC
        daemon so): everything whose command line names this directory."""
        for entry in os.listdir("/proc"):
            try:
                if entry.isdigit() and int(entry) != os.getpid():
                    with open(f"/proc/{entry}/cmdline", "rb") as command:
                        if f"={self.path}/".encode() in command.read():
                            os.kill(int(entry), signal.SIGKILL)
            except OSError:
                pass  # ended meanwhile

    def file(self, *parts):
        return os.path.join(self.path, *parts)

    def directory(self, *parts, mode=0o755, owner=None):
        """Makes a directory; owner is a (uid, gid) pair, used as root only."""
        path = self.file(*parts)
        os.makedirs(path, exist_ok=True)
        os.chmod(path, mode)
        if owner and os.geteuid() == 0:
            os.chown(path, *owner)
        return path

    def start(self, command, log, env=None):
        """Starts a process in a session of its own, its output in the file `log`."""
        with open(log, "ab") as output:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output,
                                       stderr=output, env=env, start_new_session=True,
                                       preexec_fn=_die_with_parent)
        self._processes.append(process)
        return process


def stop(process, limit=10):
    """SIGTERM, then SIGKILL; returns the exit status (negative: signal), or None where the process
    did not end by itself."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(limit)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            return None
    return process.returncode
