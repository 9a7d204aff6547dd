#!/usr/bin/env python3
"""How throughput grows with channels: large writes and reads over links of 500 Mbit/s.

  bench_channels.py --braidd build/release/braidd --program build/release/braid-bench

One, two and four channels, each over a link of its own, signed and encrypted; Samba beside it where it
is installed (--no-samba leaves it out). Server and client stand in network namespaces, so this needs
root. Prints MiB/s, the ratio to one channel, and the server's CPU seconds per GiB. Exit status 1 if
braid's ratio is below --two or --four.
"""
import argparse
import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "lib"))

import networks as nets  # noqa: E402
import server as servers  # noqa: E402
from scratch import Scratch  # noqa: E402
from server import Options, Share, ids_of, test_users  # noqa: E402

CHANNELS = (1, 2, 4)
TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid):
    """User and system time of a process, its children, and those of them that ended."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stat:
            words = stat.read().rsplit(")", 1)[1].split()
    except OSError:
        return 0
    own = sum(int(word) for word in words[11:15]) / TICKS
    return own + sum(cpu_seconds(child) for child in servers.children(pid))


def run_once(args, networks, server, channels, encrypts):
    """{"write": (MiB/s, CPU seconds per GiB), "read": ...}"""
    alice = test_users()[0]
    command = [os.path.abspath(args.program), "--server", f"{networks.address(0)}:445",
               "--user", alice.name]
    for link in range(1, channels):
        command += ["--channel", f"{networks.address(link)}:445"]
    if encrypts:
        command.append("--encrypt")
    mib = args.mib * channels
    command += ["throughput", "--mib", str(mib), "--request-size", str(args.request_size),
                "--in-flight", str(args.in_flight)]
    results = {}
    before = cpu_seconds(server.process.pid)
    with subprocess.Popen(networks.command(networks.client, *command), stdout=subprocess.PIPE,
                          text=True,
                          env=os.environ | {"BRAID_BENCH_PASSWORD": alice.password}) as bench:
        for line in bench.stdout:
            now = cpu_seconds(server.process.pid)
            found = re.match(r"(write|read)\s+(\d+) MiB/s", line)
            results[found.group(1)] = (int(found.group(2)), (now - before) / mib * 1024)
            before = now
    if bench.returncode:
        raise RuntimeError(f"braid-bench ended with {bench.returncode}")
    return results


def measure(args, kind, encrypts):
    """The best of --rounds runs for each number of channels."""
    best = {}
    chosen = argparse.Namespace(braidd=args.braidd if kind == "braid" else None, smbd=args.smbd)
    with Scratch(args.scratch) as scratch, nets.Networks(max(CHANNELS)) as networks:
        for link in networks.links:
            networks.limit(link, args.rate)
        alice = test_users()[0]
        share = Share("share", scratch.directory("share", owner=ids_of(alice)))
        server = servers.start(chosen, scratch, Options([share], [alice], networks=networks))
        for _ in range(args.rounds):
            for channels in CHANNELS:
                for phase, result in run_once(args, networks, server, channels,
                                              encrypts).items():
                    key = (phase, channels)
                    best[key] = max(best.get(key, result), result)
        trouble = server.stop()
        if trouble:
            raise RuntimeError("\n".join(trouble))
    return best


def show(kind, protection, best):
    """Prints the rows; the ratios (2 channels, 4 channels) of each phase."""
    ratios = []
    for phase in ("write", "read"):
        rates = [best[phase, channels][0] for channels in CHANNELS]
        costs = [best[phase, channels][1] for channels in CHANNELS]
        ratios.append((rates[1] / rates[0], rates[2] / rates[0]))
        print(f"{kind:<7}{protection:<11}{phase:<7}" + "".join(f"{rate:>8}" for rate in rates)
              + "".join(f"{ratio:>8.2f}" for ratio in ratios[-1])
              + "".join(f"{cost:>9.2f}" for cost in costs), flush=True)
    return ratios


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--braidd", required=True)
    parser.add_argument("--smbd", default=shutil.which("smbd", path="/usr/sbin:/usr/local/sbin"))
    parser.add_argument("--no-samba", action="store_true")
    parser.add_argument("--program", required=True, help="the built braid-bench")
    parser.add_argument("--scratch", help="where the temporary directory goes")
    parser.add_argument("--rate", default="500mbit", help="of each link (tc)")
    parser.add_argument("--mib", type=int, default=256, help="written and read on each channel")
    parser.add_argument("--request-size", type=int, default=1_048_576)
    parser.add_argument("--in-flight", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=2, help="the best counts")
    parser.add_argument("--two", type=float, default=1.9, help="what two channels must give")
    parser.add_argument("--four", type=float, default=3.6, help="what four channels must give")
    args = parser.parse_args()
    reason = nets.missing()
    if reason:
        print(f"bench_channels: {reason}", file=sys.stderr)
        return 2
    kinds = ["braid"] + (["samba"] if args.smbd and not args.no_samba else [])
    missed = []
    print(f"{'':25}{'MiB/s with channels':^24}{'ratio':^16}{'server CPU s/GiB':^27}")
    print(f"{'':25}" + "".join(f"{channels:>8}" for channels in CHANNELS) + f"{'2':>8}{'4':>8}"
          + "".join(f"{channels:>9}" for channels in CHANNELS))
    for protection in ("signed", "encrypted"):
        for kind in kinds:
            ratios = show(kind, protection, measure(args, kind, protection == "encrypted"))
            if kind == "braid" and any(two < args.two or four < args.four
                                       for two, four in ratios):
                missed.append(protection)
    if missed:
        print(f"below {args.two} with two channels or {args.four} with four: {', '.join(missed)}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
