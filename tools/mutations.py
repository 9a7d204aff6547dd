"""Single-line mutations of C++ sources, found by text.

The sources are laid out by clang-format, so a binary operator has spaces around it, the brackets
of a template have none, and a statement that fits a line stands on one. What does not compile is
told by the compiler; what cannot change anything that a test could see is left out here.
"""
import dataclasses
import re

# Lines on which a mutation changes no behaviour, or that of a test only: is_planted marks
# what is compiled in for the simulator's planted defects.
SKIPPED = re.compile(
    r"^\s*(#|//|using\b|template\b|static_assert|assert\(|friend\b|namespace\b|public:|private:)"
    r"|\bis_planted\b|\) (const )?= 0;|\blog_\w+\(|\blog::|\bassert\(|\breserve\(|= default;"
    r"|= delete;|\bexplicit\b")
SWAPPED = {
    " == ": " != ", " != ": " == ", " < ": " <= ", " <= ": " < ", " > ": " >= ", " >= ": " > ",
    " && ": " || ", " || ": " && ", " + ": " - ", " - ": " + ",
}
KINDS = {" && ": "logic", " || ": "logic", " + ": "arithmetic", " - ": "arithmetic"}
OPERATOR = re.compile("|".join(re.escape(each) for each in SWAPPED))
NUMBER = re.compile(r"(?<![\w.'])(0[xX][0-9a-fA-F']+|\d[\d']*)(?=[uUlL]*\b)(?![.\w'])")
CONDITION = re.compile(r"^(\s*(?:\} else )?(?:if|while) )\((.*)\)( \{| [^{}]*;)$")
RETURN = re.compile(r"^(\s*)((?:if|while) \(.*\) )?((?:co_)?return\b[^;]*|break|continue);$")
CALL = re.compile(r"^\s*(?:(?:if|while) \(.*\) )?[a-z_][\w.:>-]*(?:\[[^\]]*\])?[\w.:>-]*\(.*\);$")
ASSIGNMENT = re.compile(r"^\s*(?:if \(.*\) )?\*?[a-z_][\w.>-]*(?:\[[^\]]*\])? [-+|&^]?= .*;$")
STEP = re.compile(r"^\s*(?:\+\+|--)[a-z_][\w.>-]*;$")
BOOLEAN = re.compile(r"\b(true|false)\b")
# Of the tables of smb2: each column gets the value that stands behind its own.
COLUMNS = {
    "Target": ("kNone", "kFileOnly", "kFileOrPipe"),
    "Changes": ("kNothing", "kClient", "kRepeatable", "kOpen", "kFile"),
    "Waits": ("kNever", "kBounded", "kForEverOnPipe", "kForEver"),
}
COLUMN = re.compile(r"\b(%s)::(k\w+)" % "|".join(COLUMNS))


@dataclasses.dataclass(frozen=True)
class Mutation:
    path: str  # from the root of the tree
    line: int  # from 1
    kind: str
    before: str  # the whole line
    after: str

    def __str__(self):
        return (f"{self.path}:{self.line}: {self.kind}\n    - {self.before.strip()}\n"
                f"    + {self.after.strip()}")

    def key(self):
        return self.path, self.before.strip(), self.after.strip()


def blank_text(line):
    """The line with what is in quotes and in comments made spaces, as long as before."""
    out, quote, i = [], None, 0
    while i < len(line):
        char = line[i]
        if quote:
            if char == "\\":
                out.append("  ")
                i += 2
                continue
            out.append(char if char == quote else " ")
            if char == quote:
                quote = None
        elif line.startswith("//", i):
            out.append(" " * (len(line) - i))
            break
        elif char == '"' or (char == "'" and not (i and line[i - 1].isalnum())):
            quote = char
            out.append(char)
        else:
            out.append(char)
        i += 1
    return "".join(out)[:len(line)]


def is_balanced(text):
    depth = 0
    for char in text:
        depth += {"(": 1, ")": -1}.get(char, 0)
        if depth < 0:
            return False
    return depth == 0


def next_number(text):
    digits = text.replace("'", "")
    value = int(digits, 16) if digits[:2].lower() == "0x" else int(digits, 10)
    return hex(value + 1) if digits[:2].lower() == "0x" else str(value + 1)


def of_line(line, begins_statement):
    """(kind, the line after) for everything that can be planted on this line."""
    code = blank_text(line).rstrip()
    if not code.strip() or SKIPPED.search(code):
        return []
    found = []

    def put(start, end, text, kind):
        found.append((kind, line[:start] + text + line[end:]))

    for match in OPERATOR.finditer(code):
        put(match.start(), match.end(), SWAPPED[match.group()],
            KINDS.get(match.group(), "comparison"))
    for match in NUMBER.finditer(code):
        put(match.start(), match.end(), next_number(match.group()), "constant")
    for match in BOOLEAN.finditer(code):
        put(match.start(), match.end(), {"true": "false", "false": "true"}[match.group()],
            "constant")
    for match in COLUMN.finditer(code) if code.lstrip().startswith("{") else ():
        values = COLUMNS[match.group(1)]
        if match.group(2) not in values:
            continue
        after = values[(values.index(match.group(2)) + 1) % len(values)]
        put(match.start(2), match.end(2), after, "column")
    condition = CONDITION.match(code)
    if (condition and is_balanced(condition.group(2)) and ";" not in condition.group(2)
            and not condition.group(2).startswith("const auto")):
        put(condition.start(2), condition.end(2),
            f"!({line[condition.start(2):condition.end(2)]})", "condition")
    if begins_statement and is_balanced(code):
        exit_ = RETURN.match(code)
        if exit_ and (exit_.group(2) or exit_.group(3) in ("return", "break", "continue")):
            put(exit_.start(3), len(code), "{}", "return")
        elif not exit_ and (CALL.match(code) or ASSIGNMENT.match(code) or STEP.match(code)):
            start = re.match(r"\s*(?:(?:if|while) \(.*?\) (?=[a-z_]))?", code).end()
            put(start, len(code), "{}", "call" if CALL.match(code) else "statement")
    return found


def of_text(path, text):
    """Every Mutation of one file."""
    found, begins, asserting = [], True, False
    for number, line in enumerate(text.split("\n"), 1):
        code = blank_text(line).strip()
        # An assertion of several lines belongs to nobody's behaviour.
        asserting = asserting or re.match(r"(static_)?assert\(", code) is not None
        if not asserting:
            found += [Mutation(path, number, kind, line, after)
                      for kind, after in of_line(line, begins)]
        if code.endswith(";"):
            asserting = False
        if code:
            begins = code[-1] in ";{}:" or code.startswith("#")
    return found


def quiet(text):
    """Without warnings, but for a function without its return; lines keep their numbers."""
    return ('#pragma clang diagnostic ignored "-Weverything"\n'
            '#pragma clang diagnostic error "-Wreturn-type"\n#line 1\n' + text)
