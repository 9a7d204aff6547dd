#!/usr/bin/env python3
"""Runs smbtorture's SMB2/3 tests against a server and compares the results with a ledger.

  run.py --braidd build/release/braidd --group base
  run.py --braidd build/release/braidd --group all --jobs 4
  run.py --braidd build/release/braidd --only smb2.lock --verbose
  run.py --braidd build/release/braidd --group kerberos     sessions that expire; needs root
  run.py --smbd /usr/sbin/smbd --group base          what Samba gets, for comparison

Each leaf test is one smbtorture process with a time limit of its own, so that a hang or a crash
costs one row. Most tests wait for time-outs, so several run side by side, each with a share of its
own, the longest first. A test with an unexpected result runs once more, alone, before it is
believed; one that then does what the ledger says is reported as flaky and does not fail the run.

The ledger (ledger.tsv) has one line per test: name, expected result, seconds it takes, reason where
the expectation is not "ok". Results: ok, fail, error, skip, timeout, crash. An unexpected pass fails
the run like an unexpected failure: correct the ledger. --update writes what was seen into it.

Exit status: 0 all as expected, 1 otherwise, 2 nothing could be run, 77 skipped.
"""
import argparse
import concurrent.futures
import os
import queue
import re
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))

import kdc  # noqa: E402
import server as servers  # noqa: E402
from scratch import Scratch  # noqa: E402

USER = servers.User("torture", "Gestell-1", "games" if os.geteuid() == 0 else None)
USER2 = servers.User("torture2", "Gestell-2", "nobody" if os.geteuid() == 0 else None)

# What needs neither oplocks nor leases nor a second channel, apart from single tests the ledger names.
BASE = ("smb2.connect", "smb2.tcon", "smb2.session-id", "smb2.read", "smb2.rw", "smb2.mkdir",
        "smb2.maxfid", "smb2.getinfo", "smb2.setinfo", "smb2.dir", "smb2.compound",
        "smb2.compound_find", "smb2.credits", "smb2.charset", "smb2.timestamps",
        "smb2.timestamp_resolution", "smb2.create", "smb2.sharemode", "smb2.deny", "smb2.rename",
        "smb2.winattr", "smb2.dosmode", "smb2.session")
# Tests that skip themselves without a ticket; they have a ledger of their own.
KERBEROS = ("smb2.session.expire1n", "smb2.session.expire1s", "smb2.session.expire1e",
            "smb2.session.expire2s", "smb2.session.expire2e", "smb2.session.expire_disconnect")
# Sessions with several channels, of which some are blocked.
LATER = ("smb2.multichannel.oplocks", "smb2.multichannel.leases", "smb2.multichannel.bugs",
         "smb2.multichannel.generic.interface_info")
# Benchmarks, scanners, tests that hold a handle for a person to look at, tests of Samba's own modules.
NO_TEST = re.compile(
    r"smb2\.(bench\.|scan\.|hold-|aio_delay\.|kernel-oplocks\.|notify-inotify|async_dosmode|"
    r"samba3misc|durable-open-disconnect|openattr_dummy)")

# Tests that want a share of another kind than the common ones.
OWN_SHARE = {"smb2.change_notify_disabled": "nonotify", "smb2.twrp": "twrp",
             "smb2.zero-data-ioctl": "onefile"}

# What Windows does otherwise than its specification: on a share, one for each common one, that does so.
LIKE_WINDOWS = re.compile(r"smb2\.(replay\.dhv2-pending.*-windows|lock\.replay_broken_windows)")

# The previous version that the share "twrp" has.
SNAPSHOT = "@GMT-2024.02.29-12.00.00"
STREAM = b"in a stream"

# Tests that want to be told something.
OWN_OPTIONS = {
    # A synchronising open needs no further right, as in all Windows that are still maintained.
    "smb2.create.gentest": ("win7=yes",),
    # Where the security descriptor is, as long as the server is not root.
    "smb2.ea.acl_xattr": ("acl_xattr_name=NTACL",),
    "smb2.twrp": (f"twrp_snapshot={SNAPSHOT}", "twrp_file=file", "twrp_stream=stream",
                  f"twrp_stream_size={len(STREAM)}"),
    "smb2.set-sparse-ioctl": ("filename=file",),
    "smb2.zero-data-ioctl": ("filename=file", "offset=0", "beyond_final_zero=4096"),
}


MIN_LIMIT_S = 60  # for one test; one the ledger knows to be slow gets four times its time


def in_suites(name, suites):
    return any(name == suite or name.startswith(suite + ".") for suite in suites)


def torture_tests(binary):
    listing = subprocess.run([binary, "--list"], capture_output=True, text=True, timeout=60,
                             check=True).stdout
    names = [line.strip() for line in listing.splitlines() if line.startswith("smb2.")]
    return [name for name in names if not NO_TEST.match(name)]


def select(names, args):
    if args.only:
        return [n for n in names if in_suites(n, args.only) and not in_suites(n, args.skip)]
    wanted = {"kerberos": lambda n: in_suites(n, KERBEROS),
              "base": lambda n: in_suites(n, BASE),
              "all": lambda n: not in_suites(n, LATER)}[args.group]
    return [n for n in names if wanted(n) and not in_suites(n, args.skip)]


class Row:
    """One line of the ledger."""

    def __init__(self, expected="ok", seconds=0.0, reason=""):
        self.expected, self.seconds, self.reason = expected, seconds, reason


def read_ledger(path):
    rows = {}
    if os.path.exists(path):
        with open(path, encoding="utf-8") as table:
            for line in table:
                if line.startswith("smb2."):
                    name, expected, seconds, reason = (line.rstrip("\n") + "\t\t").split("\t")[:4]
                    rows[name] = Row(expected, float(seconds or 0), reason)
    return rows


def write_ledger(path, rows):
    with open(path, "w", encoding="utf-8") as table:
        table.write("# smbtorture 4.17 against braidd; see run.py. Columns: test, expected, seconds,"
                    " reason\n")
        for name in sorted(rows):
            row = rows[name]
            table.write(f"{name}\t{row.expected}\t{row.seconds:.0f}\t{row.reason}\n")


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


class Runner:
    def __init__(self, args, scratch, server, ledger, realm):
        self.realm = realm  # the KDC's directory, or None
        self.args, self.scratch, self.server, self.ledger = args, scratch, server, ledger
        # smbtorture's own state (secrets, locks) stays out of the machine's directories.
        self.config = scratch.file("smbtorture.conf")
        state = scratch.directory("smbtorture.state", mode=0o700)
        with open(self.config, "w", encoding="utf-8") as config:
            config.write("[global]\nclient min protocol = SMB2_02\n" + "".join(
                f"{key} = {state}\n" for key in ("private dir", "lock directory", "state directory",
                                                 "cache directory", "pid directory")))

    def run(self, name, share):
        share = next((own for suite, own in OWN_SHARE.items() if in_suites(name, (suite,))), share)
        if LIKE_WINDOWS.match(name):
            share = share.replace("torture", "windows")
        row = self.ledger.get(name, Row())
        limit = max(MIN_LIMIT_S, 4 * row.seconds) * self.args.patience
        scratch = self.scratch.directory("smbtorture.state", share)  # it leaves folders behind
        command = [self.args.smbtorture, "--basedir", scratch, f"//{self.server.host}/{share}", name,
                   "-p", str(self.server.port), "-s", self.config,
                   "-U", f"{USER.name}%{USER.password}",
                   f"--option=torture:share2={share}",
                   f"--option=torture:user2name={USER2.name}",
                   f"--option=torture:user2password={USER2.password}"]
        command += [f"--option=torture:{option}" for suite, own in OWN_OPTIONS.items()
                    if in_suites(name, (suite,)) for option in own]
        command += [f"--option={option}" for option in self.args.option]
        env = dict(os.environ)
        if self.realm:
            # smbtorture takes the server's name for the ticket and resolves it: a view of its own
            # of /etc/hosts lets it.
            command[3] = f"//{kdc.HOST}/{share}"
            command = ["unshare", "--mount", "sh", "-c", 'mount --bind "$0" /etc/hosts; exec "$@"',
                       self.scratch.file("hosts"), *command, "--realm", kdc.REALM, "-k", "yes"]
            env["KRB5_CONFIG"] = os.path.join(self.realm, "krb5.conf")
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

    def expected(self, name):
        return self.ledger.get(name, Row("?")).expected

    def wants_second_look(self, name, result):
        """Whether a neighbour may be to blame; a new test that passed is believed at once."""
        return result.kind != self.ledger.get(name, Row()).expected

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


def share_with_snapshot(scratch, uid_gid):
    root = scratch.directory("twrp", owner=uid_gid)
    then = os.path.join(root, ".snapshots", SNAPSHOT)
    os.makedirs(then)
    for folder in (root, then):
        path = os.path.join(folder, "file")
        with open(path, "w", encoding="ascii") as file:
            file.write("now" if folder == root else "as it was")
        try:
            os.setxattr(path, "user.DosStream.stream:$DATA", STREAM + b"\0")
        except OSError:
            pass  # without streams, then
        os.chown(path, *uid_gid)
    return servers.Share("twrp", root, snapshots=".snapshots")


def options(args, scratch, realm):
    uid_gid = servers.ids_of(USER)
    shares = [servers.Share(f"torture{n}", scratch.directory(f"torture{n}", owner=uid_gid))
              for n in range(args.jobs)]
    shares += [servers.Share(f"windows{n}", scratch.directory(f"windows{n}", owner=uid_gid),
                             compat="windows") for n in range(args.jobs)]
    shares.append(servers.Share("nonotify", scratch.directory("nonotify", owner=uid_gid),
                                change_notify=False))
    shares.append(servers.Share("noperm", scratch.directory("noperm", mode=0o700)))
    shares.append(servers.Share("hideunread", scratch.directory("hideunread", owner=uid_gid),
                                hide_unreadable=True))
    shares.append(share_with_snapshot(scratch, uid_gid))
    onefile = scratch.directory("onefile", owner=uid_gid)
    with open(os.path.join(onefile, "file"), "w", encoding="ascii") as file:
        file.write("something to overwrite\n" * 500)
    os.chown(file.name, *uid_gid)
    shares.append(servers.Share("onefile", onefile))
    return servers.Options(
        shares, [USER, USER2], realm=kdc.REALM if realm else None,
        keytab=os.path.join(realm, "server.keytab") if realm else None,
        env={"BRAID_TEST_SWITCHES": "1"} |
        ({"KRB5_CONFIG": os.path.join(realm, "krb5.conf")} if realm else {}),
        min_dialect="2.0.2", signing=args.signing, workers=1,
        samba_global=["server multi channel support = yes", "smb2 leases = yes", "smbd:FSCTL_SMBTORTURE = yes"],
        samba_share=[*args.samba_option, "vfs objects = acl_xattr streams_xattr", "ea support = yes",
                     "map hidden = no", "map system = no", "map readonly = no"])


def report(results, runner, flaky, trouble, seconds):
    unexpected = [n for n in results if results[n].kind != runner.expected(n)]
    passed = sum(r.kind == "ok" for r in results.values())
    skipped = sum(r.kind == "skip" for r in results.values())
    for name in sorted(flaky):
        print(f"flaky: {name}")
    for name in sorted(unexpected):
        print(f"unexpected: {name}: {results[name].kind}, expected {runner.expected(name)}; "
              f"{results[name].reason}")
    for sentence in trouble:
        print(sentence)
    # In unittest's words, for whoever adds suites up: what the ledger expects not to pass counts
    # as skipped.
    print(f"Ran {len(results)} tests in {seconds:.1f}s\n(failures={len(unexpected)}, "
          f"skipped={sum(results[n].kind != 'ok' for n in results if n not in unexpected)})")
    print(f"{len(results)} tests: {passed} passed, {len(results) - passed - skipped} failed, "
          f"{skipped} skipped; {len(unexpected)} unexpected, {len(flaky)} flaky")
    return 1 if unexpected or trouble else 0


def update(args, ledger, results):
    for name, result in results.items():
        old = ledger.get(name, Row("?"))
        reason = "" if result.kind == "ok" else (
            old.reason if old.expected == result.kind and old.reason else result.reason)
        # How long it took matters when it sets the limit; else every update would touch every line.
        about_as_long = abs(result.seconds - old.seconds) * 4 < MIN_LIMIT_S
        ledger[name] = Row(result.kind, old.seconds if about_as_long else result.seconds, reason)
    base = read_ledger(args.base_ledger) if args.base_ledger else {}
    write_ledger(args.ledger, {
        name: row for name, row in ledger.items()
        if name not in base or (row.expected, row.reason) != (base[name].expected, base[name].reason)})


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    servers.add_arguments(parser)
    parser.add_argument("--group", choices=("base", "all", "kerberos"), default="all")
    parser.add_argument("--only", action="append", default=[], help="a test or suite; may repeat")
    parser.add_argument("--skip", action="append", default=[], help="a test or suite; may repeat")
    parser.add_argument("--jobs", type=int, default=4, help="tests at a time, each on its own share")
    parser.add_argument("--ledger", help="default: ledger.tsv or ledger_kerberos.tsv")
    parser.add_argument("--base-ledger", help="the ledger that --ledger tells the differences from")
    parser.add_argument("--update", action="store_true", help="write the results into the ledger")
    parser.add_argument("--signing", choices=("required", "enabled"), default="required")
    parser.add_argument("--option", action="append", default=[], help="smb.conf option; may repeat")
    parser.add_argument("--samba-option", action="append", default=[],
                        help="with --smbd: a line for each share, such as 'oplocks = no'")
    parser.add_argument("--patience", type=float, default=1, help="multiplies the time limits")
    parser.add_argument("--keep-output", help="a directory for the output of unexpected results")
    parser.add_argument("--smbtorture", default="smbtorture")
    parser.add_argument("--verbose", action="store_true", help="a line for every test")
    args = parser.parse_args()
    try:
        names = select(torture_tests(args.smbtorture), args)
    except FileNotFoundError:
        print("smbtorture is missing: apt-get install samba-testsuite", file=sys.stderr)
        return 2
    if args.group == "kerberos" and os.geteuid() != 0:
        print("skipped: a view of its own of /etc/hosts needs root")
        return 77
    if not names:
        print("no such test", file=sys.stderr)
        return 2
    if args.keep_output:
        os.makedirs(args.keep_output, exist_ok=True)

    if not args.ledger:
        args.ledger = os.path.join(HERE, "ledger_kerberos.tsv" if args.group == "kerberos"
                                   else "ledger.tsv")
    ledger = (read_ledger(args.base_ledger) if args.base_ledger else {}) | read_ledger(args.ledger)
    started = time.monotonic()
    with Scratch(args.scratch) as scratch:
        realm = start_realm(args, scratch) if args.group == "kerberos" else None
        server = servers.start(args, scratch, options(args, scratch, realm))
        runner = Runner(args, scratch, server, ledger, realm)
        results = runner.run_all(names, [f"torture{n}" for n in range(args.jobs)])
        flaky = []
        for name in [n for n in results if runner.wants_second_look(n, results[n])]:
            again = runner.run(name, "torture0")
            runner.tell("[alone]", name, again)
            if again.kind == runner.expected(name):
                flaky.append(name)
            results[name] = again
        trouble = server.stop()
        if args.update:
            update(args, ledger, results)
        return report(results, runner, flaky, trouble, time.monotonic() - started)


if __name__ == "__main__":
    sys.exit(main())
