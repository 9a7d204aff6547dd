"""What is expected of each test, what Samba gets, and what a run adds up to."""
import os

MIN_LIMIT_S = 60  # for one test; one the ledger knows to be slow gets four times its time
HERE = os.path.dirname(os.path.abspath(__file__))


class Row:
    """One line of the ledger."""

    def __init__(self, expected="ok", seconds=0.0, reason="", setting=""):
        self.expected, self.seconds, self.reason = expected, seconds, reason
        self.setting = setting or "loopback"


def read_ledger(path):
    rows = {}
    if os.path.exists(path):
        with open(path, encoding="utf-8") as table:
            for line in table:
                if line.startswith(("smb2.", "rpc.", "vfs.")):
                    name, *columns = (line.rstrip("\n") + "\t\t\t").split("\t")[:5]
                    expected, seconds, reason, setting = columns
                    rows[name] = Row(expected, float(seconds or 0), reason, setting)
    return rows


def write_ledger(path, rows):
    with open(path, "w", encoding="utf-8") as table:
        table.write("# smbtorture 4.17 against braidd; see run.py. Columns: test, expected, seconds,"
                    " reason, setting\n")
        for name in sorted(rows):
            row = rows[name]
            setting = "" if row.setting == "loopback" else f"\t{row.setting}"
            table.write(f"{name}\t{row.expected}\t{row.seconds:.0f}\t{row.reason}{setting}\n")


def samba_passes():
    """Names of the tests that Samba passes, and of all it was given."""
    with open(os.path.join(HERE, "samba.tsv"), encoding="utf-8") as table:
        rows = [line.rstrip("\n").split("\t") for line in table if line.startswith("smb2.")]
    return {name for name, result in rows if result == "ok"}, {name for name, _ in rows}


def compare_with_samba(results):
    """A sentence; of what runs in one setting only, each test counts once."""
    passes, known = samba_passes()
    missing = sorted(n for n in results if n in passes and results[n].kind != "ok")
    for name in missing:
        print(f"Samba passes, braid does not: {name}")
    ours = sum(results[n].kind == "ok" for n in results if n in known)
    return (f"of Samba's list of {len(known)}: {ours} passed here, {len(passes)} there; of those "
            f"{len(missing)} not here, {len(passes - set(results))} not run")


def report(results, ledger, flaky, trouble, seconds):
    def expected(name):
        return ledger.get(name, Row("?")).expected
    unexpected = [n for n in results if results[n].kind != expected(n)]
    passed = sum(r.kind == "ok" for r in results.values())
    skipped = sum(r.kind == "skip" for r in results.values())
    for name in sorted(flaky):
        print(f"flaky: {name}")
    for name in sorted(unexpected):
        print(f"unexpected: {name}: {results[name].kind}, expected {expected(name)}; "
              f"{results[name].reason}")
    for sentence in trouble:
        print(sentence)
    print(compare_with_samba(results))
    # In unittest's words, for whoever adds suites up: what the ledger expects not to pass counts
    # as skipped.
    print(f"Ran {len(results)} tests in {seconds:.1f}s\n(failures={len(unexpected)}, "
          f"skipped={sum(results[n].kind != 'ok' for n in results if n not in unexpected)})")
    print(f"{len(results)} tests: {passed} passed, {len(results) - passed - skipped} failed, "
          f"{skipped} skipped; {len(unexpected)} unexpected, {len(flaky)} flaky")
    return 1 if unexpected or trouble else 0


def update(args, ledger, results, setting_of):
    for name, result in results.items():
        old = ledger.get(name, Row("?"))
        reason = "" if result.kind == "ok" else (
            old.reason if old.expected == result.kind and old.reason else result.reason)
        # How long it took matters when it sets the limit; else every update would touch every line.
        about_as_long = abs(result.seconds - old.seconds) * 4 < MIN_LIMIT_S
        ledger[name] = Row(result.kind, old.seconds if about_as_long else result.seconds, reason,
                           setting_of[name])
    base = read_ledger(args.base_ledger) if args.base_ledger else {}
    write_ledger(args.ledger, {
        name: row for name, row in ledger.items()
        if name not in base or (row.expected, row.reason) != (base[name].expected, base[name].reason)})
