#!/usr/bin/env python3
"""braidd and braidctl as commands: what they accept, what they complain about, their manual pages."""
import json
import os
import pathlib
import pwd
import re
import socket
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import suite  # noqa: E402
from scratch import Scratch  # noqa: E402
from server import is_sanitized  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]


class CommandLineCase(unittest.TestCase):
    def setUp(self):
        self.braidd = os.path.abspath(suite.arguments.braidd)
        self.braidctl = os.path.join(os.path.dirname(self.braidd), "braidctl")
        self.scratch = Scratch(suite.arguments.scratch)
        self.scratch.__enter__()
        self.addCleanup(self.scratch.__exit__)
        self.folder = self.scratch.directory("files")

    def config(self, server="", share=None):
        path = self.scratch.file("braid.toml")
        share = share or f'[[share]]\nname = "files"\npath = "{self.folder}"\n'
        with open(path, "w", encoding="utf-8") as out:
            out.write(f'[server]\nstate_dir = "{self.scratch.file("state")}"\n{server}\n{share}')
        return path

    def run_program(self, *command, text_in=""):
        return subprocess.run(command, input=text_in, capture_output=True, text=True, timeout=60,
                              check=False)

    def ctl(self, *arguments, text_in=""):
        return self.run_program(self.braidctl, "--config", self.config(), *arguments,
                                text_in=text_in)

    def assert_one_line(self, done, pattern, code=2):
        self.assertEqual(done.returncode, code, done.stderr)
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        self.assertRegex(done.stderr, pattern)


class Braidd(CommandLineCase):
    def test_check_of_a_good_file(self):
        done = self.run_program(self.braidd, "--config", self.config(), "--check")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertFalse(os.path.exists(self.scratch.file("state")), "--check made something")

    def test_unknown_key_names_the_nearest(self):
        done = self.run_program(self.braidd, "--config", self.config('sining = "required"'))
        self.assert_one_line(done, r"braid\.toml:3: unknown key sining .*did you mean signing\?")

    def test_bad_value(self):
        done = self.run_program(self.braidd, "--config", self.config("workers = 1000"), "--check")
        self.assert_one_line(done, r"braid\.toml:3: workers = 1000 is not accepted; give ")

    def test_missing_share_path(self):
        share = '[[share]]\nname = "gone"\npath = "/nonexistent/folder"\n'
        config = self.config(share=share)
        for program in ((self.braidd, "--config", config, "--check"),
                        (self.braidctl, "--config", config, "config", "check")):
            done = self.run_program(*program)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertIn("share 'gone' is absent: /nonexistent/folder: No such file", done.stdout)
        share = '[[share]]\nname = "file"\npath = "/etc/passwd"\n'
        done = self.run_program(self.braidd, "--config", self.config(share=share))
        self.assert_one_line(done, r"braid\.toml:6: path /etc/passwd is not a directory", code=1)

    def test_missing_file(self):
        self.assert_one_line(self.run_program(self.braidd, "--config", "/nonexistent.toml"),
                             "/nonexistent.toml: cannot be read: No such file", code=1)

    def test_both_programs_look_in_one_place(self):
        for program in (self.braidd, self.braidctl):
            self.assertIn("--config FILE=/etc/braid/braid.toml", self.run_program(program, "--help").stdout)

    def test_unknown_option(self):
        self.assert_one_line(self.run_program(self.braidd, "--frobnicate"),
                             "^braidd: .*--frobnicate.*; braidd --help shows the options")

    def test_port_in_use(self):
        with socket.create_server(("127.0.0.1", 0)) as other:
            address = f"127.0.0.1:{other.getsockname()[1]}"
            for mode in ([], ["--single-process"]):
                done = self.run_program(self.braidd, "--config",
                                        self.config(f'listen = ["{address}"]'), *mode)
                self.assert_one_line(done, f"cannot listen on {address}: Address already in use",
                                     code=1)

    def test_state_folder_that_cannot_be_made(self):
        config = self.scratch.file("bad.toml")
        with open(config, "w", encoding="utf-8") as out:
            out.write('[server]\nlisten = ["127.0.0.1:0"]\nstate_dir = "/proc/no/state"\n')
        for mode in ([], ["--single-process"]):
            done = self.run_program(self.braidd, "--config", config, *mode)
            self.assertEqual(done.returncode, 1, done.stderr)
            said = [line for line in done.stderr.splitlines() if line.startswith("braidd: ")]
            self.assertEqual(len(said), 1, done.stderr)
            self.assertRegex(said[0], "state_dir /proc/no/state: .*; correct state_dir")

    def test_status_2_is_for_the_text_only(self):
        # A service manager does not try again after 2.
        gone = 'keytab = "/nonexistent/keytab"'
        done = self.run_program(self.braidd, "--config", self.config(gone))
        self.assert_one_line(done, "keytab /nonexistent/keytab: No such file", code=1)
        done = self.run_program(self.braidd, "--config", self.config(gone + "\nsining = 1"))
        self.assertEqual((done.returncode, done.stderr.count("\n")), (2, 2), done.stderr)

    def test_what_is_no_keytab_is_said_once(self):
        config = self.config('listen = ["127.0.0.1:0"]\nkeytab = "/etc/hostname"')
        done = self.run_program(self.braidd, "--config", config)
        self.assertEqual(done.returncode, 1, done.stderr)
        said = [line for line in done.stderr.splitlines() if "keytab" in line]
        self.assertEqual(len(said), 1, done.stderr)
        self.assertRegex(said[0], "^braidd: keytab /etc/hostname: .*; correct keytab in ")

    @unittest.skipUnless(os.geteuid() == 0, "becomes another user")
    def test_limit_of_threads_is_judged_at_the_start(self):
        config = self.config('listen = ["127.0.0.1:0"]\nworkers = 64\nthreads = 256')
        done = self.run_program("setpriv", "--reuid", "nobody", "--clear-groups", "prlimit",
                                "--nproc=2000:2000", self.braidd, "--config", config)
        self.assert_one_line(done, r"^braidd: workers = 64, of 256 threads each, need \d+ threads with .*"
                             r"RLIMIT_NPROC.* has \d+; raise that, or lower workers or threads", 1)

    def test_threads_that_cannot_be_made_are_one_line(self):
        if is_sanitized(self.braidd):
            self.skipTest("sanitizers take more than there is")
        config = self.config('listen = ["127.0.0.1:0"]\nthreads = 64')
        for mode in ([], ["--single-process"]):
            done = self.run_program("prlimit", "--as=300000000", self.braidd, "--config", config,
                                    *mode)
            self.assertEqual(done.returncode, 1, done.stderr)
            said = [line for line in done.stderr.splitlines() if " listening on " not in line]
            self.assertEqual(len(said), 1, done.stderr)
            self.assertRegex(said[0], r"^braidd: cannot make the \d+ threads of the server: .*; "
                             "raise what limits them .*, or lower workers or threads in ")

    def test_state_that_is_lost_is_named(self):
        own = "nobody" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
        self.ctl("user", "add", "alice", "--unix-user", own, text_in="secret-1\n")
        key = pathlib.Path(self.scratch.file("state", "users.key"))
        key.unlink()
        config = self.config('listen = ["127.0.0.1:0"]')
        for mode in ([], ["--single-process"]):
            done = self.run_program(self.braidd, "--config", config, *mode)
            self.assertEqual(done.returncode, 1, done.stderr)
            self.assertRegex(done.stderr.splitlines()[-1],
                             f"^braidd: {key} is missing, and .*/users cannot be read without it; "
                             "bring it back from a backup, or remove ")
        self.assert_one_line(self.ctl("user", "list"), f"^braidctl: {key} is missing")
        self.assertFalse(key.exists(), "a key that opens nothing")
        pathlib.Path(self.scratch.file("state", "users")).unlink()
        pathlib.Path(self.scratch.file("state", "domain_sid")).write_text("x", encoding="ascii")
        pathlib.Path(self.scratch.file("state", "domain_sid")).chmod(0o600)
        done = self.run_program(self.braidd, "--config", config)
        self.assertRegex(done.stderr.splitlines()[-1], "/domain_sid is damaged; bring it back")

    def test_complaints_move_no_cursor(self):
        for program in ((self.braidd,), (self.braidctl, "config", "check")):
            done = self.run_program(program[0], "--config",
                                    self.config('name = "\\u001b[2J\\u009b"\n"a\u009b" = 1'),
                                    *program[1:])
            self.assertEqual(done.returncode, 2)
            self.assertTrue(done.stderr.isascii(), ascii(done.stderr))
            self.assertNotIn("\x1b", done.stderr)

    def test_version_and_help(self):
        self.assertRegex(self.run_program(self.braidd, "--version").stdout, r"^braid \d+\.\d+")
        done = self.run_program(self.braidd, "--help")
        self.assertEqual(done.returncode, 0)
        self.assertNotIn("--role", done.stdout)
        self.assertIn("[[share]]", self.run_program(self.braidd, "--config-help").stdout)


class Braidctl(CommandLineCase):
    def add(self, name, *arguments):
        # Nobody acts as root over the network.
        own = "nobody" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
        return self.ctl("user", "add", name, "--unix-user", own, *arguments, text_in="secret-1\n")

    def users(self):
        done = self.ctl("--json", "user", "list")
        self.assertEqual(done.returncode, 0, done.stderr)
        return {user["name"]: user for user in json.loads(done.stdout)}

    def test_add_list_remove(self):
        self.assertEqual(self.add("alice").returncode, 0)
        self.assertEqual(self.add("bob", "--admin").returncode, 0)
        users = self.users()
        self.assertEqual(sorted(users), ["alice", "bob"])
        self.assertEqual([users["alice"]["admin"], users["bob"]["admin"]], [False, True])
        self.assertIn("alice", self.ctl("user", "list").stdout)
        self.assertEqual(self.ctl("user", "remove", "ALICE").returncode, 0)
        self.assertEqual(sorted(self.users()), ["bob"])

    def test_add_twice(self):
        self.add("alice")
        self.assert_one_line(self.add("alice"), "user alice is already there; ")

    def test_users_that_are_not_there(self):
        for command in ("remove", "password", "disable", "enable"):
            self.assert_one_line(self.ctl("user", command, "carol", text_in="x\n"),
                                 "there is no user carol; ")

    def test_disable_and_enable(self):
        self.add("alice")
        self.assertEqual(self.ctl("user", "disable", "alice").returncode, 0)
        self.assertTrue(self.users()["alice"]["disabled"])
        self.assertEqual(self.ctl("user", "enable", "alice").returncode, 0)
        self.assertFalse(self.users()["alice"]["disabled"])

    def test_password_is_kept_out_of_sight(self):
        self.add("alice")
        for entry in pathlib.Path(self.scratch.file("state")).iterdir():
            self.assertEqual(entry.stat().st_mode & 0o077, 0, entry)
            self.assertNotIn(b"secret-1", entry.read_bytes())
        self.assertEqual(self.ctl("user", "password", "alice", text_in="other-2\n").returncode, 0)
        self.assert_one_line(self.ctl("user", "password", "alice", text_in="\n"),
                             "an empty password is not accepted")

    def test_unix_user_that_is_not_there(self):
        done = self.ctl("user", "add", "alice", "--unix-user", "no-such-user-x", text_in="x\n")
        self.assert_one_line(done, "no Unix user no-such-user-x; " if os.geteuid() == 0
                             else "every request acts as")

    @unittest.skipUnless(os.geteuid() == 0, "without root everybody acts as who runs the server")
    def test_system_users_are_nobodys_account(self):
        for name, what in (("root", "has uid 0, and nobody acts as root over the network; "),
                           ("games", "has uid 5, below min_uid 1000 of ")):
            done = self.ctl("user", "add", "eve", "--unix-user", name, text_in="x\n")
            self.assert_one_line(done, f"the Unix user {name} {what}")
        config = self.config("min_uid = 1")
        for name, code in (("root", 2), ("games", 0)):
            done = self.run_program(self.braidctl, "--config", config, "user", "add", name,
                                    text_in="x\n")
            self.assertEqual(done.returncode, code, done.stderr)

    @unittest.skipUnless(os.geteuid() == 0, "becomes another user")
    def test_rdma_check_says_that_it_is_not_root(self):
        config = self.config("rdma = true")
        command = (self.braidctl, "--config", config, "rdma", "check")
        who = r"(?m)^rights +missing +this is not root"
        self.assertNotRegex(self.run_program(*command).stdout, who)
        done = self.run_program("setpriv", "--reuid", "nobody", "--clear-groups", *command)
        self.assertRegex(done.stdout, who)
        self.assertRegex(done.stdout, r"(?m)^device ")

    def test_names_do_not_reach_the_terminal(self):
        name = "a\u009b2J\u202eb"
        self.assertEqual(self.add(name).returncode, 0)
        self.assertEqual(list(self.users()), [name])
        shown = self.ctl("user", "list").stdout + self.ctl("--json", "user", "list").stdout
        self.assertTrue(shown.isascii(), shown)
        done = self.ctl("user", "remove", "x\x1b[2Jy")
        self.assert_one_line(done, r"no user x\\u\{1b\}\[2Jy; ")

    def test_bad_names(self):
        for name in ("a/b", "x" * 21):
            # Before a password is asked for: there is none.
            self.assert_one_line(self.ctl("user", "add", name), "is no account name; use up to 20")

    def test_mistakes_of_the_command_are_one_line_that_names_them(self):
        for words, line in ((("frobnicate",), "there is no command frobnicate; braidctl --help"),
                            (("user", "ad", "alice"), "there is no command ad; did you mean add. braidctl user --help"),
                            ((), "no command; braidctl --help"),
                            (("user",), "no command; braidctl user --help"),
                            (("user", "add"), "NAME is required; braidctl user add --help"),
                            (("user", "list", "--frob"), "--frob; braidctl user list --help"),
                            (("sessions", "x"), "x; braidctl sessions --help"),
                            (("channel", "close", "0x1", "-1"), "-1 is no number of a channel; "),
                            (("channel", "close", "0x1", "9" * 20), "9 is no number of a channel; "),
                            (("channel", "close", "x", "1"), "x .*; ")):
            self.assert_one_line(self.ctl(*words), f"^braidctl: .*{line}")

    def test_help_of_admin_names_all_it_allows(self):
        self.assertRegex(" ".join(self.ctl("user", "add", "--help").stdout.split()),
                         "--admin .*sessions.*quotas")

    def test_config_check(self):
        self.assertEqual(json.loads(self.ctl("--json", "config", "check").stdout),
                         {"ok": True, "shares": 1, "absent": [], "without_effect": [], "unfit": []})
        config = self.config(share='[[share]]\nname = "gone"\npath = "/nonexistent/folder"\n')
        done = self.run_program(self.braidctl, "--config", config, "--json", "config", "check")
        self.assertEqual(json.loads(done.stdout)["absent"],
                         ["share 'gone' is absent: /nonexistent/folder: No such file or directory"])
        done = self.run_program(self.braidctl, "--config", self.config("sining = 1"), "config",
                                "check")
        self.assert_one_line(done, r"braid\.toml:3: unknown key")

    def test_config_keys(self):
        keys = json.loads(self.ctl("--json", "config", "keys").stdout)
        self.assertIn("read_only", [key["key"] for key in keys if key["section"] == "share"])
        self.assertLess(len(keys), 60)


class Interfaces(CommandLineCase):
    """In a network of its own: a pair of links with two addresses, one end of a second pair down."""

    SETUP = """
        ip link set lo up
        ip link add one type veth peer name other
        ip link set one up && ip link set other up
        ip addr add 10.7.1.1/24 dev one && ip addr add 10.7.1.2/24 dev one
        ip link add two type veth peer name another && ip addr add 10.7.2.1/24 dev two
        """

    def offers(self, *arguments, server="", before=""):
        """{address: verdict}"""
        done = self.run_program(
            "unshare", "--net", "sh", "-c", f'{self.SETUP}{before}\nexec "$@"', "sh", self.braidctl,
            "--config", self.config(server), "--json", "interfaces", *arguments)
        self.assertEqual(done.returncode, 0, done.stderr)
        return {each["address"]: each for each in json.loads(done.stdout)}

    def setUp(self):
        super().setUp()
        if os.geteuid() != 0:
            self.skipTest("a network of its own needs root")

    def verdicts(self, *arguments, **settings):
        return {address: each["verdict"]
                for address, each in self.offers(*arguments, **settings).items()
                if ":" not in address}

    def test_each_address_says_why(self):
        self.assertEqual(self.verdicts("--client", "10.7.1.9"), {
            "127.0.0.1": "loopback", "10.7.1.1": "offered", "10.7.1.2": "offered",
            "10.7.2.1": "link-down"})

    def test_client_without_a_route(self):
        far = ("--client", "198.51.100.7")
        self.assertEqual(self.verdicts(*far)["10.7.1.1"], "no-route")
        self.assertEqual(self.verdicts(*far, before="ip route add default via 10.7.1.9")["10.7.1.1"],
                         "offered")

    def test_client_on_loopback(self):
        self.assertEqual(self.verdicts("--client", "127.0.0.1")["127.0.0.1"], "offered")

    def test_configuration(self):
        rules = 'interfaces = ["10.7.1.2;movable", "one;speed=25G;rss"]'
        offers = self.offers("--client", "10.7.1.9", server=rules)
        self.assertEqual(offers["10.7.1.2"]["verdict"], "movable")
        self.assertEqual(offers["10.7.2.1"]["verdict"], "not-configured")
        one = offers["10.7.1.1"]
        self.assertEqual((one["offered"], one["speed"], one["rss"]), (True, 25_000_000_000, True))
        offers = self.offers("--client", "10.7.1.9", "--connected-to", "10.7.1.2", server=rules)
        self.assertTrue(offers["10.7.1.2"]["offered"])

    def test_listen_rules_addresses_out(self):
        verdicts = self.verdicts("--client", "10.7.1.9", server='listen = ["10.7.1.2:445"]')
        self.assertEqual((verdicts["10.7.1.1"], verdicts["10.7.1.2"]), ("not-listening", "offered"))

    def test_driver_says_the_speed(self):
        one = self.offers("--client", "10.7.1.9")["10.7.1.1"]
        self.assertTrue(one["speed_known"])
        self.assertGreater(one["speed"], 0)

    def test_table_has_a_line_for_each(self):
        done = self.ctl("interfaces")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, r"(?m)^lo +127\.0\.0\.1 .*not offered: a loopback address")

    def test_no_address(self):
        self.assert_one_line(self.ctl("interfaces", "--client", "localhost"),
                             "localhost is no address; give one in numbers")

    def test_bad_rule_in_the_configuration(self):
        done = self.run_program(self.braidctl, "--config", self.config('interfaces = ["eth0;fast"]'),
                                "interfaces")
        self.assert_one_line(done, r"braid\.toml:3: .*interfaces")


class ManualPages(CommandLineCase):
    def page(self, name):
        text = (ROOT / "docs" / "man" / name).read_text(encoding="utf-8")
        return text.replace("\\-", "-")

    def test_keys_are_those_of_the_tables(self):
        done = self.run_program(sys.executable, str(ROOT / "tools" / "config_man.py"),
                                "--braidctl", self.braidctl)
        self.assertEqual(done.returncode, 0, done.stderr)

    def options(self, *command):
        help_text = self.run_program(*command, "--help").stdout
        return set(re.findall(r"(?<!\S)--[a-z][a-z-]*", help_text))

    def test_options_are_all_there(self):
        braidd = self.options(self.braidd)
        self.assertIn("--check", braidd)
        for option in braidd:
            self.assertIn(option, self.page("braidd.8"))
        for command in ((), ("user",), ("user", "add"), ("share", "add"), ("share", "remove"), ("interfaces",), ("sessions",),
                        ("config",)):
            for option in self.options(self.braidctl, *command):
                self.assertIn(option, self.page("braidctl.8"))

    def test_commands_are_all_there(self):
        text = self.run_program(self.braidctl, "--help").stdout
        for command in re.findall(r"^  ([a-z]+) ", text.split("Subcommands:")[1], re.M):
            self.assertRegex(self.page("braidctl.8"), fr'(?m)^\.BI? "?{command}\b')
        for group in ("user", "share", "config", "session", "channel"):
            text = self.run_program(self.braidctl, group, "--help").stdout
            commands = re.findall(r"^  ([a-z]+) ", text.split("Subcommands:")[1], re.M)
            self.assertTrue(commands)
            for command in commands:
                self.assertIn(f"{group} {command}", self.page("braidctl.8"))


if __name__ == "__main__":
    suite.main()
