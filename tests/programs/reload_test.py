#!/usr/bin/env python3
"""A configuration that changes while the server runs: SIGHUP and braidctl reload."""
import json
import os
import pathlib
import re
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import suite  # noqa: E402
from case import ALICE, ControlCase  # noqa: E402
from control_test import Interactive  # noqa: E402
from server import ids_of  # noqa: E402
from smbclient import SmbClient  # noqa: E402


class Reload(ControlCase):
    def setUp(self):
        super().setUp()
        self.config = pathlib.Path(self.server.config)

    def replace(self, old, new):
        text = self.config.read_text(encoding="utf-8")
        self.assertIn(old, text)
        self.config.write_text(text.replace(old, new, 1), encoding="utf-8")

    def set_key(self, key, value):
        """Of [server]."""
        text = re.sub(rf"(?m)^{key} = .*\n", "", self.config.read_text(encoding="utf-8"))
        self.config.write_text(text.replace("[server]", f"[server]\n{key} = {value}", 1),
                               encoding="utf-8")

    def add_share(self, name):
        folder = self.scratch.directory(name, owner=ids_of(ALICE))
        with open(self.config, "a", encoding="utf-8") as config:
            config.write(f'\n[[share]]\nname = "{name}"\npath = "{folder}"\n')
        return folder

    def reload(self, word="took the new configuration"):
        """Returns when each worker has it."""
        count = self.server.log_text().count(word)
        done = self.ctl("reload")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertTrue(done.stdout.startswith(f"the server runs with {self.config}\n"), done.stdout)
        self.wait_for(lambda: self.server.log_text().count(word) >= count + self.workers, word)
        return done.stdout.splitlines()[1:]

    def client(self, share="share"):
        return SmbClient(self.scratch, self.server, ALICE, share=share)

    def test_new_share(self):
        connected = Interactive(self, ALICE)
        self.assertEqual(self.client("more").run("ls").nt_status, "NT_STATUS_BAD_NETWORK_NAME")
        folder = self.add_share("more")
        pathlib.Path(folder, "inside").touch()
        self.reload()
        self.assertIn("share 'more' is new", self.server.log_text())
        self.assertIn("inside", self.client("more").run("ls").text)
        self.assertIn("more", self.client().list_shares().text)
        self.assertIn("report.txt", connected.run("ls"))

    def test_share_that_goes(self):
        self.add_share("more")
        self.reload()
        connected = Interactive(self, ALICE, share="more")
        text = self.config.read_text(encoding="utf-8")
        self.config.write_text(text[:text.rindex("[[share]]")], encoding="utf-8")
        self.reload()
        self.assertIn("share 'more' is gone", self.server.log_text())
        self.assertEqual(self.client("more").run("ls").nt_status, "NT_STATUS_BAD_NETWORK_NAME")
        self.assertNotIn("more", self.client().list_shares().text)
        self.assertNotIn("NT_STATUS", connected.run("mkdir folder"))

    def test_share_that_changes(self):
        connected = Interactive(self, ALICE)
        self.replace('name = "share"', 'name = "share"\nread_only = true')
        self.reload()
        self.assertIn("share 'share' has changed", self.server.log_text())
        # Who is connected may not go on writing.
        self.wait_for(lambda: "the connection of 'alice' is ended" in self.server.log_text(), "its end")
        self.assertRegex(connected.run("mkdir before"), "NT_STATUS_|not connected|Server stopped")
        self.assertFalse(os.path.exists(os.path.join(self.root, "before")))
        self.assertEqual(self.client().run("mkdir after").nt_status, "NT_STATUS_ACCESS_DENIED")
        # Back again: the one that is as it was is not opened anew.
        self.reload()
        self.assertEqual(self.server.log_text().count("share 'share' has changed"), self.workers)

    def test_share_that_is_encrypted_from_now_on(self):
        plain, other = Interactive(self, ALICE), Interactive(self, ALICE, protection="encrypt")
        self.replace('name = "share"', 'name = "share"\nencrypt = true')
        self.reload()
        self.wait_for(lambda: "the connection of 'alice' is ended" in self.server.log_text(), "its end")
        for client in (plain, other):
            self.assertRegex(client.run("ls"), "NT_STATUS_|not connected|Server stopped")
        self.assertIn("report.txt", self.client().run("ls").text)
        # What is less strict waits for the next connection, and ends nobody.
        connected = Interactive(self, ALICE, protection="encrypt")
        self.replace('encrypt = true\n', "")
        self.reload()
        self.assertIn("report.txt", connected.run("ls"))

    def test_protection_of_new_connections(self):
        connected = Interactive(self, ALICE)
        self.set_key("encryption", '"required"')
        self.reload()
        self.assertIn("report.txt", connected.run("ls"))
        other = Interactive(self, ALICE)
        self.assertIn("report.txt", other.run("ls"))
        found = sorted(session["encryption"] for session in self.ask("sessions"))
        self.assertEqual([name == "off" for name in found].count(True), 1, found)

    def test_ends_when_every_worker_has_it(self):
        self.add_share("more")
        done = self.ctl("reload", "--json")
        self.assertEqual((done.returncode, json.loads(done.stdout), done.stderr),
                         (0, {"taken": True, "waiting": []}, ""))
        for _ in range(2 * self.workers):
            self.assertTrue(self.client("more").run("ls").ok)

    def test_setting_without_effect_is_said(self):
        self.set_key("compression", "[]")
        with open(self.config, "a", encoding="utf-8") as config:
            config.write('compress = "always"\n')
        self.reload()
        self.assertIn('compress = "always" has no effect while compression = []',
                      self.server.log_text())
        self.assertIn('compress = "always" has no effect', self.ctl("config", "check").stdout)

    def test_folder_that_is_a_file(self):
        folder = self.add_share("more")
        os.rmdir(folder)
        pathlib.Path(folder).touch()
        self.assert_one_line(self.ctl("reload"), "more")
        # Told by a signal the server finds out by itself, and stays as it was.
        self.server.process.send_signal(signal.SIGHUP)
        self.wait_for(lambda: "the configuration stays as it was" in self.server.log_text(),
                      "a word about the mistake")
        self.assertIn("report.txt", self.client().run("ls").text)

    def test_what_waits_for_a_restart(self):
        self.set_key("break_retry", '"windows"')
        self.set_key("interfaces", '["lo"]')
        said = [f"the new value of {key} waits for a restart"
                for key in ("interfaces", "break_retry")]
        self.assertEqual(self.reload(), said)
        for line in said:
            self.assertIn(line, self.server.log_text())
        # For as long as they wait, and to who asks another time.
        self.assertEqual(json.loads(self.ctl("reload", "--json").stdout)["waiting"],
                         ["interfaces", "break_retry"])
        self.set_key("break_retry", '"spec"')
        self.assertEqual(self.reload(), said[:1])

    def test_log_level_of_those_that_serve(self):
        where = r"(?m) debug \[worker" if not self.single_process else r"(?m) debug "
        self.assertTrue(self.client().run("ls").ok)
        self.assertNotRegex(self.server.log_text(), where)
        self.set_key("log_level", '"debug"')
        self.reload()
        self.assertTrue(self.client().run("ls").ok)
        self.wait_for(lambda: re.search(where, self.server.log_text()), "a line for debugging")
        self.set_key("log_level", '"error"')
        self.assertEqual(self.ctl("reload").returncode, 0)
        before = self.server.log_text()
        self.assertTrue(self.client().run("ls").ok)
        self.assertEqual([line for line in self.server.log_text()[len(before):].splitlines()
                          if " error " not in line and "took the new" not in line], [])

    def test_a_mistake_keeps_nobody_from_asking_the_server(self):
        text = self.config.read_text(encoding="utf-8")
        for mistake, where in (("workers = 1000", "workers = 1000 is not accepted"),
                               ("workers =", "not TOML: ")):
            connected = Interactive(self, ALICE)
            self.config.write_text(re.sub(r"(?m)^workers = .*$", mistake, text), encoding="utf-8")
            done = self.ctl("sessions")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn("  alice  valid  ", done.stdout)
            first, second = done.stderr.splitlines()
            self.assertIn(where, first)
            self.assertRegex(second, "this goes on with state_dir = .*/server.state; a reload")
            self.assertEqual(self.ctl("user", "disable", "alice").returncode, 0)
            self.assertRegex(connected.run("ls"), "NT_STATUS_|not connected")
            self.assertEqual(self.ctl("user", "enable", "alice").returncode, 0)
            self.assertEqual(self.ctl("interfaces").returncode, 2)
            self.assertEqual(self.ctl("user", "add", "carol").returncode, 2)
            self.assert_one_line(self.ctl("reload"), where)
        connected = Interactive(self, ALICE)
        session = json.loads(self.ctl("--json", "sessions").stdout)[0]["session"]
        self.assertEqual(self.ctl("session", "close", session).returncode, 0)
        self.assertRegex(connected.run("ls"), "NT_STATUS_|not connected")

    def test_no_server(self):
        self.server.process.terminate()
        self.server.process.wait()
        self.assert_one_line(self.ctl("reload"), "no server runs on .*; start it with braidd ")


class ReloadOfSeveralWorkers(Reload):
    workers = 3


class ReloadOfASingleProcess(Reload):
    single_process = True


if __name__ == "__main__":
    suite.main()
