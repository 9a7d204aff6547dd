#!/usr/bin/env python3
"""SMB Direct over cards made of TCP: the server with its process for the cards, and our client."""
import argparse
import os
import re
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import server as servers  # noqa: E402
from scratch import Scratch  # noqa: E402
from server import Options, Share, ids_of, name_of, test_users  # noqa: E402

RDMA = ("rdma = true", "rdma_port = 0", "rdma_memory = 32")
PATIENCE_S = 60
# What hangs on who has the connection.
SEVERAL_WORKERS = ("Direct.*:HostilePeer.*-Direct.AWorkerThatEnds*:Direct.AClientThatGoes*:Direct.Many*"
                   ":HostilePeer.WhoDies*")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    servers.add_arguments(parser)
    parser.add_argument("--program", required=True, help="the built direct_test")
    args, for_program = parser.parse_known_args()
    with Scratch(args.scratch) as scratch:
        trouble = run(args, scratch, "direct", for_program)
        if not for_program:
            trouble += run(args, scratch, "workers", [f"--gtest_filter={SEVERAL_WORKERS}"], 4)
            trouble += without_a_card(args, scratch) + not_asked_for(args, scratch)
    for sentence in trouble:
        print(sentence, file=sys.stderr)
    return 1 if trouble else 0


def options_of(scratch, name, **more):
    alice, bob = test_users()
    shares = [Share("share", scratch.directory(f"{name}-share", owner=ids_of(alice))),
              Share("encrypted", scratch.directory(f"{name}-encrypted", owner=ids_of(alice)),
                    encrypt=True)]
    return Options(shares, [alice, bob], signing="enabled", **more)


def cards_of(server):
    return [pid for pid in server.worker_pids() if name_of(pid) == "braidd-rdma"]


def await_text(server, pattern):
    end = time.monotonic() + PATIENCE_S
    while not re.search(pattern, server.log_text()):
        if time.monotonic() > end or server.process.poll() is not None:
            return [f"nothing in the log like {pattern}:\n{server.log_text()}"]
        time.sleep(0.02)
    return []


def run(args, scratch, name, for_program, workers=1):
    options = options_of(scratch, name, server_lines=RDMA, workers=workers, env={"BRAID_TEST_RDMA": "tcp"})
    server = servers.start(args, scratch, options, name)
    server.expects_deaths = True
    alice, bob = options.users
    environment = {
        "BRAID_E2E_SERVER": f"{server.host}:{server.port}", "BRAID_E2E_KIND": "braidd",
        "BRAID_E2E_USER": alice.name, "BRAID_E2E_PASSWORD": alice.password,
        "BRAID_E2E_USER2": bob.name, "BRAID_E2E_PASSWORD2": bob.password,
        "BRAID_DIRECT_BRAIDCTL": f"{server.braidctl} --config {server.config}",
        "BRAID_DIRECT_LOG": server.log, "BRAID_DIRECT_PID": str(server.process.pid),
    }
    status = subprocess.run([args.program, "--gtest_brief=1", *for_program],
                            env=os.environ | environment).returncode
    trouble = server.stop()
    if status:
        trouble.append(f"direct_test ended with {status}; the server's log:\n{server.log_text()}")
    return trouble


def wait_until_gone(server):
    end = time.monotonic() + PATIENCE_S
    while cards_of(server) and time.monotonic() < end:
        time.sleep(0.02)


def without_a_card(args, scratch):
    """One line, nothing that runs, and clients over TCP as ever."""
    if os.path.exists("/sys/class/infiniband") and os.listdir("/sys/class/infiniband"):
        return []
    server = servers.start(args, scratch, options_of(scratch, "none", server_lines=RDMA), "none")
    trouble = await_text(server, r"SMB Direct is off: no RDMA device: ")
    # It looks again, and does not say the same once more.
    with open(server.config, encoding="utf-8") as config:
        text = config.read()
    with open(server.config, "w", encoding="utf-8") as config:
        config.write(text.replace("[server]", '[server]\nlog_level = "debug"', 1))
    for count in (1, 2):
        wait_until_gone(server)
        server.process.send_signal(signal.SIGHUP)
        trouble += await_text(server, r"(?s)" + r"debug \[rdma\] SMB Direct is off.*" * count)
    if len(re.findall(r"warning \[rdma\] SMB Direct is off", server.log_text())) != 1:
        trouble.append(f"said more than once, or never:\n{server.log_text()}")
    wait_until_gone(server)
    if cards_of(server):
        trouble.append("a process for cards runs, and there is no card")
    return trouble + server.stop()


def not_asked_for(args, scratch):
    server = servers.start(args, scratch, options_of(scratch, "off"), "off")
    trouble = ["a process for cards runs, and nobody asked for it"] if cards_of(server) else []
    if "SMB Direct" in server.log_text():
        trouble.append(f"SMB Direct is off, and yet:\n{server.log_text()}")
    return trouble + server.stop()


if __name__ == "__main__":
    sys.exit(main())
