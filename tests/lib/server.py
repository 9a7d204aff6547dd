"""Starts the server under test on a loopback port and watches that it stays healthy.

Two kinds: braidd, and Samba's smbd with an equivalent configuration, used to find out whether a
check of ours asks for something that no server does.
"""
import contextlib
import dataclasses
import json
import os
import pwd
import re
import socket
import subprocess
import time

from scratch import stop

START_LIMIT_S = 20  # a sanitizer build on a busy machine takes a few seconds

# Words that only a crash, a sanitizer or a list of system calls that is too short writes.
_TROUBLE = re.compile(
    r"ERROR: (?:Address|Leak|Thread|Memory)Sanitizer|WARNING: ThreadSanitizer|runtime error:|"
    r"; starting another |refused system call |report this as a defect|Assertion .* failed|terminate called|INTERNAL ERROR|PANIC|core dumped")

_SAMBA_DIALECT = {"2.0.2": "SMB2_02", "2.1": "SMB2_10", "3.0": "SMB3_00", "3.0.2": "SMB3_02",
                  "3.1.1": "SMB3_11"}


def is_sanitized(program):
    """Whether a sanitizer's runtime is in the program."""
    with open(program, "rb") as data:
        return re.search(rb"__[at]san_init", data.read()) is not None


@dataclasses.dataclass
class Share:
    name: str
    path: str
    read_only: bool = False
    encrypt: bool = False
    change_notify: bool = True
    hide_unreadable: bool = False
    snapshots: str = ""  # folder below path
    streams: bool = True
    hidden_names: tuple = ()
    compat: str = "spec"
    comment: str = ""
    lines: tuple = ()  # further lines of braidd's [[share]]


@dataclasses.dataclass
class User:
    name: str
    password: str
    unix_user: str | None = None  # None, or not root: the user that runs the tests


@dataclasses.dataclass
class Options:
    shares: list
    users: list
    min_dialect: str = "3.0"
    max_dialect: str = "3.1.1"
    signing: str = "required"
    encryption: str = "off"
    break_retry: str = "spec"
    workers: int = 1
    threads: int = 0
    keytab: str | None = None
    min_uid: int | None = 1  # the test users may be the system's own; None: the server's default
    realm: str | None = None  # smbd wants to know it; braidd takes it from the keytab
    env: dict = dataclasses.field(default_factory=dict)
    single_process: bool = False
    prefix: tuple = ()  # a command that runs the server, such as prlimit
    server_lines: tuple = ()  # further lines of braidd's [server]
    samba_global: list = dataclasses.field(default_factory=list)  # further smb.conf lines
    samba_share: list = dataclasses.field(default_factory=list)
    # Runs in the server's namespace of these networks, on port 445 of every address there; the
    # processes of this machine do not reach it.
    networks: object | None = None
    rss: bool = False  # those addresses are announced as 1 Gbit/s with receive-side scaling

    def command(self, *command):
        return self.networks.command(self.networks.server, *command) if self.networks else command


def test_users():
    """The two users of the suites. As root each stands for another user of the machine."""
    root = os.geteuid() == 0
    return [User("alice", "Wonder-1", "games" if root else None),
            User("bob", "Builder-2", "nobody" if root else None)]


def ids_of(user):
    """(uid, gid) whose rights a test user has."""
    entry = pwd.getpwnam(user.unix_user) if user.unix_user else pwd.getpwuid(os.geteuid())
    return entry.pw_uid, entry.pw_gid


def add_arguments(parser):
    kind = parser.add_mutually_exclusive_group(required=True)
    kind.add_argument("--braidd", help="the server under test; braidctl is beside it")
    kind.add_argument("--smbd", help="compare with this Samba server instead")
    parser.add_argument("--scratch", help="where the temporary directory goes (default: $TMPDIR)")


def start(args, scratch, options, name="server"):
    server = (Braidd(args.braidd) if args.braidd else Smbd(args.smbd))
    server.start(scratch, options, name)
    return server


class Server:
    """What both kinds have: host, port, process, options."""

    host = "127.0.0.1"
    good_ends = (0,)
    expects_deaths = False  # the test kills workers itself

    def __init__(self, program):
        self.program = os.path.abspath(program)
        self.port = None
        self.process = None
        self.options = None
        self.log = None

    def log_text(self):
        with open(self.log, encoding="utf-8", errors="replace") as log:
            return log.read()

    def trouble(self):
        """Sentences about crashes so far; empty while all is well."""
        found = []
        if self.process.poll() is not None:
            found.append(f"the server ended by itself with status {self.process.returncode}")
        return found + self._log_trouble()

    def _log_trouble(self):
        lines = self.log_text().splitlines()
        return [f"in the server's log: {line.strip()[:200]}" for line in lines
                if _TROUBLE.search(line)
                and not (self.expects_deaths and "; starting another " in line)][:5]

    def stop(self):
        """Ends the server; returns sentences about what was wrong, empty when all was well."""
        found = self.trouble()
        if not found:
            status = stop(self.process)
            if status is None:
                found.append("the server did not end within 10 s of SIGTERM")
            elif status not in self.good_ends:
                found.append(f"the server ended with status {status} after SIGTERM")
            found += self._log_trouble()
        else:
            stop(self.process)
        if found:
            found.append("the log's end:\n" + "\n".join(self.log_text().splitlines()[-40:]))
        return found

    def worker_pids(self):
        """Processes the server started, as (pid, command line)."""
        return children(self.process.pid)

    def answers(self):
        if self.options.networks:
            return self.options.networks.is_listening(self.port)
        try:
            socket.create_connection((self.host, self.port), timeout=1).close()
            return True
        except OSError:
            return False


def name_of(pid):
    """"braidd-worker", "braidd-front"; empty for one that ended."""
    try:
        with open(f"/proc/{pid}/comm", encoding="ascii") as comm:
            return comm.read().strip()
    except OSError:
        return ""


def descriptors(pid):
    """What the open descriptors of a process are, by number; one closed meanwhile is left out."""
    found = {}
    for entry in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):
            found[int(entry)] = os.readlink(f"/proc/{pid}/fd/{entry}")
    return found


def children(pid):
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/stat", encoding="ascii", errors="replace") as stat:
                state, parent = stat.read().rsplit(")", 1)[1].split()[:2]
        except OSError:
            continue  # ended meanwhile
        if int(parent) == pid and state != "Z":
            found.append(int(entry))
    return found


class Braidd(Server):
    kind = "braidd"

    def start(self, scratch, options, name):
        self.options = options
        self.config = scratch.file(f"{name}.toml")
        self.log = scratch.file(f"{name}.log")
        self.braidctl = os.path.join(os.path.dirname(self.program), "braidctl")
        scratch.directory(f"{name}.state", mode=0o700)
        with open(self.config, "w", encoding="utf-8") as config:
            config.write(self._config(options, scratch.file(f"{name}.state")))
        for user in options.users:
            command = [self.braidctl, "--config", self.config, "user", "add", user.name]
            if user.unix_user:
                command += ["--unix-user", user.unix_user]
            subprocess.run(command, input=f"{user.password}\n", text=True, check=True,
                           stdout=subprocess.DEVNULL, timeout=60)
        command = [*options.command(*options.prefix, self.program), "--config", self.config]
        if options.single_process:
            command.append("--single-process")
        self.process = scratch.start(command, self.log, env=os.environ | options.env)
        self.port = self._wait_for_port()
        # Who listens is there before who serves.
        while not options.single_process and self.process.poll() is None and not any(
                name_of(pid) == "braidd-worker" for pid in self.worker_pids()):
            time.sleep(0.01)

    @staticmethod
    def _config(options, state_dir):
        # JSON strings are TOML basic strings.
        listen = "0.0.0.0:445" if options.networks else "127.0.0.1:0"
        lines = ["[server]", f'listen = ["{listen}"]', f"state_dir = {json.dumps(state_dir)}",
                 f'min_dialect = "{options.min_dialect}"', f'max_dialect = "{options.max_dialect}"',
                 f'signing = "{options.signing}"', f'encryption = "{options.encryption}"',
                 f'break_retry = "{options.break_retry}"', f"workers = {options.workers}", f"threads = {options.threads}"]
        if options.min_uid is not None:
            lines.append(f"min_uid = {options.min_uid}")
        lines += options.server_lines
        if options.keytab:
            lines.append(f"keytab = {json.dumps(options.keytab)}")
        if options.rss:
            rules = [f"{address};speed=1G;rss" for address in options.networks.addresses()]
            lines.append(f"interfaces = {json.dumps(rules)}")
        for share in options.shares:
            lines += ["", "[[share]]", f"name = {json.dumps(share.name)}",
                      f"path = {json.dumps(share.path)}"]
            lines += [f"{key} = true" for key in ("read_only", "encrypt", "hide_unreadable")
                      if getattr(share, key)]
            if not share.change_notify:
                lines.append("change_notify = false")
            if not share.streams:
                lines.append("streams = false")
            if share.hidden_names:
                lines.append(f"hidden_names = {json.dumps(list(share.hidden_names))}")
            if share.compat != "spec":
                lines.append(f'compat = "{share.compat}"')
            if share.snapshots:
                lines.append(f"snapshots = {json.dumps(share.snapshots)}")
            if share.comment:
                lines.append(f"comment = {json.dumps(share.comment)}")
            lines += share.lines
        return "\n".join(lines) + "\n"

    def _wait_for_port(self):
        end = time.monotonic() + START_LIMIT_S
        while time.monotonic() < end:
            found = re.search(r"listening on [\d.]+:(\d+)", self.log_text())
            if found:
                return int(found.group(1))
            if self.process.poll() is not None:
                break
            time.sleep(0.02)
        raise RuntimeError(f"braidd does not listen:\n{self.log_text()}")


class Smbd(Server):
    kind = "smbd"
    good_ends = (0, -15)

    def start(self, scratch, options, name):
        self.options = options
        root = scratch.directory(name)
        self.log = scratch.file(f"{name}.log")
        for folder in ("private", "lock", "state", "cache", "pids", "ncalrpc"):
            scratch.directory(name, folder)
        self.port = 445 if options.networks else _free_port()
        config = os.path.join(root, "smb.conf")
        with open(config, "w", encoding="utf-8") as conf:
            conf.write(self._config(options, root))
        for user in options.users:
            account = user.unix_user or pwd.getpwuid(os.geteuid()).pw_name
            subprocess.run(["smbpasswd", "-c", config, "-s", "-a", account],
                           input=f"{user.password}\n" * 2, text=True, check=True,
                           stdout=subprocess.DEVNULL, timeout=60)
        self.process = scratch.start(
            [*options.command(self.program), "--foreground", "--no-process-group",
             "--debug-stdout", "-s", config],
            self.log, env=os.environ | options.env)
        end = time.monotonic() + START_LIMIT_S
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"smbd does not listen:\n{self.log_text()}")
            time.sleep(0.05)

    def _config(self, options, root):
        names = os.path.join(root, "users.map")
        with open(names, "w", encoding="utf-8") as users:
            for user in options.users:
                account = user.unix_user or pwd.getpwuid(os.geteuid()).pw_name
                users.write(f"!{account} = {user.name}\n")
        signing = {"required": "mandatory", "enabled": "auto"}[options.signing]
        # "off" in a braid configuration: not asked for, but given to clients that want it.
        encryption = {"off": "default"}.get(options.encryption, options.encryption)
        interfaces = "127.0.0.1"
        if options.networks:
            announced = ";speed=1000000000,capability=RSS" if options.rss else "/24"
            interfaces += "".join(f" {address}{announced}"
                                  for address in options.networks.addresses())
        lines = ["[global]", "server role = standalone server", "disable netbios = yes",
                 f"smb ports = {self.port}", f'interfaces = {interfaces}', "bind interfaces only = yes",
                 f"private dir = {root}/private",
                 f"passdb backend = tdbsam:{root}/private/passdb.tdb",
                 f"lock directory = {root}/lock", f"state directory = {root}/state",
                 f"cache directory = {root}/cache", f"pid directory = {root}/pids",
                 f"ncalrpc dir = {root}/ncalrpc", f"username map = {names}", "log level = 0",
                 "load printers = no", "printcap name = /dev/null", "disable spoolss = yes",
                 f"server signing = {signing}", f"server smb encrypt = {encryption}",
                 f"server min protocol = {_SAMBA_DIALECT[options.min_dialect]}",
                 f"server max protocol = {_SAMBA_DIALECT[options.max_dialect]}",
                 "unix extensions = no", "store dos attributes = yes", "map archive = no"]
        if options.keytab:
            lines += [f"realm = {options.realm}", "kerberos method = dedicated keytab",
                      f"dedicated keytab file = FILE:{options.keytab}"]
        if options.break_retry == "windows":
            lines.append("smb2 disable oplock break retry = yes")
        lines += options.samba_global
        for share in options.shares:
            lines += [f"[{share.name}]", f"path = {share.path}",
                      f"read only = {'yes' if share.read_only else 'no'}"]
            if share.encrypt:
                lines.append("server smb encrypt = required")
            if share.hide_unreadable:
                lines += ["hide unreadable = yes", "access based share enum = yes"]
            if share.comment:
                lines.append(f"comment = {share.comment}")
            lines += options.samba_share
            if not share.streams:
                lines.append("vfs objects = acl_xattr")
            if share.hidden_names:
                lines += [f"hide files = /{'/'.join(share.hidden_names)}/", "hide dot files = no"]
        return "\n".join(lines) + "\n"


def _free_port():
    # smbd cannot be asked which port it got; the port is free again a moment before it takes it.
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
