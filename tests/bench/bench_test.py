#!/usr/bin/python3
"""braid-bench's loads, each for a moment: it counts, it cleans up, and it says what it cannot do."""
import json
import os
import re
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import suite  # noqa: E402
from server import Options, Share, ids_of, test_users  # noqa: E402

ALICE = test_users()[0]
LIMIT_S = 120
MOMENT = ("--warm-up", "0", "--seconds", "0.05", "--clients", "2", "--in-flight", "2")
LOADS = {
    "echo": ("echo",),
    "read": ("read", "--size", "64K", "--file-size", "1M"),
    "random read": ("read", "--size", "4K", "--random", "--file-size", "1M"),
    "write": ("write", "--size", "1M", "--file-size", "2M"),
    "random write": ("write", "--size", "4K", "--random", "--file-size", "1M"),
    "open of one path": ("open",),
    "open of own paths": ("open", "--paths", "own"),
    "open of many paths": ("open", "--paths", "many", "--files", "50"),
    "small files": ("small-files", "--size", "4K"),
    "stat": ("stat", "--paths", "own"),
    "stat of many paths": ("stat", "--paths", "many", "--files", "50"),
    "list": ("list", "--files", "300"),
    "lock": ("lock",),
    "lease break": ("lease-break",),
    "logon": ("logon",),
    "logon and connection": ("logon", "--connect"),
    "office": ("office",),
}
WITHOUT_BYTES = {"echo", "open", "list", "lock", "lease-break", "logon"}


def run(server, *words, password=ALICE.password, user=ALICE.name, port=None):
    return subprocess.run(
        [suite.arguments.bench, "--server", f"{server.host}:{port or server.port}", "--user", user, *words],
        env=os.environ | {"BRAID_BENCH_PASSWORD": password}, capture_output=True, text=True,
        timeout=LIMIT_S)


class Case(suite.ServerCase):
    signing = "enabled"

    @classmethod
    def options(cls, scratch):
        cls.folder = scratch.directory("share", owner=ids_of(ALICE))
        return Options([Share("share", cls.folder)], [ALICE],
                       signing=cls.signing)

    def measured(self, *words, threads=1):
        # Before the load: whose options these are.
        done = run(self.server, "--server-pid", str(self.server.process.pid), *words, "--json",
                   "--threads", str(threads))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stderr, "")
        self.assertEqual(os.listdir(self.scratch.file("share")), [])
        return json.loads(done.stdout)

    def refused(self, line, *words, **options):
        done = run(self.server, *words, **options)
        self.assertEqual(done.returncode, 2, done.stdout)
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        self.assertRegex(done.stderr, f"^braid-bench: {line}$")
        self.assertEqual(done.stdout, "")


class Loads(Case):
    def test_each_counts_its_operations(self):
        for name, words in LOADS.items():
            with self.subTest(name):
                found = self.measured(*words, *MOMENT)
                self.assertEqual(found["load"], words[0])
                server = found["servers"][0]
                self.assertGreaterEqual(server["operations"], 1)
                for number in ("operations_per_second", "server_memory_bytes", "client_cpu_us",
                               "latency_p50_us", "latency_max_us"):
                    self.assertGreater(server[number]["median"], 0, number)
                self.assertGreaterEqual(server["server_cpu_us"]["median"], 0)
                self.assertGreaterEqual(server["latency_p99_us"]["median"], server["latency_p50_us"]["median"])
                self.assertEqual(server["bytes_per_second"] is None, words[0] in WITHOUT_BYTES)

    def test_each_protection(self):
        for words, name in [(("--protection", "plain"), "plain"),
                            *[(("--signing", algorithm), f"signed ({algorithm})")
                              for algorithm in ("aes-gmac", "aes-cmac", "hmac-sha256")],
                            *[(("--protection", "encrypted", "--cipher", cipher), f"encrypted ({cipher})")
                              for cipher in ("aes-128-gcm", "aes-128-ccm", "aes-256-gcm", "aes-256-ccm")]]:
            for load in ("read", "write"):
                with self.subTest(name, load=load):
                    found = self.measured(*words, load, "--file-size", "1M", *MOMENT)
                    self.assertEqual(found["servers"][0]["protection"], name)
                    self.assertGreaterEqual(found["servers"][0]["operations"], 1)

    def test_clients_share_threads_and_have_channels(self):
        channel = f"{self.server.host}:{self.server.port}"
        found = self.measured("--channel", channel, "--channel", channel, "read", "--file-size", "1M", *MOMENT)
        self.assertGreaterEqual(found["servers"][0]["operations"], 1)
        found = self.measured("echo", *MOMENT[:-4], "--clients", "5", "--in-flight", "3", threads=2)
        self.assertEqual((found["clients"], found["threads"]), (5, 2))

    def test_two_servers_have_ratios(self):
        # The same one twice will do.
        versus = f"{self.server.port}:{self.server.process.pid}"
        found = self.measured("echo", *MOMENT, "--versus", versus, "--rounds", "3")
        self.assertEqual(len(found["servers"]), 2)
        for number in ("operations_per_second", "latency_p99_us", "server_memory_bytes"):
            ratio = found["ratios"][number]
            self.assertLessEqual(ratio["low"], ratio["median"])
            self.assertLessEqual(ratio["median"], ratio["high"])
        done = run(self.server, "echo", *MOMENT, "--versus", versus)
        self.assertRegex(done.stdout, r"(?m)^operations/s +.* to .*\)$")

    def test_idle_connections_have_memory_and_answer(self):
        found = self.measured("idle", "--connections", "20", "--opens", "30", "--busy", "5",
                              "--seconds", "0.05")
        server = found["servers"][0]
        self.assertIsNotNone(server["memory_bytes"])
        self.assertIsNotNone(server["memory_open_bytes"])
        self.assertGreater(server["open_cpu_us"], 0)
        self.assertGreaterEqual(server["operations"], 5)
        self.assertEqual(os.listdir(self.folder), [])  # what was made is gone
        self.assertGreater(server["latency_p99_us"], 0)

    def test_limits_need_no_server(self):
        done = subprocess.run([suite.arguments.bench, "limits", "--folder", self.scratch.path, "--seconds", "0.05",
                               "--json"], capture_output=True, text=True, timeout=LIMIT_S)
        self.assertEqual(done.returncode, 0, done.stderr)
        for number, value in json.loads(done.stdout).items():
            self.assertGreater(value, 0, number)

    def test_perf_is_told_when_is_measured(self):
        fifo = self.scratch.file("fifo")
        os.mkfifo(fifo)
        # Both ends, as perf has them: that of the writer comes and goes.
        with open(os.open(fifo, os.O_RDWR | os.O_NONBLOCK), "rb", buffering=0) as control:
            self.measured("--server-pid", str(self.server.process.pid), "echo", *MOMENT, "--rounds", "2",
                          "--perf-control", fifo)
            self.assertEqual(control.read(100), b"enable\ndisable\n" * 2)


class Mistakes(Case):
    def test_each_is_a_line(self):
        self.refused(r"no perf reads .*/nothing: No such file or directory",
                     "echo", *MOMENT, "--perf-control", self.scratch.file("nothing"))
        self.refused(r"no file to send can be made in /proc: .*", "limits", "--folder", "/proc")
        self.refused(r"cannot connect to 127\.0\.0\.1:1: Connection refused", "echo", port=1)
        self.refused(r"127\.0\.0\.1:\d+ does not let alice log on: STATUS_LOGON_FAILURE", "echo",
                     password="wrong")
        self.refused(r"127\.0\.0\.1:\d+ does not give the share other: STATUS_BAD_NETWORK_NAME",
                     "--share", "other", "echo")
        self.refused(r"no process has the number that --server-pid or --versus gives",
                     "--server-pid", "4194304", "echo")
        self.refused(r"connection 1 of 3: 127\.0\.0\.1:\d+ does not let alice log on: STATUS_LOGON_FAILURE",
                     "idle", "--connections", "3", password="wrong")

    def test_a_file_in_the_way_of_the_folder(self):
        path = self.scratch.file("share", "braid-bench")
        with open(path, "wb"):
            pass
        self.addCleanup(os.remove, path)
        self.refused(r"lock cannot begin on share share of 127\.0\.0\.1:\d+: STATUS_NOT_A_DIRECTORY", "lock")


@suite.braid_only
class SignaturesDemanded(Case):
    signing = "required"

    def test_nothing_is_plain(self):
        self.refused(r"127\.0\.0\.1:\d+ demands signatures: nothing is plain there",
                     "--protection", "plain", "echo")


class Manual(unittest.TestCase):
    def page(self):
        with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "docs", "man",
                               "braid-bench.1"), encoding="utf-8") as page:
            return page.read().replace(r"\-", "-")

    def test_has_every_command_and_option(self):
        def shown(*words):
            return subprocess.run([suite.arguments.bench, *words, "--help"], capture_output=True, text=True,
                                  timeout=LIMIT_S, check=True).stdout
        page = self.page()
        commands = [line.split()[0] for line in shown().split("Subcommands:")[1].splitlines()
                    if line.startswith("  ")]
        self.assertIn("lease-break", commands)
        named = {word for line in page.splitlines() if line.startswith(".B")
                 for word in re.split(r'[ ",]+', line)}
        self.assertLessEqual(set(commands), named)
        for text in (shown(), *[shown(command) for command in commands]):
            for line in text.splitlines():
                for option in re.findall(r"^ +(?:-\w,)?(--[\w-]+)", line):
                    self.assertTrue(option in page, f"{option} is not in the page")

    def test_has_every_number(self):
        page = self.page()
        for number in ("operations_per_second", "bytes_per_second", "server_cpu_us", "client_cpu_us",
                       "client_busy", "server_memory_bytes", "latency_mean_us", "latency_p50_us",
                       "latency_p90_us", "latency_p99_us", "latency_p999_us", "latency_max_us"):
            self.assertIn(number, page)


if __name__ == "__main__":
    suite.main(lambda parser: parser.add_argument("--bench", required=True, help="the built braid-bench"))
