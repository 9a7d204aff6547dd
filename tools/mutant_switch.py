"""Plants many mutations at once, each behind a number that the environment gives.

A mutant's place asks `braid_mutants::on(number)`, which is true in the processes that have
BRAID_MUTANT=number, and marks in the file BRAID_MUTANTS_REACHED that the place was reached. So one
compilation serves all of them, and a test that never comes to a mutant need not be run for it.

An expression becomes `(on(7) ? (a != b) : (a == b))`, a number `(3 + on(7))`, a statement
`{ if (!on(7)) stop(); }`, and every line keeps its number. What has to be known when it is compiled
(a constant expression, a template's argument) does not compile so: the caller plants it alone.
"""
import dataclasses
import re

import mutations

HEADER = "src/mutant_switch.h"
NUMBERS_MAX = 4096
HEADER_TEXT = """\
#pragma once
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>

namespace braid_mutants {

struct Switch {
  int planted = -1;
  volatile unsigned char* reached = nullptr;

  Switch() {
    if (const char* number = std::getenv("BRAID_MUTANT")) planted = std::atoi(number);
    const char* path = std::getenv("BRAID_MUTANTS_REACHED");
    const int file = path ? ::open(path, O_RDWR | O_CLOEXEC) : -1;
    if (file < 0) return;
    void* bytes = ::mmap(nullptr, NUMBERS_MAX, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    ::close(file);
    if (bytes != MAP_FAILED) reached = static_cast<unsigned char*>(bytes);
  }
};

inline Switch& the_switch() {
  static Switch all;
  return all;
}

// Made before main(), while the process still has every right.
inline Switch& first_use = the_switch();

inline bool on(int number) {
  const Switch& all = the_switch();
  if (all.reached && !all.reached[number]) all.reached[number] = 1;
  return number == all.planted;
}

}  // namespace braid_mutants
""".replace("NUMBERS_MAX", str(NUMBERS_MAX))

TOKEN = {"constant": re.compile(
             r"(?<![\w.'])(?:true|false|(?:0[xX][0-9a-fA-F']+|\d[\d']*)[uUlLzZ]*)\b"),
         "column": mutations.COLUMN}
KEYWORD = re.compile(r"\b(?:co_return|co_yield|return|else|case|throw)\b")
CONSTANT = re.compile(r"^[ \t]*(?:inline |static )*(constexpr)\b", re.M)
OPENS, CLOSES = "([{", ")]}"


@dataclasses.dataclass(frozen=True)
class Edit:
    start: int  # in the text of the file
    end: int
    after: str


class Source:
    """A file, and which mutants stand in it."""

    def __init__(self, text):
        self.text = text
        # What is in quotes and in comments is spaces here: the places are the same.
        self.code = "\n".join(mutations.blank_text(line).ljust(len(line))
                              for line in text.split("\n"))
        self.starts = [0]
        for line in text.split("\n"):
            self.starts.append(self.starts[-1] + len(line) + 1)
        self.edits = {}  # by the mutant's number

    def plant(self, mutation, number):
        """Whether it could be planted beside those that are."""
        edits = self.edits_of(mutation, f"braid_mutants::on({number})")
        others = {each for every in self.edits.values() for each in every}
        if not edits or any(edit.start < other.end and other.start < edit.end and edit != other
                            for edit in edits for other in others):
            return False
        self.edits[number] = edits
        return True

    def lines_of(self, number):
        """The lines, from 1, that this mutant changes."""
        return {line for edit in self.edits[number]
                for line in range(self.line_at(edit.start), self.line_at(edit.end) + 1)}

    def line_at(self, place):
        return self.text.count("\n", 0, place) + 1

    def planted(self):
        text = self.text
        for edit in sorted({each for every in self.edits.values() for each in every},
                           key=lambda each: each.start, reverse=True):
            text = text[:edit.start] + edit.after + text[edit.end:]
        return f'#include "{HEADER.removeprefix("src/")}"\n' + mutations.quiet(text)

    def edits_of(self, mutation, on):
        start, end, after = difference(mutation.before, mutation.after)
        line = self.starts[mutation.line - 1]
        return getattr(self, "of_" + KIND_OF[mutation.kind])(mutation, line, start, end, after, on)

    def of_token(self, mutation, line, start, _end, _after, on):
        code = mutations.blank_text(mutation.before)
        for match in TOKEN[mutation.kind].finditer(code):
            if match.start() <= start <= match.end():
                break
        else:
            return None
        before = match.group()
        if mutation.kind == "column":
            after = mutation.after[match.start():].split(",")[0].split("}")[0]
            text = f"({on} ? {after} : {before})"
        elif before in ("true", "false"):
            text = f"(!{on})" if before == "true" else f"({on})"
        else:
            text = f"({before} + {on})"
        return (Edit(line + match.start(), line + match.end(), text),
                *self.not_constant(line + match.start()))

    def not_constant(self, place):
        """What makes the declaration around this place one that is computed at the start."""
        last = None
        for last in CONSTANT.finditer(self.code, 0, place):
            pass
        if last is None or ";" in self.code[last.end():place]:
            return ()
        head = re.split(r"[={]", self.code[last.end():place], maxsplit=1)
        if len(head) == 1 or "(" in head[0]:
            return ()
        return (Edit(last.start(1), last.end(1), "const"),)

    def of_condition(self, mutation, line, _start, _end, _after, on):
        match = mutations.CONDITION.match(mutations.blank_text(mutation.before).rstrip())
        start, end = line + match.start(2), line + match.end(2)
        return (Edit(start, end, f"static_cast<bool>({self.text[start:end]}) != {on}"),)

    def of_statement(self, mutation, line, start, _end, _after, on):
        code = mutations.blank_text(mutation.before).rstrip()
        return (Edit(line + start, line + len(code),
                     f"{{ if (!{on}) {mutation.before[start:len(code)]} }}"),)

    def of_expression(self, _mutation, line, start, end, after, on):
        first, last = self.begin_of(line + start), self.end_of(line + end)
        if first is None or last is None:
            return None
        first += len(self.code[first:]) - len(self.code[first:].lstrip())
        last = first + len(self.code[first:last].rstrip())
        before = self.without_comments(first, last)
        mutated = (self.without_comments(first, line + start) + after +
                   self.without_comments(line + end, last)).replace("\n", " ")
        return (Edit(first, last, f"({on} ? ({mutated}) : ({before}))"),)

    def without_comments(self, first, last):
        """The text as it is, but for what stands behind // in a line."""
        lines = []
        for line in self.text[first:last].split("\n"):
            code = mutations.blank_text(line)
            lines.append(line[:len(code.rstrip())] if "//" in line else line)
        return "\n".join(lines)

    def begin_of(self, place):
        """Where the expression around this place begins: behind what cannot be in it."""
        i, code = place - 1, self.code
        while i >= 0:
            char = code[i]
            if char in CLOSES:
                if char == "}" and code[i + 1:i + 2] == "\n":
                    break
                i = self.match_of(i, -1)
                if i is None:
                    return None
            elif char in OPENS + ",;?" or self.is_colon(i) or self.is_assignment(i):
                break
            i -= 1
        begin = i + 1
        for word in KEYWORD.finditer(code, begin, place):
            begin = word.end()
        return begin

    def end_of(self, place):
        i, code = place, self.code
        while i < len(code):
            char = code[i]
            if char == "{" and not (code[i - 1].isalnum() or code[i - 1] in "_>"):
                return i
            if char in OPENS:
                i = self.match_of(i, 1)
                if i is None:
                    return None
            elif char in CLOSES + ",;?" or self.is_colon(i):
                return i
            i += 1
        return None

    def is_colon(self, i):
        return self.code[i] == ":" and ":" not in (self.code[i - 1], self.code[i + 1])

    def is_assignment(self, i):
        return (self.code[i] == "=" and self.code[i - 1] not in "=!<>" and
                self.code[i + 1] != "=")

    def match_of(self, i, step):
        """The bracket that belongs to this one, in the direction of `step`."""
        depth = 0
        while 0 <= i < len(self.code):
            depth += (self.code[i] in OPENS) - (self.code[i] in CLOSES)
            if depth == 0:
                return i
            i += step
        return None


KIND_OF = {"constant": "token", "column": "token", "condition": "condition",
           "return": "statement", "call": "statement", "statement": "statement",
           "comparison": "expression", "logic": "expression", "arithmetic": "expression"}


def difference(before, after):
    """(start, end, text): before[start:end] has become this text."""
    start = 0
    while start < min(len(before), len(after)) and before[start] == after[start]:
        start += 1
    same = 0
    while (same < min(len(before), len(after)) - start and
           before[len(before) - 1 - same] == after[len(after) - 1 - same]):
        same += 1
    return start, len(before) - same, after[start:len(after) - same]


def plant(texts, chosen):
    """Sources by path, and the mutants that stand in none of them: numbers are those in `chosen`.

    `texts` gives the text of a path.
    """
    sources, left = {}, []
    for number, mutation in enumerate(chosen[:NUMBERS_MAX]):
        if mutation.path not in sources:
            sources[mutation.path] = Source(texts(mutation.path))
        if not sources[mutation.path].plant(mutation, number):
            left.append(number)
    return sources, left + list(range(NUMBERS_MAX, len(chosen)))


SAID = re.compile(r"^(\S+?):(\d+):\d+: (?:fatal )?(?:error|note):", re.M)


def refused(sources, said):
    """The numbers of those that the compiler's words point at."""
    places = {(path, int(line)) for path, line in SAID.findall(said)}
    found = set()
    for path, source in sources.items():
        lines = {line for where, line in places if where == path or where.endswith("/" + path)}
        found |= {number for number in source.edits if lines & source.lines_of(number)}
    return found
