"""Generated directory trees and what is in them."""
import hashlib
import os
import random

# Around the sizes where clients and servers change their way: empty, inline, page, 64 KiB (one
# credit), and beyond.
_SIZES = (0, 1, 511, 4095, 4096, 4097, 65535, 65536, 65537, 200_000)
_NAMES = ("main.c", "Makefile", "README.md", "with space.txt", "UPPER.TXT", "a.b.c.d", "Zürich.txt",
          "日本語.txt",
          "emoji-\U0001F600.txt", "plus+comma,semi.txt")


def make_tree(path, seed=1, folders=6, files=8, depth=2):
    """Fills `path`; the same seed gives the same tree."""
    rng = random.Random(seed)
    os.makedirs(path, exist_ok=True)
    for number in range(files):
        name = f"{number}-{_NAMES[number % len(_NAMES)]}"
        with open(os.path.join(path, name), "wb") as out:
            out.write(rng.randbytes(rng.choice(_SIZES)))
    if depth:
        for number in range(folders):
            make_tree(os.path.join(path, f"dir {number}"), rng.random(), folders // 2, files,
                      depth - 1)


def checksums(path):
    """{path below `path`: SHA-256, or "dir" for a directory}"""
    found = {}
    for folder, folders, files in os.walk(path):
        below = os.path.relpath(folder, path)
        for name in folders:
            found[os.path.normpath(os.path.join(below, name))] = "dir"
        for name in files:
            with open(os.path.join(folder, name), "rb") as data:
                found[os.path.normpath(os.path.join(below, name))] = hashlib.file_digest(
                    data, "sha256").hexdigest()
    return found
