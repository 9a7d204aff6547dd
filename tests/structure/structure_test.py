#!/usr/bin/env python3
"""How the source tree is built up: floors, sizes, READMEs. Reads files, runs nothing."""
import collections
import pathlib
import re
import subprocess
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SRC = ROOT / "src"

# A file includes its own folder and strictly lower floors.
FLOORS = {
    "base": 0,
    "wire": 1, "crypto": 1, "codec": 1, "runtime": 1,
    "transport": 2, "auth": 2, "config": 2,
    "network": 3, "vfs": 3, "store": 3, "client": 3, "verbs": 3,
    "filestate": 4,
    "rpc": 5,
    "smb2": 6,
    "admin": 7,
    "apps": 8,
}
# The rooms of smb2, lowest first: a header includes its own and lower ones. What is not in a room is
# above all but the commands.
ROOMS = ["workers", "common", "compression", "audit", "shares", "security", "sessions", "opens", "persistent", "notify",
         "connections", "breaks", "files", "logons", "handover", "", "commands"]
# Sources that look up, and why.
ROOMS_UPWARD = {
    "connections": {"server.h": "a connection is one of a Server's, and asks it for its parts"},
    "connections/compound.cc": {"commands/dispatch.h": "where each request of a frame goes"},
    "sessions/session.cc": {"opens/open.h": "a session has opens, and ends them"},
    "shares/share.cc": {"persistent/handles_folder.h": "a share that keeps no promises ends those in its folder first"},
    "handover": {"server.h": "its connections leave a Server, and come to another one"},
    "opens/pipe_reads.cc": {"connections/": "a READ that waits is answered on its connection"},
}
# What stands in the bytes of others, or is not written as it is read.
NO_GOLDEN_BYTES = {
    "CreateRequestContexts": "in CreateRequest",
    "CreateResponseContexts": "in CreateResponse",
    "AvPairs": "in ChallengeMessage",
    "Ntlmv2Response": "its proof is computed by who writes it",
}
LINES_MAX = 800
README_LINES = range(15, 41)
PART_README_LINES = range(5, 41)  # of a folder within a folder
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.M)


# A warning or an error of the server, with its text.
WARNING = re.compile(r'log::(?:warn|error)\(\s*((?:"(?:[^"\\]|\\.)*"\s*)+)')
# So many may be written, or changed, before somebody explains them.
LINES_YOUNGER_THAN_THE_PAGE_MAX = 8
NOT_SERVED = ("_test", "_testing", "_fuzz")
NO_SERVER = ("apps/braidctl/", "apps/braid-bench/", "client/")

FOLDER = re.compile(r"^braid_folder\((\w+)(?:\s+DEPS ([\w ]+?))?(?:\s+LINK [^)]*)?\)", re.M)


def links_of_folders():
    """{folder: all that it is linked with}, as CMakeLists.txt says."""
    links = {}
    for folder, direct in FOLDER.findall((ROOT / "CMakeLists.txt").read_text(encoding="utf-8")):
        links[folder] = set(direct.split())
        for each in direct.split():  # lowest first
            links[folder] |= links[each]
    return links


def sources():
    return sorted(path for path in SRC.rglob("*") if path.suffix in (".h", ".cc"))


def shown(path):
    return str(path.relative_to(ROOT))


class Structure(unittest.TestCase):
    def check(self, complaints):
        self.assertFalse(complaints, "\n" + "\n".join(complaints))

    def test_numbers_of_deviations_are_used_once(self):
        text = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")
        numbers = re.findall(r"^(\d+)\. ", text, re.M)
        self.check([f"docs/protocol.md: {number} is used twice"
                    for number in sorted(set(numbers)) if numbers.count(number) > 1])

    def test_every_folder_has_a_floor(self):
        self.check([f"{shown(path)}: no floor in this test" for path in SRC.iterdir()
                    if path.is_dir() and path.name not in FLOORS])

    def test_no_include_climbs(self):
        complaints = []
        for path in sources():
            folder = path.relative_to(SRC).parts[0]
            for include in INCLUDE.findall(path.read_text(encoding="utf-8")):
                other = include.split("/")[0]
                if other not in FLOORS or not (SRC / include).exists():
                    complaints.append(f'{shown(path)}: "{include}" is no file under src/')
                elif other != folder and FLOORS[other] >= FLOORS[folder]:
                    complaints.append(f"{shown(path)}: includes {include}, of floor "
                                      f"{FLOORS[other]}, from floor {FLOORS[folder]}")
        self.check(complaints)

    def test_rooms_of_smb2_are_in_order(self):
        def room_of(path):
            return path.split("/")[0] if "/" in path else ""
        complaints, used = [], set()
        for path in sources():
            file = str(path.relative_to(SRC))
            if not file.startswith("smb2/") or re.search(r"_(test|fuzz)\.cc$|_testing\.", file):
                continue
            file = file[len("smb2/"):]
            if room_of(file) not in ROOMS:
                complaints.append(f"smb2/{file}: no room in this test")
                continue
            for include in INCLUDE.findall(path.read_text(encoding="utf-8")):
                other = include.removeprefix("smb2/")
                if other == include or file == "precompiled.h":
                    continue
                if ROOMS.index(room_of(other)) <= ROOMS.index(room_of(file)):
                    continue
                reasons = [(key, allowed) for key in (file, room_of(file))
                           for allowed in ROOMS_UPWARD.get(key, {}) if other.startswith(allowed)]
                if file.endswith(".h") or not reasons:
                    complaints.append(f"src/smb2/{file}: includes {other}, of a room above")
                used.update(reasons)
        for key, allowed in ROOMS_UPWARD.items():
            complaints += [f"ROOMS_UPWARD: {key} does not include {each} any more"
                           for each in allowed if (key, each) not in used]
        self.check(complaints)

    def test_includes_are_linked(self):
        links = links_of_folders()
        self.assertEqual(set(links) | {"apps"}, set(FLOORS), "CMakeLists.txt and FLOORS")
        complaints = []
        for path in sources():
            folder = path.relative_to(SRC).parts[0]
            for include in INCLUDE.findall(path.read_text(encoding="utf-8")):
                other = include.split("/")[0]
                if folder != "apps" and other != folder and other not in links[folder]:
                    complaints.append(f"{shown(path)}: includes {include}, but CMakeLists.txt does "
                                      f"not link {folder} with {other}")
        self.check(complaints)

    def test_what_is_linked_is_included(self):
        lines = FOLDER.findall((ROOT / "CMakeLists.txt").read_text(encoding="utf-8"))
        complaints = []
        for folder, direct in lines:
            included = {include.split("/")[0] for path in (SRC / folder).rglob("*.[hc]*")
                        for include in INCLUDE.findall(path.read_text(encoding="utf-8"))}
            complaints += [f"CMakeLists.txt: {folder} links {other} and includes nothing of it"
                           for other in direct.split() if other not in included]
        self.check(complaints)

    def test_no_loop_holds_a_lock_by_accident(self):
        # In C++23 what the range of a loop is made of lives as long as the loop.
        complaints = []
        for path in sources():
            text = path.read_text(encoding="utf-8")
            for loop in re.finditer(r"\bfor \(", text):
                at, depth = loop.end(), 1
                while depth:
                    depth += {"(": 1, ")": -1}.get(text[at], 0)
                    at += 1
                head = text[loop.end():at - 1]
                if ";" not in head and re.search(r":.*\block\(\)", head, re.S):
                    line = text.count("\n", 0, loop.start()) + 1
                    complaints.append(f"{shown(path)}:{line}: holds a lock for the whole loop; "
                                      f"give the lock or the copy a name before it")
        self.check(complaints)

    def test_what_is_posted_in_smb2_is_waited_for(self):
        bare = re.compile(r"\bpost\(\s*\[[^\]]*(shared_from_this|=\s*this\b)[^\]]*\]")
        self.check([f"{shown(path)}: a bare post() that keeps what uses the Server: spawn a coroutine in a "
                   "scope, which the Server waits for"
                   for path in sources() if "smb2" in path.parts and "_test" not in path.stem
                   and bare.search(path.read_text(encoding="utf-8").replace("weak_from_this", ""))])

    def test_what_is_declared_is_called(self):
        text = {path: re.sub(r"//.*", "", path.read_text(encoding="utf-8")) for path in sources()}
        words = collections.Counter(word for each in text.values()
                                    for word in re.findall(r"\w+", each))
        # With its declaration that is two.
        self.check([f"{shown(path)}: nobody calls {owner}::{name}()"
                    for path, each in text.items()
                    if path.suffix == ".cc" and SRC / "client" not in path.parents
                    for owner, name in re.findall(r"^\w[\w:<>,*& ]*?(\w+)::(\w+)\(", each, re.M)
                    if owner != name and words[name] == 2])

    def test_every_structure_of_wire_has_golden_bytes(self):
        declared = re.compile(r"static Result<(\w+)> decode\((?:Reader& r|ByteView \w+)\);")
        rows = {}  # by folder: a name may be that of two structures
        for path in (SRC / "wire").rglob("*_test.cc"):
            text = path.read_text(encoding="utf-8")
            rows.setdefault(path.parent, set()).update(re.findall(r"\bgolden\w*<(\w+)>", text))
        self.check([f"{shown(path)}: {name} has no golden<{name}>() (src/wire/golden_testing.h)"
                    for path in (SRC / "wire").rglob("*.h")
                    for name in declared.findall(path.read_text(encoding="utf-8"))
                    if name not in rows.get(path.parent, ()) and name not in NO_GOLDEN_BYTES])

    def test_every_fuzzer_has_seeds(self):
        complaints = []
        for path in sources():
            if path.name.endswith("_fuzz.cc"):
                corpus = ROOT / "fuzz" / "corpus" / path.stem
                if not corpus.is_dir() or not any(corpus.iterdir()):
                    complaints.append(f"{shown(path)}: nothing in {shown(corpus)}")
        self.check(complaints)

    def test_shared_memory_is_known_to_store_alone(self):
        self.check([f"{shown(path)}: includes {include}, which is the machine's; use store/group.h"
                    for path in sources() if path.relative_to(SRC).parts[0] != "store"
                    for include in INCLUDE.findall(path.read_text(encoding="utf-8"))
                    if include in ("store/shared_region.h", "store/shared_records.h")
                    or (include == "store/worker_group.h"
                        and path.relative_to(SRC).parts[:2] != ("apps", "braidd"))])

    def test_client_and_smb2_do_not_meet(self):
        # The floors alone would let smb2 include client.
        complaints = []
        for path in sources():
            folder = path.relative_to(SRC).parts[0]
            strangers = {"smb2": "client", "client": "smb2"}.get(folder)
            complaints += [f"{shown(path)}: includes {include}"
                           for include in INCLUDE.findall(path.read_text(encoding="utf-8"))
                           if include.split("/")[0] == strangers]
        self.check(complaints)

    def test_programs_do_not_include_each_other(self):
        complaints = []
        for path in (SRC / "apps").rglob("*.[hc]*"):
            program = path.relative_to(SRC).parts[1]
            complaints += [f"{shown(path)}: includes {include}"
                           for include in INCLUDE.findall(path.read_text(encoding="utf-8"))
                           if include.startswith("apps/") and include.split("/")[1] != program]
        self.check(complaints)

    def test_no_file_is_too_long(self):
        complaints = []
        for path in sources():
            lines = len(path.read_text(encoding="utf-8").splitlines())
            if lines > LINES_MAX:
                complaints.append(f"{shown(path)}: {lines} lines; split it")
        self.check(complaints)

    def test_every_folder_has_a_readme(self):
        complaints = []
        for folder in sorted({path.parent for path in sources()}):
            readme = folder / "README.md"
            if not readme.exists():
                complaints.append(f"{shown(folder)}: no README.md")
                continue
            lines = len(readme.read_text(encoding="utf-8").splitlines())
            asked = README_LINES if folder.parent in (SRC, SRC / "apps") else PART_README_LINES
            if lines not in asked:
                complaints.append(f"{shown(readme)}: {lines} lines; {asked[0]} to {asked[-1]} are "
                                  "asked for")
        self.check(complaints)

    def test_headers_have_pragma_once(self):
        self.check([f"{shown(path)}: no #pragma once" for path in sources()
                    if path.suffix == ".h" and "#pragma once" not in
                    path.read_text(encoding="utf-8")])

    def test_sources_are_laid_out_by_clang_format(self):
        files = [path for folder in ("src", "tests") for path in sorted((ROOT / folder).rglob("*"))
                 if path.suffix in (".h", ".cc")]
        done = subprocess.run(["clang-format-19", "--dry-run", *files], stdout=subprocess.DEVNULL,
                              stderr=subprocess.PIPE, text=True, check=True)
        wrong = sorted(set(re.findall(r"^(\S+?):\d+:\d+: warning", done.stderr, re.M)))
        self.check([f"{shown(pathlib.Path(file))}: clang-format-19 -i would change it"
                    for file in wrong])

    def test_every_row_of_samba_has_a_test(self):
        files = [path for folder in (SRC, ROOT / "tests") for path in folder.rglob("*_test.*")]
        known = {path.name for path in files}
        text = "".join(path.read_text(encoding="utf-8") for path in files)
        known |= set(re.findall(r"^class (\w+)\(", text, re.M))
        known |= {suite + ".*" for suite in re.findall(r"^TEST(?:_F|_P)?\((\w+)", text, re.M)}
        known |= {f"{suite}.{name}" for suite, name in
                  re.findall(r"^TEST(?:_F|_P)?\((\w+),\s*(\w+)", text, re.M)}
        torture = "".join(path.read_text(encoding="utf-8")
                          for path in (ROOT / "tests/conformance").glob("ledger*.tsv"))
        complaints = []
        for row in (ROOT / "docs/samba.md").read_text(encoding="utf-8").splitlines():
            if not row.startswith("| ") or row.endswith("| Test |") or "| not there |" in row:
                continue
            for name in re.findall("`([^`]+)`", row.rsplit(" | ", 1)[1]) or ["none"]:
                case, _, method = name.partition(".test_")
                is_there = (ROOT / name).is_dir() if name.startswith("tests/") else (
                    case in known and (not method or f"def test_{method}(" in text))
                is_there = is_there or (name.endswith(".*") and name[:-1] in torture)
                if not is_there:
                    complaints.append(f"docs/samba.md: there is no test {name}: {row}")
        self.check(complaints)

    def test_every_warning_is_explained(self):
        lines = {}
        for path in sorted(SRC.rglob("*.cc")):
            if path.stem.endswith(NOT_SERVED) or path.relative_to(SRC).as_posix().startswith(NO_SERVER):
                continue
            for literals in WARNING.findall(path.read_text(encoding="utf-8")):
                text = "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', literals)).replace('\\"', '"')
                lines[re.sub(r"\{[^}]*\}", "...", text)] = shown(path)
        explained = set()
        for row in (ROOT / "docs/log.md").read_text(encoding="utf-8").splitlines():
            if row.startswith("| `"):
                explained |= set(re.findall("`([^`]+)`", row.split(" | ")[0]))
        complaints = [f"{path}: docs/log.md does not explain: {line}"
                      for line, path in lines.items() if line not in explained]
        complaints += [f"docs/log.md: nobody writes: {line}" for line in explained - set(lines)]
        if len(complaints) > LINES_YOUNGER_THAN_THE_PAGE_MAX:
            self.check(complaints)

    def test_every_package_says_why(self):
        complaints = []
        for line in (ROOT / "packages.txt").read_text(encoding="utf-8").splitlines():
            if line and line[0] not in "#[" and not re.match(r"\S+\s+# \S", line):
                complaints.append(f"packages.txt: {line}: no reason")
        self.check(complaints)


if __name__ == "__main__":
    unittest.main()
