#!/usr/bin/env python3
"""Writes src/wire/upcase_runs.h from the $UpCase file of an NTFS volume.

That file holds, for each UTF-16 unit, what NTFS compares it as, and is the same on all volumes that
Windows 7 and later have formatted. Without such a volume at hand, mkntfs of ntfs-3g makes one:

    truncate -s 8M volume && mkntfs -F -Q volume
    ntfscat -f volume '$UpCase' > upcase
    tools/upcase_table.py upcase

fold_test.cc knows its FNV-1a hash; its SHA-256 is
41c26bc7a12bdaeb26025c93118697c7e3ef81ee048b00fe5cce2a472e0e0742.
"""
import pathlib
import struct
import sys

HEADER = pathlib.Path(__file__).resolve().parent.parent / "src" / "wire" / "upcase_runs.h"
TOP = """// Made by tools/upcase_table.py from the $UpCase file of an NTFS volume as Windows 7 and later
// format it. Not to be edited.
#pragma once

#include <cstdint>

namespace braid::wire {

// Every `step`th unit from `first` to `last` has its upper case `up` further on, modulo 2^16.
struct UpcaseRun {
  uint16_t first;
  uint16_t last;
  uint16_t step;
  uint16_t up;
};

// clang-format off
inline constexpr UpcaseRun kUpcaseRuns[] = {
"""
BOTTOM = """};
// clang-format on

}  // namespace braid::wire
"""


def runs(table):
    """(first, last, step, up) of what is not its own upper case."""
    found = []
    for unit, upper in enumerate(table):
        up = (upper - unit) & 0xFFFF
        if up == 0:
            continue
        first, last, step, same = found[-1] if found else (0, -9, 0, 0)
        if same == up and unit - last in ((1, 2) if first == last else (step,)):
            found[-1] = (first, unit, unit - last, up)
        else:
            found.append((unit, unit, 1, up))
    return found


def main():
    table = struct.unpack("<65536H", pathlib.Path(sys.argv[1]).read_bytes())
    rows = ["{0x%04x, 0x%04x, %d, 0x%04x}," % run for run in runs(table)]
    lines = ["    " + " ".join(rows[at:at + 3]) + "\n" for at in range(0, len(rows), 3)]
    HEADER.write_text(TOP + "".join(lines) + BOTTOM, encoding="ascii")


if __name__ == "__main__":
    main()
