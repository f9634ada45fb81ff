"""What an excerpt needs to be understood: the imports it uses, and the fields of its class, found in its own file."""

import re
from collections.abc import Iterator, Sequence

from gitagent.core.microtasks.outlines import enclosing, fields, outline
from gitagent.core.texts import lines_of

MOST_IMPORTS, MOST_FIELDS = 8, 8
_LONGEST_STATEMENT = 40  # lines
_LONGEST_LINE = 160
_IMPORT = re.compile(
    r"^\s*(?:from\s+[\w.]+\s+import\b|import\b|use\s+[\w:]|using\s+[\w:]|(?:export\s+)?(?:const|let|var)\b[^=]*=\s*require\()"
)
_WORD = re.compile(r"[A-Za-z_$][\w$]*")
_KEYWORDS = frozenset(("import", "from", "as", "use", "using", "const", "let", "var", "require", "static", "type"))
_OWN = re.compile(r"\b(?:self|this)(?:\.|->)([A-Za-z_]\w*)(?!\w*\s*\()|@([a-z_]\w*)")


def imports_used(text: str, first_line: int, excerpt: str) -> tuple[str, ...]:
    """The file's import statements, each on one line, that bind a name the excerpt uses and does not import itself."""
    used = frozenset(_WORD.findall(excerpt))
    last_line = first_line + len(lines_of(excerpt)) - 1
    found = []
    for number, statement in _imports(lines_of(text)):
        if first_line <= number <= last_line:
            continue
        head, names = _bound(statement)
        wanted = [name for name in names if used & set(_WORD.findall(name)) - _KEYWORDS]
        if wanted:
            whole = len(statement) <= _LONGEST_LINE or not head
            found.append((statement if whole else head + ", ".join(wanted))[:_LONGEST_LINE])
    return tuple(dict.fromkeys(found))[:MOST_IMPORTS]


def fields_used(path: str, text: str, first_line: int, excerpt: str) -> tuple[str, ...]:
    """The lines around an excerpt that declare or first set the fields it reads or writes: those of its own class,
    and those of the structures in the file that it names."""
    own = lines_of(text)
    last_line = first_line + len(lines_of(excerpt)) - 1
    spans = outline(path, text)
    around = enclosing(spans, first_line)
    words = frozenset(_WORD.findall(excerpt))
    types = words.union(*(span.name.split(".") for span in around))
    holding = [span for span in spans if span.name.rpartition(".")[2] in types]
    declared = [
        own[one.first_line - 1].strip()[:_LONGEST_LINE]
        for one in fields(path, text)
        if one.name.lstrip("#") in words and not first_line <= one.first_line <= last_line
        if any(span.first_line <= one.first_line <= span.last_line for span in holding)
    ]
    wider = [span for span in around if span.first_line < first_line and last_line <= span.last_line]
    wanted = dict.fromkeys(name or other for name, other in _OWN.findall(excerpt))
    found: dict[str, str] = {}
    for span in wider[:1]:
        for number, line in enumerate(own[span.first_line - 1 : span.last_line], span.first_line):
            if not first_line <= number <= last_line and (name := _set_in(line)) in wanted:
                found.setdefault(name, line.strip()[:_LONGEST_LINE])
    return tuple(dict.fromkeys([*declared, *found.values()]))[:MOST_FIELDS]


def _imports(own: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Import statements on one line each, with the line they begin on."""
    number = 0
    while number < len(own):
        line = own[number]
        number += 1
        if not _IMPORT.match(line):
            continue
        begun, parts = number, [line]
        opener = next((sign for sign in "({" if sign in line), "")
        closer = {"(": ")", "{": "}"}.get(opener, "")
        while closer and closer not in parts[-1] and number < len(own) and len(parts) < _LONGEST_STATEMENT:
            parts.append(own[number])
            number += 1
        yield begun, " ".join(" ".join(parts).split())


def _bound(statement: str) -> tuple[str, list[str]]:
    """The words before the names an import binds, "" where all of it is one, and the names."""
    match = re.match(r"(from [\w.]+ import )\(?(.*?)\)?$", statement)
    if match:
        return match[1], [name.strip() for name in match[2].split(",") if name.strip()]
    if re.match(r"import \( *(?:[\w.]+ )?\"", statement):  # a group of Go's
        return "import ", re.findall(r"(?:[\w.]+ )?\"[^\"]+\"", statement)
    return "", [statement]


def _set_in(line: str) -> str:
    """The field a line sets or declares, or ""."""
    match = re.match(r"\s*(?:(?:self|this)(?:\.|->)|@)?([A-Za-z_]\w*)\s*(?::[^=]+)?(?:=(?!=)|:\s*\w)", line)
    return match[1] if match else ""
