"""Interactive: an smbclient that stays connected between commands."""
import os
import pty
import re
import select
import subprocess
import termios
import time

from case import LIMIT_S
from smbclient import SmbClient


class Interactive:
    """An smbclient that stays connected between commands. It has a terminal, as it keeps what it
    prints to itself where it has none."""

    def __init__(self, case, user, protection="sign", share="share"):
        client = SmbClient(case.scratch, case.server, user, protection=protection, share=share)
        self.terminal, its_end = pty.openpty()
        case.addCleanup(self.end)
        settings = termios.tcgetattr(its_end)
        settings[3] &= ~termios.ECHO
        termios.tcsetattr(its_end, termios.TCSANOW, settings)
        self.process = subprocess.Popen(client.command(), stdin=its_end, stdout=its_end,
                                        stderr=its_end, cwd=case.scratch.path,
                                        start_new_session=True, env=os.environ | {"TERM": "dumb"})
        os.close(its_end)
        self.until_prompt()

    def until_prompt(self):
        """What it printed, up to its prompt or its end."""
        text = b""
        end = time.monotonic() + LIMIT_S
        while not re.search(rb"smb: \\.*> $", text):
            if not select.select([self.terminal], [], [], max(0, end - time.monotonic()))[0]:
                raise AssertionError(f"smbclient is silent after: {text}")
            try:
                text += os.read(self.terminal, 4096)
            except OSError:
                break  # it ended
        return text.decode(errors="replace")

    def send(self, command):
        os.write(self.terminal, command.encode() + b"\n")

    def run(self, command):
        """The command's output; without a prompt at its end when the command ended smbclient."""
        self.send(command)
        return self.until_prompt()

    def end(self):
        if self.terminal is not None:
            os.close(self.terminal)
            self.terminal = None
            self.process.kill()
            self.process.wait()
