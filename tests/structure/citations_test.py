#!/usr/bin/env python3
"""Whether the sections that comments and documents cite exist, and are called what is said."""
import pathlib
import unittest

import citations

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDERS = ("src", "tests", "docs", "fuzz", "tools")
SUFFIXES = {".h", ".cc", ".py", ".md", ".cmake", ".tsv", ".txt", ".5", ".8"}


def cited_files():
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in SUFFIXES and not path.name.startswith(("citations", "sections")):
                yield path
    yield ROOT / "ARCHITECTURE.md"


class Finding(unittest.TestCase):
    def found(self, text):
        return [(each.line, each.number, each.title) for each in citations.find(text)]

    def test_numbers_and_what_follows_them(self):
        self.assertEqual(self.found("// [MS-SMB2] 3.3.5.14.1 and .2, 2.2.26: lists.\n"),
                         [(1, "3.3.5.14.1", None), (1, "3.3.5.14.2", None), (1, "2.2.26", None)])

    def test_titles_also_over_lines(self):
        text = '// [MS-FSA] 2.1.5.8 "Server Requests\n// a Lock" and 2.1.4 "X"'
        self.assertEqual(self.found(text),
                         [(1, "2.1.5.8", "Server Requests a Lock"), (1, "2.1.4", "X")])

    def test_the_line_of_a_citation_is_where_it_begins(self):
        self.assertEqual(self.found("a\n\n# of [MS-SMB2]\n# 2.2.3 there"), [(3, "2.2.3", None)])

    def test_what_is_no_citation(self):
        for text in ("[MS-SMB2] asks for 3 of them", "dialect 3.1.1 of SMB", "[RFC4178] 4.2.1"):
            self.assertEqual(self.found(text), [], text)


class Judging(unittest.TestCase):
    TABLE = {"MS-X": {"1.2": "Receiving an SMB2 LOCK Request"}}

    def judge(self, number, title, document="MS-X"):
        return citations.complaint(citations.Citation(1, document, number, title), self.TABLE)

    def test_right_ones(self):
        for title in (None, "Receiving an SMB2 LOCK Request", "... LOCK Request", "Receiving ..."):
            self.assertIsNone(self.judge("1.2", title), title)

    def test_wrong_ones(self):
        self.assertIn("no such section", self.judge("1.3", None))
        self.assertIn("is \"Receiving", self.judge("1.2", "Receiving a LOCK Request"))
        self.assertIn("is \"Receiving", self.judge("1.2", "... UNLOCK Request"))
        self.assertIn("no headings", self.judge("1.2", None, "MS-Y"))


class Tree(unittest.TestCase):
    def test_every_citation_is_right(self):
        table, complaints, count = citations.sections(), [], 0
        for path in cited_files():
            for each in citations.find(path.read_text(encoding="utf-8", errors="replace")):
                count += 1
                wrong = citations.complaint(each, table)
                if wrong:
                    complaints.append(f"{path.relative_to(ROOT)}:{each.line}: {wrong}")
        self.assertFalse(complaints, "\n" + "\n".join(complaints))
        self.assertGreater(count, 500)  # else it is this test that finds nothing


if __name__ == "__main__":
    unittest.main()
