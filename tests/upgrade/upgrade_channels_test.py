#!/usr/bin/env python3
"""Upgrades in a row while one client works on four channels: it loses none of them, and nothing that was acknowledged.

The client is fault_client (../fault): records that are rewritten and read back, names, locks. Before the last of the
upgrades one is refused.
"""
import argparse
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from upgrade_test import ALICE, Upgraded, suite  # noqa: E402

CHANNELS = 4


class Channels(Upgraded):
    def setUp(self):
        self.workers = suite.arguments.workers
        super().setUp()

    def start(self, *arguments):
        place = f"{self.server.host}:{self.server.port}"
        errors = self.scratch.file("fault_client.err")
        with open(errors, "wb") as stream:
            client = subprocess.Popen(
                [os.path.abspath(suite.arguments.program), "work", "--server", place, "--user",
                 ALICE.name, "--expectations", self.scratch.file("expectations"), *arguments,
                 *[word for _ in range(CHANNELS) for word in ("--channel", place)]],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=stream, text=True,
                env=os.environ | {"BRAID_FAULT_PASSWORD": ALICE.password})
        self.addCleanup(client.stdout.close)
        self.addCleanup(client.wait)
        self.addCleanup(client.kill)
        return client, errors

    def channels(self):
        rows = [row for row in self.rows("sessions") if row["user"] == ALICE.name]
        return max((len(row["channels"]) for row in rows), default=0)

    def works_on_channels(self, *arguments):
        client, errors = self.start(*arguments)
        self.wait_for(lambda: client.poll() is not None or self.channels() == CHANNELS,
                      "all channels", limit=60)
        self.assertIsNone(client.poll(), pathlib.Path(errors).read_text(encoding="utf-8"))
        pauses = []
        for upgrade in range(suite.arguments.upgrades):
            time.sleep(0.5)  # the client gets further
            if upgrade + 1 == suite.arguments.upgrades:
                self.install("/bin/false")
                self.refused("the new program ended with code 1")
                self.install(suite.arguments.braidd)
            pauses.append(self.upgrade()["pause_ms"])
        time.sleep(0.5)
        self.assertEqual(self.channels(), CHANNELS)
        client.send_signal(signal.SIGTERM)
        output = client.communicate(timeout=120)[0]
        said = pathlib.Path(errors).read_text(encoding="utf-8")
        self.assertEqual((client.returncode, said), (0, ""), self.server.log_text())
        counted = dict((kind, int(count))
                       for kind, count in re.findall(r'\("([^"]+)", (\d+)\)', output))
        self.assertEqual((counted["loss"], counted["replay"]), (0, 0), output)
        self.assertGreater(counted["write"], 0)
        print(f"{len(pauses)} upgrades, pauses in ms: {sorted(pauses)}; {counted}", file=sys.stderr)

    def test_client_that_works_on_four_channels(self):
        self.works_on_channels()

    def test_client_with_leases(self):
        self.works_on_channels("--leases")


def add_arguments(parser: argparse.ArgumentParser):
    parser.add_argument("--program", required=True, help="fault_client")
    parser.add_argument("--upgrades", type=int, default=4)
    parser.add_argument("--workers", type=int, default=1)


if __name__ == "__main__":
    suite.main(add_arguments)
