#!/usr/bin/env python3
"""The page of braidctl web in a browser, while two clients move data: one on four channels."""
import os
import pathlib
import re
import signal
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import browser  # noqa: E402
import suite  # noqa: E402
from case import ALICE, BOB, ControlCase  # noqa: E402
from interactive import Interactive  # noqa: E402
from smbclient import SmbClient  # noqa: E402

TOKEN = "0123456789abcdef-and-more"


@unittest.skipIf(browser.missing(), browser.missing())
class InABrowser(ControlCase):
    def setUp(self):
        super().setUp()
        os.chmod(self.root, 0o777)
        token = pathlib.Path(self.scratch.file("token"))
        token.write_text(TOKEN, "ascii")
        token.chmod(0o600)
        self.web = subprocess.Popen(
            [self.server.braidctl, "--config", self.server.config, "web", "--listen", "127.0.0.1:0",
             "--token-file", str(token)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        self.addCleanup(self.end_web)
        port = int(re.fullmatch(r"listening on port (\d+)\n", self.web.stdout.readline())[1])
        self.url = f"http://127.0.0.1:{port}/"
        self.browser = browser.Browser(self, self.scratch.directory("browser"))
        self.browser.use_token(TOKEN)
        self.browser.size(1200, 900)

    def end_web(self):
        self.web.kill()
        self.web.wait()
        self.web.stdout.close()

    def start_four_channels(self):
        """Alice reads and writes until the test ends."""
        place = f"127.0.0.1:{self.server.port}"
        program = os.path.join(os.path.dirname(suite.arguments.braidd), "fault_client")
        client = subprocess.Popen(
            [program, "--user", ALICE.name, f"--server={place}", *["--channel", place] * 4, "work",
             "--leases", "--expectations", self.scratch.file("expectations")],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env=os.environ | {"BRAID_FAULT_PASSWORD": ALICE.password})
        self.addCleanup(client.wait)
        self.addCleanup(client.send_signal, signal.SIGKILL)

    def start_copies(self):
        """Bob copies a file to and fro until the test ends."""
        pathlib.Path(self.scratch.file("film")).write_bytes(os.urandom(16 << 20))
        copies = "put film film; get film film.back; " * 3000
        client = subprocess.Popen([*SmbClient(self.scratch, self.server, BOB).command(), "-c", copies],
                                  cwd=self.scratch.path, stdin=subprocess.DEVNULL,
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(client.wait)
        self.addCleanup(client.send_signal, signal.SIGKILL)

    def picture(self, name):
        if suite.arguments.pictures:
            self.browser.picture(os.path.join(suite.arguments.pictures, name))

    def fold(self, user):
        return (f"[...document.querySelectorAll('details')].find("
                f"each => each.querySelector('b').textContent === '{user}')")

    def test_two_clients_move_data(self):
        self.start_four_channels()
        self.start_copies()
        page = self.browser
        page.open(self.url)
        page.wait_for("document.querySelector('.state.good')")
        # Live: what was not there when the page was made comes by itself.
        page.wait_for(f"{self.fold('alice')} && "
                      f"{self.fold('alice')}.querySelector('summary').innerText.includes('4 channels')")
        page.wait_for(self.fold("bob") + " !== undefined")
        page.wait_for("[...document.querySelectorAll('.tile')].every(each => "
                      "!/^(read|written)$/.test(each.querySelector('span').textContent) || "
                      "/^[1-9.]+[0-9.]* [KM]B/.test(each.querySelector('b').textContent))")
        page.value(f"{self.fold('alice')}.querySelector('summary').click()")
        rows = f"{self.fold('alice')}.querySelector('table').rows"
        self.assertEqual(page.value(f"{rows}.length"), 5)
        page.wait_for(f"[...{rows}].slice(1).every(each => !/^0 B/.test(each.cells[4].textContent))")
        # What was unfolded stays so, however often the page is made anew.
        page.value("document.querySelector('main').firstElementChild.id = 'old'")
        page.wait_for("!document.getElementById('old')")
        self.assertTrue(page.value(f"{self.fold('alice')}.open"))
        self.picture("web.png")
        # A phone: nothing of the page is wider than it.
        page.size(390, 844, mobile=True)
        self.assertLessEqual(page.value("document.documentElement.scrollWidth"), 390)
        self.picture("web-phone.png")
        self.assertEqual(page.complaints, [])

    def test_a_session_is_ended_by_its_button(self):
        Interactive(self, BOB)
        page = self.browser
        page.open(self.url)
        page.wait_for(self.fold("bob") + " !== undefined")
        page.value(f"{self.fold('bob')}.querySelector('button[name=session]').click()")
        page.wait_for("document.body.innerText.includes('Nobody is here')")
        self.assertEqual(self.ask("sessions"), [])
        self.assertEqual(page.complaints, [])

    def test_trouble_is_seen_at_once(self):
        page = self.browser
        page.open(self.url)
        page.wait_for("document.querySelector('.state.good')")
        os.rename(self.root, self.root + ".away")
        self.addCleanup(os.rename, self.root + ".away", self.root)
        page.wait_for("document.querySelector('.state.bad')?.textContent"
                      ".includes('share share is absent')")
        self.assertEqual(page.value("document.title"), "braid: trouble")
        self.picture("web-trouble.png")
        self.end_web()
        page.wait_for("document.querySelector('.state.bad').textContent.includes('no connection')")

    def test_without_scripts(self):
        Interactive(self, BOB).run("open report.txt")
        page = self.browser
        page.use_script(False)
        page.open(self.url)
        page.wait_for(self.fold("bob") + " !== undefined")
        self.assertEqual(page.value("document.querySelector('meta[http-equiv=refresh]').content"), "10")
        page.value(f"{self.fold('bob')}.querySelector('summary').click()")
        self.assertTrue(page.value(f"{self.fold('bob')}.open"))
        self.assertIn("report.txt", page.value(f"{self.fold('bob')}.innerText"))

    def test_a_name_is_never_a_script(self):
        name = "<img src=x onerror=document.title='taken'>"
        wrong = SmbClient(self.scratch, self.server, type(BOB)(name, "x"))
        self.assertFalse(wrong.run("ls").ok)
        page = self.browser
        page.open(self.url)
        page.wait_for("document.body.innerText.includes('onerror')")
        self.assertEqual(page.value("document.querySelectorAll('img').length"), 0)
        page.value("document.querySelector('main').firstElementChild.id = 'old'")
        page.wait_for("!document.getElementById('old')")
        self.assertEqual(page.value("document.title"), "braid")
        self.assertEqual(page.complaints, [])


if __name__ == "__main__":
    suite.main(lambda parser: parser.add_argument("--pictures", help="folder to put pictures into"))
