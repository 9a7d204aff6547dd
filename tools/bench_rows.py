"""What `make bench` measures: rows in groups, each with what the server's processor time may be beside
Samba's. tools/bench.py runs them, tools/bench_report.py writes them down."""
import dataclasses

# Whatever the row: not slower than Samba, and not later for the one request in a hundred.
THROUGHPUT_MIN = 1.0
P99_MAX = 1.0
# What protection may add to the processor time of a plain request, from this size on.
PROTECTION_COST_MAX = {"signed": 0.10, "encrypted": 0.25}
PROTECTION_COST_SIZES = ("64K", "1M")

PROTECTIONS = ("plain", "signed", "encrypted")
SIGNING = ("aes-gmac", "aes-cmac", "hmac-sha256")
CIPHERS = ("aes-128-gcm", "aes-128-ccm", "aes-256-gcm", "aes-256-ccm")


@dataclasses.dataclass(frozen=True)
class Row:
    label: str
    protection: str
    load: tuple  # arguments of braid-bench: the load, and its own
    goal: float | None = None  # of the ratio of the server's processor time; None: none is set
    target: tuple = ()  # further arguments about the connection
    key: str = ""  # what rows of several protections have in common

    @property
    def name(self):
        return f"{self.label}, {self.protection}"


@dataclasses.dataclass(frozen=True)
class Group:
    key: str  # of the picture's file
    title: str
    rows: tuple


def _three(label, load, goals, key):
    """A load in each protection."""
    if not isinstance(goals, tuple):
        goals = (goals,) * 3
    return tuple(Row(label, protection, load, goal, key=key)
                 for protection, goal in zip(PROTECTIONS, goals))


def _data(load, goals):
    rows = []
    for size, shown in (("4K", "4 KiB"), ("64K", "64 KiB"), ("1M", "1 MiB")):
        rows += _three(f"{load.upper()} {shown}", (load, "--size", size), goals[size], f"{load} {size}")
    return tuple(rows)


def groups(names=100_000, listed=10_000):
    """All of them. `names`: in the directory that is opened from; `listed`: in the one that is listed."""
    algorithms = []
    for load in ("read", "write"):
        words = (load, "--size", "64K")
        algorithms += [Row(f"{load.upper()} 64 KiB", f"signed, {name}", words, target=("--signing", name))
                       for name in SIGNING]
        algorithms += [Row(f"{load.upper()} 64 KiB", f"encrypted, {name}", words, target=("--cipher", name))
                       for name in CIPHERS]
    return (
        Group("echo", "ECHO", _three("ECHO", ("echo",), 0.45, "echo")),
        Group("read", "READ", _data("read", {"4K": 0.35, "64K": 0.40, "1M": (0.5, 0.5, 0.45)}) + (
            Row("READ 4 KiB, random", "signed", ("read", "--size", "4K", "--random"), 0.35),)),
        Group("write", "WRITE", _data("write", {"4K": 0.40, "64K": 0.50, "1M": (0.6, 0.6, 0.5)}) + (
            Row("WRITE 4 KiB, random", "signed", ("write", "--size", "4K", "--random"), 0.40),)),
        Group("names", "Names", (
            Row("open and close of one path by all", "signed", ("open", "--paths", "one"), 0.25),
            Row("open and close of own paths", "signed", ("open", "--paths", "own")),
            Row(f"open and close of any of {names:,} names", "signed",
                ("open", "--paths", "many", "--files", str(names))),
            Row("stat", "signed", ("stat", "--paths", "own"), 0.3),
            Row("create, write 4 KiB, close, delete", "signed", ("small-files", "--size", "4K"), 0.3),
            Row(f"listing of {listed:,} names", "signed", ("list", "--files", str(listed)), 0.4),
        )),
        Group("sessions", "Sessions and the rest", (
            Row("session setup and logoff", "signed", ("logon",), 0.05),
            Row("the same with a connection each", "signed", ("logon", "--connect")),
            Row("lock and unlock", "signed", ("lock",)),
            Row("lease break", "signed", ("lease-break",)),
            Row("office", "signed", ("office",)),
            Row("office", "encrypted", ("office",)),
        )),
        Group("algorithms", "Algorithms", tuple(algorithms)),
    )


IDLE_GOAL = 0.02  # of the memory of an idle session

# Of what sendfile, or AES-128-GCM, does alone on the machine in the same run.
LIMIT_PART_MIN = 0.70
LIMITS = {"READ 1 MiB, plain": "sendfile", "READ 1 MiB, encrypted": "gcm"}

# Links without a limit, a channel over each: what a byte may cost more than with one.
CHANNELS = (1, 2, 4, 8)
CHANNELS_COST_MAX = 0.10
CHANNEL_LOADS = tuple((f"{load.upper()} 1 MiB", protection, (load, "--size", "1M"))
                      for load in ("read", "write") for protection in PROTECTIONS)

# Connections that are idle, and of them those that work afterwards.
CROWD = (10_000, 1_000)
