"""A throw-away Kerberos realm; see tests/kdc/start_kdc.sh."""
import os
import time

SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "kdc", "start_kdc.sh")
REALM = "BRAID.TEST"
HOST = "braid1.braid.test"  # the server's name in its keytab; no resolver knows it
START_LIMIT_S = 30


def start(scratch, users, pac=True, folder="kdc"):
    """Starts a KDC that knows {name: password}; the directory with krb5.conf and server.keytab."""
    log = scratch.file(f"{folder}.log")
    folder = scratch.directory(folder, mode=0o700)
    process = scratch.start([SCRIPT, folder, "pac" if pac else "no-pac",
                             *(f"{name}={password}" for name, password in users.items())], log)
    end = time.monotonic() + START_LIMIT_S
    while not os.path.exists(os.path.join(folder, "ready")):
        if process.poll() is not None or time.monotonic() > end:
            with open(log, encoding="utf-8") as text:
                raise RuntimeError(f"no KDC: {text.read()}")
        time.sleep(0.02)
    return folder
