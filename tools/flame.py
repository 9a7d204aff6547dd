#!/usr/bin/env python3
"""A flame graph out of `perf script -F comm,ip,sym`: one SVG that needs nothing else.

  perf script -F comm,ip,sym | flame.py --title 'READ 1 MiB' >graph.svg
  perf script -F comm,ip,sym | flame.py --hottest 10

Time goes from left to right without order; what is called stands above its caller, as wide as its part of all
samples. A click on a frame makes it the width of the picture, one on the lowest shows all again.
"""
import argparse
import collections
import re
import sys
import zlib
from xml.sax.saxutils import escape

WIDTH = 1200
FRAME_HEIGHT = 17
TOP = 34
NARROWEST = 0.0004  # of all samples; what is less is not drawn
CHARACTER_WIDTH = 6.6

_FRAME = re.compile(r"^\s+[0-9a-f]+ (.+?)(?:\+0x[0-9a-f]+)?$")


def plain_name(symbol):
    """A C++ function without template arguments, parameters and results."""
    if symbol.startswith("["):
        return symbol
    kind = " [resumed]" if "(.resume)" in symbol else ""
    symbol = symbol.replace("(anonymous namespace)", "{anonymous}").split(" [clone")[0]
    symbol = re.sub(r"operator(<=>|<<|>>|<|>|\(\))", lambda found: "operator" + {
        "<=>": "_compare", "<<": "_shift_left", ">>": "_shift_right", "<": "_less", ">": "_more",
        "()": "_call"}[found.group(1)], symbol)
    depth, kept = 0, []
    for letter in symbol:
        if letter in "<(":
            depth += 1
        elif letter in ">)":
            depth -= 1
        elif depth == 0:
            kept.append(letter)
    name = "".join(kept).replace("const", "").strip()
    # A template function has its result before its name.
    return (name.split(" ")[-1] or symbol).replace("{anonymous}::", "") + kind


def stacks(lines):
    """{(program, outermost, ..., innermost): samples}"""
    found = collections.Counter()
    program, frames = None, []
    for line in [*lines, ""]:
        if not line.strip():
            if program is not None:
                found[(program, *reversed(frames))] += 1
            program, frames = None, []
        elif program is None:
            program = line.strip()
        elif frame := _FRAME.match(line.rstrip("\n")):
            name = plain_name(frame.group(1))
            # What the unwinder could not follow is one frame, however deep.
            if name != "[unknown]" or not frames or frames[-1] != name:
                frames.append(name)
    return found


def hottest(found, count):
    """[(part of all samples, function)] of those in which most samples are, without what they call."""
    own = collections.Counter()
    for stack, samples in found.items():
        own[stack[-1]] += samples
    total = sum(found.values()) or 1
    return [(samples / total, name) for name, samples in own.most_common(count)]


def inclusive(found, count, names=None):
    """The same with what they call; a function that is in a stack twice counts once."""
    all_of = collections.Counter()
    for stack, samples in found.items():
        for name in set(stack[1:]):
            all_of[name] += samples
    total = sum(found.values()) or 1
    return [(samples / total, name) for name, samples in all_of.most_common()
            if names is None or re.search(names, name)][:count]


class Node:
    def __init__(self):
        self.samples = 0
        self.callees = {}


def tree(found):
    root = Node()
    for stack, samples in found.items():
        node = root
        node.samples += samples
        for name in stack:
            node = node.callees.setdefault(name, Node())
            node.samples += samples
    return root


def frames(root):
    """[(level, first sample, samples, name)], callers before what they call."""
    found = []

    def add(node, level, first, name):
        if node.samples < NARROWEST * root.samples:
            return
        found.append((level, first, node.samples, name))
        for callee, below in sorted(node.callees.items()):
            add(below, level + 1, first, callee)
            first += below.samples
    add(root, 0, 0, "all")
    return found


def colour(name):
    """The same for the same name, warm; the kernel's names cannot be told from others."""
    number = zlib.crc32(name.encode())
    return f"rgb({205 + number % 50},{90 + number // 50 % 120},{40 + number // 6000 % 50})"


SCRIPT = """
const all = [...document.querySelectorAll('g[data-x]')], width = %d;
function show(x, w) {
  for (const frame of all) {
    const fx = +frame.dataset.x, fw = +frame.dataset.w;
    const left = (Math.max(fx, x) - x) / w * width, right = (Math.min(fx + fw, x + w) - x) / w * width;
    frame.style.display = right - left > 0.1 ? '' : 'none';
    frame.children[1].setAttribute('x', left);
    frame.children[1].setAttribute('width', Math.max(right - left - 0.5, 0.1));
    const text = frame.children[2], room = Math.floor((right - left - 6) / %f);
    text.setAttribute('x', left + 3);
    text.textContent = room < 3 ? '' : frame.dataset.name.slice(0, room);
  }
}
for (const frame of all) frame.onclick = () => show(+frame.dataset.x, +frame.dataset.w);
"""


def graph(title, found):
    root = tree(found)
    drawn = frames(root)
    levels = max((level for level, *_ in drawn), default=0) + 1
    height = TOP + levels * FRAME_HEIGHT + 8
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="monospace" '
             f'font-size="11"><rect width="{WIDTH}" height="{height}" fill="#fff"/>',
             f'<text x="6" y="20" font-size="14">{escape(title)}: {root.samples} samples</text>']
    for level, first, samples, name in drawn:
        left, width = first / root.samples * WIDTH, samples / root.samples * WIDTH
        top = height - 8 - (level + 1) * FRAME_HEIGHT
        room = int((width - 6) / CHARACTER_WIDTH)
        shown = name[:room] if room >= 3 else ""
        quoted = escape(name, {'"': "&quot;"})
        parts.append(
            f'<g data-x="{left:.2f}" data-w="{width:.2f}" data-name="{quoted}">'
            f"<title>{escape(name)}: {samples / root.samples:.2%}</title>"
            f'<rect x="{left:.2f}" y="{top}" width="{max(width - 0.5, 0.1):.2f}" height="{FRAME_HEIGHT - 1}" '
            f'fill="{colour(name)}"/><text x="{left + 3:.2f}" y="{top + 12}">{escape(shown)}</text></g>')
    parts.append(f"<script><![CDATA[{SCRIPT % (WIDTH, CHARACTER_WIDTH)}]]></script></svg>")
    return "\n".join(parts) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--title", default="flame graph")
    parser.add_argument("--hottest", type=int, help="print so many functions instead")
    args = parser.parse_args()
    found = stacks(sys.stdin)
    if not found:
        sys.exit("flame: no samples on standard input")
    if args.hottest:
        for part, name in hottest(found, args.hottest):
            print(f"{part:7.2%} {name}")
    else:
        sys.stdout.write(graph(args.title, found))


if __name__ == "__main__":
    main()
