#!/usr/bin/python3
"""Flame graphs: what is made of the text that perf prints."""
import os
import sys
import unittest
import xml.etree.ElementTree as xml

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tools"))

import flame  # noqa: E402

# Innermost first; kernel, library and program.
TEXT = """braidd-worker 
\tffffffff81001000 copy_to_user
\tffffffff81002000 vfs_read+0x12
\t    55d0000010 braid::vfs::File::read(unsigned long, std::span<unsigned char>)
\t    55d0000020 main

braidd-worker 
\t    55d0000010 braid::vfs::File::read(unsigned long, std::span<unsigned char>)
\t    55d0000020 main

braidd-worker 
\t    7f00000010 [unknown]
\t    7f00000020 [unknown]
\t    55d0000020 main
"""
SVG = "{http://www.w3.org/2000/svg}"


def widths(svg):
    return {frame.get("data-name"): float(frame.get("data-w")) for frame in xml.fromstring(svg).iter(f"{SVG}g")}


class Names(unittest.TestCase):
    def test_are_without_what_makes_them_long(self):
        for symbol, name in {
                "vfs_read": "vfs_read",
                "[unknown]": "[unknown]",
                "braid::a::b(int, std::vector<int, std::allocator<int>>) const": "braid::a::b",
                "std::expected<int, braid::Error> braid::f<int>(int&&)": "braid::f",
                "braid::(anonymous namespace)::Work::operate(unsigned long) (.resume)":
                    "braid::Work::operate [resumed]",
                "braid::operator<=>(braid::Id<A, B>, braid::Id<A, B>)": "braid::operator_compare",
                "std::function<void ()>::operator()() const": "std::function::operator_call",
                "tcp_sendmsg.isra.0": "tcp_sendmsg.isra.0",
        }.items():
            self.assertEqual(flame.plain_name(symbol), name)


class Stacks(unittest.TestCase):
    def setUp(self):
        self.found = flame.stacks(TEXT.splitlines(keepends=True))

    def test_begin_with_the_program_and_end_where_it_was(self):
        self.assertEqual(self.found, {
            ("braidd-worker", "main", "braid::vfs::File::read", "vfs_read", "copy_to_user"): 1,
            ("braidd-worker", "main", "braid::vfs::File::read"): 1,
            ("braidd-worker", "main", "[unknown]"): 1})

    def test_of_nothing_are_none(self):
        self.assertEqual(flame.stacks([]), {})
        self.assertEqual(flame.hottest({}, 3), [])

    def test_hottest_is_where_most_samples_are(self):
        self.found[("braidd-worker", "main", "braid::vfs::File::read")] += 5
        self.assertEqual(flame.hottest(self.found, 1), [(6 / 8, "braid::vfs::File::read")])

    def test_with_what_it_calls_recursion_counts_once(self):
        self.found[("braidd-worker", "main", "main", "main")] += 1
        self.assertEqual(flame.inclusive(self.found, 1), [(1.0, "main")])
        self.assertEqual(flame.inclusive(self.found, 9, names="^vfs_"), [(1 / 4, "vfs_read")])


class Graph(unittest.TestCase):
    def test_frames_are_as_wide_as_their_part(self):
        svg = flame.graph("a & b", flame.stacks(TEXT.splitlines()))
        found = widths(svg)
        self.assertAlmostEqual(found["all"], flame.WIDTH, places=1)
        self.assertAlmostEqual(found["main"], flame.WIDTH, places=1)
        self.assertAlmostEqual(found["braid::vfs::File::read"], flame.WIDTH * 2 / 3, places=1)
        self.assertAlmostEqual(found["vfs_read"], flame.WIDTH / 3, places=1)
        self.assertIn("a &amp; b: 3 samples", svg)

    def test_what_is_called_stands_within_its_caller(self):
        found = flame.frames(flame.tree(flame.stacks(TEXT.splitlines())))
        for level, first, samples, _ in found[1:]:
            self.assertTrue(any(above == level - 1 and begin <= first and first + samples <= begin + width
                                for above, begin, width, _ in found))

    def test_names_cannot_break_out(self):
        svg = flame.graph("x", {("p", 'a"><script>'): 1})
        self.assertIn('a"><script>', widths(svg))

    def test_what_is_too_narrow_is_left_out(self):
        svg = flame.graph("x", {("p", "wide"): 100_000, ("p", "narrow"): 1})
        self.assertEqual(set(widths(svg)), {"all", "p", "wide"})


if __name__ == "__main__":
    unittest.main()
