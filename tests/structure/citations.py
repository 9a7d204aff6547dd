"""Citations of the protocol specifications, checked against the documents' own headings.

    [MS-SMB2] 3.3.5.9.8 and 3.3.5.9.11            sections that are there
    [MS-SMB2] 3.3.5.14.1 and .2                   the last number of the one before, replaced
    [MS-FSA] 2.1.5.8 "Server Requests a Byte-Range Lock"    with its title, spelled as there
    [MS-SMB2] 3.3.4.7 "... a Lease Break"         the same, cut

sections.tsv has a document's headings: document, number, title. A document that is cited and not
in it has to be named in UNCHECKED.
"""
import dataclasses
import pathlib
import re

HERE = pathlib.Path(__file__).resolve().parent
UNCHECKED = {"MS-CIFS", "MS-LSAD", "MS-UCODEREF"}  # no headings at hand; few citations

NUMBER = r"\d+(?:\.\d+)+"
CITATION = re.compile(r"\[(MS-[A-Z0-9]+)\](?:,? sections?)?\s+(" + NUMBER + r")")
FURTHER = re.compile(r"(?:,| and| or| to|, and|;)\s+(" + NUMBER + r"|\.\d+(?:\.\d+)*)(?![\w%])")
TITLE = re.compile(r',?\s+"([^"]+)"')
# A comment's text goes on behind what begins its next line.
CONTINUED = re.compile(r"\n[ \t]*(?://+|#+|\*|;)?[ \t]*")


@dataclasses.dataclass(frozen=True)
class Citation:
    line: int
    document: str
    number: str
    title: str | None


def sections():
    """{document: {number: title}}"""
    table = {}
    for line in (HERE / "sections.tsv").read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            document, number, title = line.split("\t")
            table.setdefault(document, {})[number] = title
    return table


def joined(text):
    """The text in one line, and a function that gives the line of a place in it."""
    parts, starts, at, place = [], [(0, 1)], 0, 0
    for match in CONTINUED.finditer(text):
        parts += [text[at:match.start()], " "]
        place += match.start() - at + 1
        starts.append((place, starts[-1][1] + 1))
        at = match.end()
    parts.append(text[at:])

    def line_of(wanted):
        return max(line for start, line in starts if start <= wanted)
    return "".join(parts), line_of


def find(text):
    """Every Citation of a file."""
    flat, line_of = joined(text)
    flat = flat.replace('\\"', '"')
    found = []
    for match in CITATION.finditer(flat):
        document, number, end = match.group(1), match.group(2), match.end()
        while True:
            title = TITLE.match(flat, end)
            found.append(Citation(line_of(match.start()), document, number,
                                  title.group(1) if title else None))
            end = title.end() if title else end
            more = FURTHER.match(flat, end)
            if not more:
                break
            number = (number.rsplit(".", 1)[0] + more.group(1) if more.group(1)[0] == "."
                      else more.group(1))
            end = more.end()
    return found


def plain(title):
    return " ".join(title.split()).casefold()


def is_title(cited, title):
    part = cited.strip(". ")
    if cited.startswith("...") and cited.endswith("..."):
        return part in title
    if cited.startswith("..."):
        return title.endswith(part)
    if cited.endswith("..."):
        return title.startswith(part)
    return cited == title


def complaint(citation, table):
    """What is wrong with it, or None."""
    if citation.document in UNCHECKED:
        return None
    known = table.get(citation.document)
    if known is None:
        return f"no headings of [{citation.document}] in sections.tsv"
    shown = f"[{citation.document}] {citation.number}"
    if citation.number not in known:
        return f"{shown}: no such section"
    title = known[citation.number]
    if citation.title is not None and not is_title(plain(citation.title), plain(title)):
        return f'{shown} is "{title}", not "{citation.title}"'
    return None
