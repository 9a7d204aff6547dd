"""Runs smbclient with chosen dialect and protection."""
import dataclasses
import os
import re
import subprocess


@dataclasses.dataclass
class Answer:
    status: int
    text: str  # standard output and standard error together

    @property
    def nt_status(self):
        """The first NT status the client printed, or ""."""
        found = re.search(r"NT_STATUS_\w+", self.text)
        return found.group(0) if found else ""

    @property
    def ok(self):
        return self.status == 0 and not self.nt_status


class SmbClient:
    """One client configuration; each run() is a connection of its own."""

    def __init__(self, scratch, server, user, dialect=None, protection=None, share="share",
                 port=None, limit=60, local_dir=None, extra=(), env=None):
        # With a configuration file of its own it neither reads nor writes the machine's.
        self._config = scratch.file("smbclient.conf")
        if not os.path.exists(self._config):
            state = scratch.directory("smbclient.state", mode=0o700)
            with open(self._config, "w", encoding="utf-8") as config:
                config.write("[global]\nclient min protocol = SMB2_02\n" + "".join(
                    f"{key} = {state}\n" for key in ("private dir", "lock directory",
                                                     "state directory", "cache directory",
                                                     "pid directory")))
        self.server = server
        self.user = user
        self.share = share
        self.port = port or server.port
        self.limit = limit
        self.local_dir = local_dir or scratch.path
        self.env = env
        self.options = []
        if dialect:
            self.options += ["-m", dialect, f"--option=client min protocol={dialect}"]
        if protection:
            self.options.append(f"--client-protection={protection}")
        self.options += extra

    def command(self, host=None):
        who = ["-N"] if self.user is None else ["-U", f"{self.user.name}%{self.user.password}"]
        return ["smbclient", "-s", self._config, "-p", str(self.port), *who, *self.options,
                f"//{host or self.server.host}/{self.share}"]

    def run(self, commands, host=None):
        """Runs smbclient commands, joined with ";"."""
        if not isinstance(commands, str):
            commands = "; ".join(commands)
        return self._execute([*self.command(host), "-c", commands])

    def list_shares(self, host=None):
        command = self.command(host)
        return self._execute([*command[:-1], "-L", f"//{host or self.server.host}"])

    def _execute(self, command):
        try:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True, errors="replace",
                                  cwd=self.local_dir, timeout=self.limit,
                                  env=os.environ | (self.env or {}))
        except subprocess.TimeoutExpired as late:
            text = (late.stdout or b"").decode(errors="replace")
            return Answer(124, f"{text}\nno end in {self.limit} s")
        return Answer(done.returncode, done.stdout)
