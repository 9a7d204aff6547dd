#!/usr/bin/env python3
"""Runs smbtorture's tests of SMB 2 and 3, those of RPC that apply and those of Macs, against a server and compares the results
with a ledger.

  run.py --braidd build/release/braidd --group base
  run.py --braidd build/release/braidd --group all --jobs 4
  run.py --braidd build/release/braidd --only smb2.lock --verbose
  run.py --braidd build/release/braidd --setting links --setting links-windows
  run.py --braidd build/release/braidd --local-access strict --ledger tests/conformance/ledger_strict.tsv \
      --base-ledger tests/conformance/ledger.tsv     where leases are the kernel's, too
  run.py --smbd /usr/sbin/smbd --group base          what Samba gets, for comparison

Each leaf test is one smbtorture process with a time limit of its own, so that a hang or a crash
costs one row. Most tests wait for time-outs, so several run side by side, each with a share of its
own, the longest first. A test with an unexpected result runs once more, alone, before it is
believed; one that then does what the ledger says is reported as flaky and does not fail the run.

Tests want different servers: each runs in one setting, the one its line in the ledger names, and so
counts once. The settings run side by side:

  loopback       a server on the loopback; where the ledger names none
  links          each smbtorture in a network namespace with a link of its own to the server, so that it
                 can cut its connections with iptables; needs root
  links-windows  the same with break_retry = "windows"
  kerberos       a KDC whose tickets expire; needs root
  rpc            rpc.*, as an administrator, against a server with Witness; needs root

The ledger (ledger.tsv) has one line per test: name, expected result, seconds it takes, reason where
the expectation is not "ok", setting. Results: ok, fail, error, skip, timeout, crash. An unexpected pass
fails the run like an unexpected failure: correct the ledger. --update writes what was seen into it.
samba.tsv says what Samba 4.17.12 gets, for the line at the end that compares.

Exit status: 0 all as expected, 1 otherwise, 2 nothing could be run, 77 skipped.
"""
import argparse
import concurrent.futures
import contextlib
import dataclasses
import itertools
import json
import os
import queue
import re
import shutil
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))

import kdc  # noqa: E402
import networks as nets  # noqa: E402
import server as servers  # noqa: E402
from ledger import MIN_LIMIT_S, Row, read_ledger, report, update  # noqa: E402
from scratch import Scratch  # noqa: E402
from shares import SNAPSHOT, STREAM, shares_for_tests  # noqa: E402

USER = servers.User("torture", "Gestell-1", "games" if os.geteuid() == 0 else None)
ADMIN = servers.User("administrator", "Gestell-3", "games")  # of the setting rpc
SERVER_NAME = "TORTURE"  # there, too: the domain whose accounts are asked for
USER2 = servers.User("torture2", "Gestell-2", "nobody" if os.geteuid() == 0 else None)

# What needs neither oplocks nor leases nor a second channel, apart from single tests the ledger names.
BASE = ("smb2.connect", "smb2.tcon", "smb2.session-id", "smb2.read", "smb2.rw", "smb2.mkdir",
        "smb2.maxfid", "smb2.getinfo", "smb2.setinfo", "smb2.dir", "smb2.compound",
        "smb2.compound_find", "smb2.credits", "smb2.charset", "smb2.timestamps",
        "smb2.timestamp_resolution", "smb2.create", "smb2.sharemode", "smb2.deny", "smb2.rename",
        "smb2.winattr", "smb2.dosmode", "smb2.session")


# With several workers its break and the answer that it looks at the break after come from two
# processes, either first: the CREATE of a deletion waits for no break.
ORDER_OF_PROCESSES = ("smb2.lease.unlink.unlink",)


@dataclasses.dataclass(frozen=True)
class Setting:
    """What a server is like, and how many tests it is asked at a time."""
    name: str
    jobs: int = 0  # 0: as --jobs says
    on_links: bool = False
    break_retry: str = "spec"
    kerberos: bool = False
    rpc: bool = False

    def missing(self):
        """Why it cannot be had here; empty if it can."""
        if self.on_links:
            return nets.missing() or ("" if shutil.which("iptables") else "needs iptables")
        if self.kerberos and os.geteuid() != 0:
            return "needs root for a view of its own of /etc/hosts"
        return ""


# Tests that cut their own connections mostly wait, so many fit side by side.
SETTINGS = {setting.name: setting for setting in (
    Setting("loopback"), Setting("links", jobs=12, on_links=True),
    Setting("links-windows", jobs=4, on_links=True, break_retry="windows"),
    Setting("kerberos", jobs=6, kerberos=True), Setting("rpc", jobs=4, on_links=True, rpc=True))}

# Benchmarks, scanners, tests that hold a handle for a person to look at, tests of Samba's own modules.
NO_TEST = re.compile(
    r"smb2\.(bench\.|scan\.|hold-|aio_delay\.|kernel-oplocks\.|notify-inotify|async_dosmode|"
    r"samba3misc|durable-open-disconnect|openattr_dummy)")

# Of RPC: the runtime, and the interfaces that are here, without the tests that change accounts or shares, and without
# rpc.witness.witness.AsyncNotify, which asks clusapi of a failover cluster and crashes or hangs without it.
RPC = ("rpc.altercontext", "rpc.asyncbind", "rpc.authcontext", "rpc.bind", "rpc.epmapper", "rpc.handles",
       "rpc.lsa-getuser", "rpc.lsa.lookupnames", "rpc.lsa.lookupsids", "rpc.lsalookup", "rpc.objectuuid",
       "rpc.samba3.bind", "rpc.samba3.getusername", "rpc.samba3.lsa", "rpc.samba3.pipes_supported_interfaces",
       "rpc.samba3.smb2-pipe-name", "rpc.samba3.smb2-pipe-read-close", "rpc.samba3.smb2-pipe-read-logoff",
       "rpc.samba3.smb2-pipe-read-tdis", "rpc.samba3.smb2-reauth1", "rpc.samba3.smb2-reauth2",
       "rpc.samba3.srvsvc", "rpc.samba3.wkssvc", "rpc.samr.accessmask", "rpc.samr.handletype", "rpc.srvsvc",
       "rpc.witness.witness.GetInterfaceList", "rpc.witness.witness.Register",
       "rpc.witness.witness.RegisterEx", "rpc.witness.witness.UnRegister", "rpc.wkssvc")
# What Macs want, without the tests that make a file on the server's disk as netatalk lays it out.
MAC = ("vfs.fruit", "vfs.fruit_file_id", "vfs.fruit_timemachine", "vfs.fruit_conversion")
# What is asked over TCP; all others over pipes.
RPC_BINDINGS = {"rpc.epmapper": "ncacn_ip_tcp:{host}[135]", "rpc.witness": "ncacn_ip_tcp:{host}[sign]"}

# Tests that want a share of another kind than the common ones.
OWN_SHARE = {"smb2.change_notify_disabled": "nonotify", "smb2.create_no_streams": "nostreams",
             "smb2.dosmode": "hidden", "smb2.twrp": "twrp", "smb2.zero-data-ioctl": "onefile",
             "smb2.replay.replay5": "ca_fo"}

# Tests that look at what their share says of itself run once more on shares of each kind, one at a time, in the ledger
# as TEST@SHARE. The others of these suites want leases that a
# scale-out share does not give, and some say so and skip.
KNOW_SCALE_OUT = re.compile(r"smb2\.replay\.replay(-|[3457]\.)")
KNOW_FAILOVER = re.compile(r"smb2\.(durable-v2-open|replay\.replay)")
SHARE_KINDS = {"so": KNOW_SCALE_OUT, "ca_so": KNOW_SCALE_OUT, "ca_fo": KNOW_FAILOVER}

# What Windows does otherwise than its specification: on a share, one for each common one, that does so.
LIKE_WINDOWS = re.compile(r"smb2\.(replay\.dhv2-pending.*-windows|lock\.replay_broken_windows)")

# Tests that want to be told something.
OWN_OPTIONS = {
    # A synchronising open needs no further right, as in all Windows that are still maintained.
    "smb2.create.gentest": ("win7=yes",),
    # Where the security descriptor is, as long as the server is not root.
    "smb2.ea.acl_xattr": ("acl_xattr_name=NTACL",),
    "rpc.witness": (f"net_name={SERVER_NAME}",),
    # What a Mac's own server tells of itself is no mistake.
    **{suite: ("osx=yes",) for suite in MAC},
    "smb2.twrp": (f"twrp_snapshot={SNAPSHOT}", "twrp_file=file", "twrp_stream=stream",
                  f"twrp_stream_size={len(STREAM)}"),
    "smb2.set-sparse-ioctl": ("filename=file",),
    "smb2.zero-data-ioctl": ("filename=file", "offset=0", "beyond_final_zero=4096"),
}


def in_suites(name, suites):
    return any(name == suite or name.startswith(suite + ".") for suite in suites)


def torture_tests(binary):
    listing = subprocess.run([binary, "--list"], capture_output=True, text=True, timeout=60,
                             check=True).stdout
    names = [line.strip() for line in listing.splitlines()]
    return [name for name in names if in_suites(name, RPC) or in_suites(name, MAC)
            or (name.startswith("smb2.") and not NO_TEST.match(name))]


def on_kinds(names, args, ledger):
    """Those that run on other kinds of shares, too, by the names that the ledger has for that."""
    return [] if args.smbd else [
        f"{name}@{kind}" for name in names for kind, knows in SHARE_KINDS.items()
        if knows.match(name) and ledger.get(name, Row()).setting == "loopback"
        and not any(in_suites(name, (suite,)) and own == kind for suite, own in OWN_SHARE.items())]


def select(names, args):
    if args.only:
        return [n for n in names if in_suites(n, args.only) and not in_suites(n, args.skip)]
    return [n for n in names if (args.group == "all" or in_suites(n, BASE))
            and not in_suites(n, args.skip)]


class Result:
    def __init__(self, kind, seconds, reason, text):
        self.kind, self.seconds, self.reason, self.text = kind, seconds, reason, text


def read_output(status, text):
    """(kind, reason) out of smbtorture's subunit-like output."""
    kinds = {kind for kind, _ in re.findall(r"^(success|failure|error|skip): (\S.*)$", text, re.M)}
    bracket = re.search(r"^(?:failure|error|skip): .*?\[\s*\n(.*?)\n\]", text, re.M | re.S)
    reason = " ".join(bracket.group(1).split())[:300] if bracket else ""
    if status < 0:
        return "crash", f"smbtorture got signal {-status}"
    for word, kind in (("failure", "fail"), ("error", "error"), ("success", "ok"), ("skip", "skip")):
        if word in kinds:
            return kind, "" if kind == "ok" else reason
    return "error", " ".join(text.split())[-300:]


def rpc_binding(name, host):
    return next((binding for suite, binding in RPC_BINDINGS.items() if in_suites(name, (suite,))),
                "ncacn_np:{host}").format(host=host)


class Runner:
    """Runs tests against one server."""

    def __init__(self, args, scratch, setting, ledger):
        self.args, self.scratch, self.setting, self.ledger = args, scratch, setting, ledger
        self.server = self.networks = None
        self.realm = None  # the KDC's directory
        self.kinds = {kind: threading.Lock() for kind in SHARE_KINDS}
        self.users = itertools.count()
        # smbtorture's own state (secrets, locks) stays out of the machine's directories.
        self.config = scratch.file(f"{setting.name}.smbtorture.conf")
        state = scratch.directory(f"{setting.name}.smbtorture.state", mode=0o700)
        with open(self.config, "w", encoding="utf-8") as config:
            config.write("[global]\nclient min protocol = SMB2_02\n" + "".join(
                f"{key} = {state}\n" for key in ("private dir", "lock directory", "state directory",
                                                 "cache directory", "pid directory")))

    def run(self, name, share):
        """On `share`, whose number is also that of the link, or on the one that the name has behind it."""
        number = int(share.removeprefix("torture"))
        test, _, kind = name.partition("@")
        share = kind or next((own for suite, own in OWN_SHARE.items() if in_suites(name, (suite,))), share)
        if LIKE_WINDOWS.match(name):
            share = share.replace("torture", "windows")
        with self.kinds.get(share, contextlib.nullcontext()):
            return self.run_on(test, name, share, number)

    def own_user(self):
        """One that has done nothing before. Where leases are the kernel's, who answers no break, as a test
        may, is granted nothing for minutes: the next test is not to suffer for it."""
        if self.args.local_access != "strict" or self.realm:
            return USER
        user = dataclasses.replace(USER, name=f"{USER.name}.{next(self.users)}")
        self.add_user(user)
        return user

    def add_user(self, user, *flags):
        subprocess.run([self.server.braidctl, "--config", self.server.config, "user", "add", user.name, *flags,
                        *(("--unix-user", user.unix_user) if user.unix_user else ())],
                       input=f"{user.password}\n", text=True, check=True, stdout=subprocess.DEVNULL, timeout=60)

    def run_on(self, test, name, share, number):
        """The test that the ledger has by `name`."""
        self.empty(share)
        user = self.own_user()
        row = self.ledger.get(name, Row())
        limit = max(MIN_LIMIT_S, 4 * row.seconds) * self.args.patience
        # It leaves folders behind.
        scratch = self.scratch.directory(f"{self.setting.name}.smbtorture.state", share)
        command = [self.args.smbtorture, "--basedir", scratch, f"//{self.server.host}/{share}", test,
                   "-p", str(self.server.port), "-s", self.config,
                   "-U", f"{user.name}%{user.password}",
                   f"--option=torture:share2={share}",
                   f"--option=torture:user2name={USER2.name}",
                   f"--option=torture:user2password={USER2.password}"]
        command += [f"--option=torture:{option}" for suite, own in OWN_OPTIONS.items()
                    if in_suites(name, (suite,)) for option in own]
        command += [f"--option={option}" for option in self.args.option]
        env = dict(os.environ)
        if self.setting.rpc:
            command += ["-U", f"{ADMIN.name}%{ADMIN.password}", "-W", SERVER_NAME]
        if self.realm:
            # smbtorture takes the server's name for the ticket and resolves it: a view of its own
            # of /etc/hosts lets it.
            command[3] = f"//{kdc.HOST}/{share}"
            command = ["unshare", "--mount", "sh", "-c", 'mount --bind "$0" /etc/hosts; exec "$@"',
                       self.scratch.file("hosts"), *command, "--realm", kdc.REALM, "-k", "yes"]
            env["KRB5_CONFIG"] = os.path.join(self.realm, "krb5.conf")
        if self.networks:
            host = self.networks.address(number)
            command[3] = rpc_binding(name, host) if self.setting.rpc else f"//{host}/{share}"
            command += ["--option=torture:use_iptables=yes",
                        "--option=torture:iptables_command=iptables -w"]
            command = self.networks.command(self.networks.clients[number], *command)
        started = time.monotonic()
        try:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True, errors="replace",
                                  timeout=limit, cwd=scratch, env=env)
        except subprocess.TimeoutExpired as late:
            text = (late.stdout or b"").decode(errors="replace")
            return Result("timeout", time.monotonic() - started, f"no end in {limit:.0f} s", text)
        kind, reason = read_output(done.returncode, done.stdout)
        return Result(kind, time.monotonic() - started, reason, done.stdout)

    def empty(self, share):
        """Of what other tests left: some leave what the next one may not delete."""
        if share in OWN_SHARE.values() or share in SHARE_KINDS:
            return
        for entry in os.scandir(self.scratch.file(self.setting.name, share)):
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path, ignore_errors=True)
            else:
                os.unlink(entry.path)

    def end_left_opens(self):
        """Those that wait for clients that have ended: the one that a test has left behind is in the
        way of the next on its share."""
        if self.args.smbd:
            return
        command = [self.server.braidctl, "--config", self.server.config]
        shown = subprocess.run([*command, "--json", "opens"], capture_output=True, text=True, check=True,
                               timeout=60).stdout
        for each in json.loads(shown):
            if not each.get("session"):
                subprocess.run([*command, "open", "close", each["open"]], check=False, timeout=60,
                               capture_output=True)

    def expected(self, name):
        return self.ledger.get(name, Row("?")).expected

    def wants_second_look(self, name, result):
        """Whether a neighbour may be to blame; a new test that passed is believed at once."""
        return result.kind != self.ledger.get(name, Row()).expected

    def looks_at(self, name):
        """How often it runs alone at most."""
        return 8 if self.args.workers > 1 and name in ORDER_OF_PROCESSES else 1

    def run_setting(self, names):
        """({name: Result}, names of flaky ones, sentences about the server) of all the names."""
        with contextlib.ExitStack() as stack:
            jobs = min(self.setting.jobs or self.args.jobs, len(names))
            if self.setting.on_links:
                self.networks = stack.enter_context(nets.ManyClients(jobs))
            if self.setting.kerberos:
                self.realm = start_realm(self.args, self.scratch)
            self.server = servers.start(
                self.args, self.scratch, options(self.args, self.scratch, self, jobs),
                self.setting.name)
            if self.setting.rpc and not self.args.smbd:
                self.add_user(ADMIN, "--admin")
            results = self.run_all(names, [f"torture{n}" for n in range(jobs)])
            flaky = []
            for name in [n for n in results if self.wants_second_look(n, results[n])]:
                for _ in range(self.looks_at(name)):
                    self.end_left_opens()
                    again = self.run(name, "torture0")
                    self.tell("[alone]", name, again)
                    results[name] = again
                    if again.kind == self.expected(name):
                        flaky.append(name)
                        break
            return results, flaky, self.server.stop()

    def run_all(self, names, shares):
        """{name: Result}; as many at a time as there are shares."""
        free = queue.Queue()
        for share in shares:
            free.put(share)

        def on_a_free_share(name):
            share = free.get()
            try:
                return name, self.run(name, share)
            finally:
                free.put(share)

        results = {}
        longest_first = sorted(names, key=lambda n: -self.ledger.get(n, Row()).seconds)
        with concurrent.futures.ThreadPoolExecutor(len(shares)) as pool:
            runs = [pool.submit(on_a_free_share, name) for name in longest_first]
            for number, run in enumerate(concurrent.futures.as_completed(runs), 1):
                name, result = run.result()
                results[name] = result
                self.tell(f"[{number}/{len(names)}]", name, result)
        return results

    def tell(self, prefix, name, result):
        expected = self.expected(name)
        as_expected = result.kind == expected
        if as_expected and not self.args.verbose:
            return
        note = "" if as_expected else f" (expected {expected})"
        print(f"{prefix} {name}: {result.kind}{note}, {result.seconds:.1f} s {result.reason}",
              flush=True)
        if self.args.keep_output:
            with open(os.path.join(self.args.keep_output, f"{name}.txt".replace("/", "_")), "w",
                      encoding="utf-8") as out:
                out.write(result.text)


def start_realm(args, scratch):
    """A KDC for the Kerberos group; its directory."""
    with open(scratch.file("hosts"), "w", encoding="ascii") as hosts:
        hosts.write(f"127.0.0.1 {kdc.HOST} localhost\n")
    if args.smbd:
        USER.name = USER.unix_user  # Samba looks for the ticket's name among the machine's users
    return kdc.start(scratch, {USER.name: USER.password}, pac=not args.smbd)


def options(args, scratch, runner, jobs):
    setting, realm = runner.setting, runner.realm
    return servers.Options(
        shares_for_tests(scratch, setting.name, USER, jobs, args.continuous,
                         () if args.smbd else (f'local_access = "{args.local_access}"',)),
        [USER, USER2],
        realm=kdc.REALM if realm else None,
        keytab=os.path.join(realm, "server.keytab") if realm else None,
        # A server with test switches listens to the loopback only. On links, tests cut up to 32
        # idle channels one by one and then count on the client being there for 35 s more.
        env=({"BRAID_TEST_KEEPALIVE": "600"} if setting.on_links
             else {"BRAID_TEST_SWITCHES": "1"}) |
        ({"KRB5_CONFIG": os.path.join(realm, "krb5.conf")} if realm else {}),
        networks=runner.networks, break_retry=setting.break_retry, min_dialect="2.0.2",
        signing=args.signing, workers=args.workers,
        server_lines=("witness = true", f'name = "{SERVER_NAME}"') if setting.rpc else (),
        samba_global=["server multi channel support = yes", "smb2 leases = yes",
                      "smbd:FSCTL_SMBTORTURE = yes"],
        samba_share=[*args.samba_option, "vfs objects = acl_xattr streams_xattr", "ea support = yes",
                     "map hidden = no", "map system = no", "map readonly = no"])


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    servers.add_arguments(parser)
    parser.add_argument("--group", choices=("base", "all"), default="all")
    parser.add_argument("--setting", action="append", choices=list(SETTINGS), default=[],
                        help="only the tests of this setting; may repeat. With --only: these tests "
                        "in this setting, whatever the ledger says")
    parser.add_argument("--only", action="append", default=[], help="a test or suite; may repeat")
    parser.add_argument("--skip", action="append", default=[], help="a test or suite; may repeat")
    parser.add_argument("--jobs", type=int, default=4, help="tests at a time, each on its own share")
    parser.add_argument("--ledger", default=os.path.join(HERE, "ledger.tsv"))
    parser.add_argument("--base-ledger", help="the ledger that --ledger tells the differences from")
    parser.add_argument("--update", action="store_true", help="write the results into the ledger")
    parser.add_argument("--signing", choices=("required", "enabled"), default="required")
    parser.add_argument("--workers", type=int, default=1, help="of braidd")
    parser.add_argument("--continuous", action="store_true",
                        help="the common shares have persistent handles, too")
    parser.add_argument("--local-access", choices=("none", "notify", "strict"), default="notify",
                        help="of every share of braidd")
    parser.add_argument("--option", action="append", default=[], help="smb.conf option; may repeat")
    parser.add_argument("--samba-option", action="append", default=[],
                        help="with --smbd: a line for each share, such as 'oplocks = no'")
    parser.add_argument("--patience", type=float, default=1, help="multiplies the time limits")
    parser.add_argument("--keep-output", help="a directory for the output of unexpected results")
    parser.add_argument("--smbtorture", default="smbtorture")
    parser.add_argument("--verbose", action="store_true", help="a line for every test")
    args = parser.parse_args()
    ledger = (read_ledger(args.base_ledger) if args.base_ledger else {}) | read_ledger(args.ledger)
    try:
        names = torture_tests(args.smbtorture)
        names = select(names + on_kinds(names, args, ledger), args)
    except FileNotFoundError:
        print("smbtorture is missing: apt-get install samba-testsuite", file=sys.stderr)
        return 2
    if args.keep_output:
        os.makedirs(args.keep_output, exist_ok=True)

    plan = {}
    for name in names:
        home = ledger.get(name, Row()).setting
        wanted = args.setting if args.only and args.setting else [home]
        for setting in wanted:
            if not args.setting or setting in args.setting:
                plan.setdefault(setting, []).append(name)
    for setting in [s for s in plan if SETTINGS[s].missing()]:
        print(f"left out: {len(plan.pop(setting))} tests of {setting}: "
              f"{SETTINGS[setting].missing()}")
    if not plan:
        print("no such test here", file=sys.stderr)
        return 2
    started = time.monotonic()
    results, flaky, trouble, setting_of = {}, [], [], {}
    # Samba takes a ticket's name for a user of the machine: one setting after the other.
    at_a_time = 1 if args.smbd else len(plan)
    with Scratch(args.scratch) as scratch, concurrent.futures.ThreadPoolExecutor(
            at_a_time) as pool:
        runs = {setting: pool.submit(Runner(args, scratch, SETTINGS[setting], ledger).run_setting,
                                     plan[setting]) for setting in SETTINGS if setting in plan}
        for setting, run in runs.items():
            seen, unsteady, sentences = run.result()
            for name, result in seen.items():
                if name not in results or result.kind == "ok":
                    results[name], setting_of[name] = result, setting
            flaky += unsteady
            trouble += sentences
    if args.update:
        update(args, ledger, results, setting_of)
    return report(results, ledger, flaky, trouble, time.monotonic() - started)


if __name__ == "__main__":
    sys.exit(main())
