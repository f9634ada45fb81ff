"""Reads the patches a distribution carries: what each says of itself, and which source files it changes.

A patch that was taken over from upstream has the message of one commit and exactly what that commit changed. Of the
message only what a person would ask stays: no fields, no list of the changed files, no notes of who carried it over.
"""

import re
from dataclasses import dataclass
from email.errors import HeaderParseError
from email.header import decode_header, make_header

from bench.localize.releases import MOST_FILES, MOST_LINES, is_aside
from gitagent.core.testing import is_test_path

SOURCES = (
    *(".py", ".pyx", ".js", ".mjs", ".ts", ".jsx", ".tsx", ".c", ".h", ".cc", ".cpp", ".cxx", ".hh", ".hpp"),
    *(".go", ".rs", ".java", ".rb"),
)
LEAST_WORDS, MOST_CHARACTERS = 8, 3000
_DIFF = re.compile(r"^(?:---[ \t]+\S|diff |Index: )", re.MULTILINE)
_FIELD = re.compile(r"^(?P<name>[A-Za-z][A-Za-z-]{1,30}):(?:[ \t]+(?P<value>.*))?$")
_TITLES = ("subject", "description")
_FIELDS_LEFT_OUT = """
    from date origin bug forwarded author reviewed-by acked-by last-update last-updated applied-upstream cc fixes closes
    signed-off-by co-authored-by co-developed-by reported-by tested-by suggested-by helped-by change-id commit upstream
    link message-id in-reply-to mime-version content-type content-transfer-encoding organization tags cve-id cve
    resolves refs ref references see also-by approved-by security patch-name index git-dch ticket issue merges
    backported-by upstream-commit upstream-status approved found-by discovered-by differential-revision trac review
    backport comment comments note notes gbp-pq gbp state target status to part-of closes-bug related-bug task
    depends-on
    """
_FIELDS = frozenset(_FIELDS_LEFT_OUT.split())
_UPSTREAM = re.compile(
    r"^(?:Origin:\s*(?:upstream|backport|https?:)|Applied-Upstream:|From [0-9a-f]{40} )|cherry.picked from commit"
    r"|^Forwarded:\s*(?:yes|https?:)|https?://\S+/commit/|^(?:Bug|Bug-Upstream):\s*https?:|CVE-\d{4}-\d+",
    re.MULTILINE | re.IGNORECASE,
)
_OURS = re.compile(r"^Forwarded:\s*(?:not|no\b)", re.MULTILINE | re.IGNORECASE)
# What a patch says itself to be about something else than what the code does wrong.
_NOT_CODE = re.compile(
    r"^Merge |^(?:backport|fix|security) .{0,12}CVE-[\d-]+\W*$"
    r"|\bdebian\b|\bprivacy\b|\btests?\b|\bdocs?\b|documentation|\bspelling\b|\btypos?\b|reproducib\w+|\bbuilds?\b|sphinx"
    r"|\bman ?pages?\b|manual page|changelog|\bbump\b|release|makefile|cmake|autoconf|configure\."
    r"|setup\.py|requirements|dependenc(?:y|ies)|\brevert\b|\bre?factor\w*|\brenam\w+|\bclean.?ups?\b"
    r"|\bpython ?3\.\d+|compatib\w+ with|type hints?|typing|copyright|licen[cs]e|\bCI\b",
    re.IGNORECASE,
)
_ASIDE = re.compile(
    r"(?:^|/)(?:debian|t|spec|testsuite|testdata|fuzz\w*|__tests__|man|contrib|website)/|(?:^|/)(?:setup|conf|noxfile)\.py$"
    r"|[-_]tests?\.\w+$"
    r"|(?:^|/)(?:package|rollup\.config|webpack\.config)\.\w+$",
)
_NO_PROSE = re.compile(
    r"^From [0-9a-f]{7,40}\b|cherry.picked from|cherry.pick of|^\s*\S+\s+\|\s+(?:\d+|Bin)\b|^\s*\d+ files? changed"
    r"|^\s*(?:create|delete) mode |^\s*\[.*\b(?:backport|note|adapt|adjust|ported|debian|ubuntu|rebased?|context)\b"
    r"|^\s*\(?(?:backport\w*|back-port\w*|upstream (?:commit|patch)|commit [0-9a-f]{7}|patch (?:by|from)|git-svn-id)\b"
    r"|^\s*[*-] [\w./+-]+\.\w{1,4}\s*(?:\([^)]*\))?\s*[:,]|^\s*[=-]{3,}\s*$|^\s*--\s*$|^\s*https?://\S+\s*$"
    r"|\b(?:hunks?|refresh(?:ed)? patch|dropped to avoid|commit-id:|patch (?:context|is|was))\b"
    r"|^\s*(?:closes|fix(?:es|ed)?|resolves|bug|issue|refs?|see|reported|found|thanks|credit)\b[:\s]+"
    r"(?:\S+ ){0,2}\S*(?:#|\d|http)\S*\s*$",
    re.IGNORECASE,
)
_REFERENCE = re.compile(r"https?://\S+|\b(?:CVE|GHSA|OSSA)-[\w-]+", re.IGNORECASE)
_ASIDE_NOTE = re.compile(r"^\[[^\]]{20,}\]$")
_CONFLICTS = re.compile(r"^\s*#?\s*conflicts:?\s*$", re.IGNORECASE)
_MARK = re.compile(r"^\s*\[(?:PATCH|[\w.-]+ ?\d+/\d+)[^\]]*\]\s*", re.IGNORECASE)
_TARGET = re.compile(r"^\+\+\+ (?P<path>[^\t\n]+)", re.MULTILINE)
_SOURCE = re.compile(r"^--- (?P<path>[^\t\n]+)", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """One upstream fix as a distribution carries it: what it says, and the paths of source files it changes."""

    name: str
    request: str
    paths: tuple[str, ...]


def read(name: str, text: str) -> Patch | None:
    """The fix a patch is, None where it is not one by the rule of docs/localizing.md."""
    head, body = _parts(text)
    if not (_UPSTREAM.search(head) or _UPSTREAM.search(name)) or _OURS.search(head):
        return None
    request = message(head)
    title = request.partition("\n")[0]
    if not title or _NOT_CODE.search(title) or len(request) > MOST_CHARACTERS:
        return None
    if len(re.findall(r"[A-Za-z]{2,}", _REFERENCE.sub("", request))) < LEAST_WORDS:
        return None
    paths = tuple(dict.fromkeys(path for path in _changed(body) if is_source(path)))
    lines = sum(1 for line in body.split("\n") if line[:1] in "+-" and line[:3] not in ("+++", "---"))
    if not 1 <= len(paths) <= MOST_FILES or lines > MOST_LINES:
        return None
    return Patch(name=name, request=request, paths=paths)


def is_source(path: str) -> bool:
    """Whether a path is a source of the project's own: no test, no document, nothing vendored or of packaging."""
    return path.endswith(SOURCES) and not (is_aside(path) or is_test_path(path) or _ASIDE.search(path))


def is_kept(path: str) -> bool:
    """Whether a path is in the repositories that are made: sources, with the tests among them."""
    return path.endswith(SOURCES)


def message(head: str) -> str:
    """What the text before a diff says: the title, an empty line, the rest."""
    title, prose = "", list[str]()
    into: str | None = ""  # the field whose continuation lines follow; None inside one that is left out
    for line in head.split("\n"):
        field = _FIELD.match(line)
        if field and field["name"].lower() in _TITLES:
            into = "title"
            value = (field["value"] or "").strip()
            if title:
                prose.append(value)
            else:
                title = value
        elif _CONFLICTS.match(line) or (field and _is_left_out(field["name"].lower())):
            into = None
        elif into is None and line.startswith((" ", "\t", "#")):
            continue
        elif into == "title" and line.startswith(" ") and not prose and len(title) and _folded(head):
            title += " " + line.strip()
        elif not _NO_PROSE.search(line):
            into = "" if line.strip() else into
            prose.append("" if line.strip() == "." else line.removeprefix(" "))
    said = _MARK.sub("", _decoded(title)).strip()
    rest = "\n".join(prose).strip()
    kept = (part for part in re.split(r"\n{2,}", rest) if not _ASIDE_NOTE.match(part))
    rest = _MARK.sub("", "\n\n".join(kept))
    if not said:
        said, _, rest = rest.partition("\n")
    return f"{said.strip()}\n\n{rest.strip()}".strip()


def _is_left_out(field: str) -> bool:
    return field in _FIELDS or field.startswith(("bug-", "x-", "debian-"))


def _folded(head: str) -> bool:
    """Whether continuation lines of the title belong to it, as in a mail; elsewhere they are the description."""
    return re.search(r"^Subject:", head, re.MULTILINE) is not None


def _decoded(title: str) -> str:
    try:
        return str(make_header(decode_header(title)))
    except (HeaderParseError, LookupError, UnicodeError):
        return title


def _parts(text: str) -> tuple[str, str]:
    """What stands before the diff, without what git puts between, and the diff."""
    found = _DIFF.search(text)
    head, body = (text[: found.start()], text[found.start() :]) if found else (text, "")
    return re.split(r"^---\s*$", head, maxsplit=1, flags=re.MULTILINE)[0] if _folded(head) else head, body


def _changed(body: str) -> list[str]:
    """The paths of files that were there before and are there after, without the first part."""
    sources = [match["path"].strip() for match in _SOURCE.finditer(body)]
    targets = [match["path"].strip() for match in _TARGET.finditer(body)]
    both = zip(sources, targets, strict=False)
    return [new.partition("/")[2] for old, new in both if "/dev/null" not in (old, new)]
