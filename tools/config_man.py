#!/usr/bin/env python3
"""Keeps the key lists of docs/man/braid.toml.5 what the program's tables say.

Without --write it only compares, with exit code 1 when they differ.
"""
import argparse
import json
import pathlib
import subprocess
import sys

PAGE = pathlib.Path(__file__).resolve().parent.parent / "docs" / "man" / "braid.toml.5"
BEGIN, END = '.\\" BEGIN KEYS\n', '.\\" END KEYS\n'
HEADINGS = {"server": "KEYS OF [server]", "share": "KEYS OF [[share]]"}


def roff(text):
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return "\\&" + text if text[:1] in (".", "'") else text


def sections(keys):
    out, section = [], None
    for key in keys:
        if key["section"] != section:
            section = key["section"]
            out.append(f".SH {HEADINGS[section]}")
        default = f"Default: {key['default']}." if key["default"] else "Must be given."
        out += [".TP", f".B {roff(key['key'])}", roff(key["doc"]), ".br",
                f"Accepts {roff(key['accepts'])}.", ".br", roff(default)]
        if key["restart"]:
            out += [".br", "A change waits for a restart."]
    return "\n".join(out) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--braidctl", required=True)
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    keys = json.loads(subprocess.run([args.braidctl, "--json", "config", "keys"], check=True,
                                     stdout=subprocess.PIPE).stdout)
    old = PAGE.read_text(encoding="utf-8")
    before, rest = old.split(BEGIN)
    new = before + BEGIN + sections(keys) + END + rest.split(END)[1]
    if args.write:
        PAGE.write_text(new, encoding="utf-8")
    elif new != old:
        print("docs/man/braid.toml.5 is not what the tables say; run make man", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
