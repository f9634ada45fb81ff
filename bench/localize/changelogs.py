"""Reads changelogs of published packages: what each release says it changed, entry by entry."""

import re
from collections.abc import Iterator

_UNDERLINE = re.compile(r"^([=\-~^\"'*+#`.])\1{2,}\s*$")
_HEADING = re.compile(
    r"^(?:[A-Za-z][\w .-]{0,30}?\s+)?v?(?P<version>\d+\.\d+(?:\.\d+)*)(?:\s+release notes)?"
    r"\s*(?:[-–—(:,/|].*|\d{4}.*|released.*)?$",
    re.IGNORECASE,
)
_BULLET = re.compile(r"^(\s*)(?:[-*+•]|\d+\.)\s+(?=\S)")
_CHANGE = re.compile(r"^(\s*)\.\. change::")
_NO_ENTRY = re.compile(
    r"^\s*(?:[*_]*release[d]?\b.*|:?release-(?:date|by):.*|:(?:date|status|by|released):.*|\.\. _[^\n]*"
    r"|\.\. (?:towncrier|contents|currentmodule|module|include|rst-class).*|<!--.*|-->|[*_]*unreleased[*_]*"
    r"|this release .{0,40}\bno changes.*|[*_]*[A-Z][a-z]+ \d{1,2}, \d{4}[*_]*)$",
    re.IGNORECASE,
)
_FIELD = re.compile(r"^\s+:(?:tags|tickets|versions|pullreq|version):.*$")


def sections(text: str) -> dict[str, list[str]]:
    """The entries of each release by version, the first section of a version counts."""
    found: dict[str, list[str]] = {}
    for version, lines in _sections(text.split("\n")):
        found.setdefault(version, _entries(lines))
    return found


def _sections(lines: list[str]) -> Iterator[tuple[str, list[str]]]:
    version, own = "", list[str]()
    for number, line in enumerate(lines):
        after = lines[number + 1] if number + 1 < len(lines) else ""
        plain = re.sub(r"\[([^\]]*)\](?:\([^)]*\))?", r"\1", line.lstrip("# ").strip("* \t"))
        heading = _HEADING.match(plain.replace("`", "").strip())
        marked = line.startswith("#") or (_UNDERLINE.match(after) and not line.startswith(" "))
        field = re.match(r"^\s+:version:\s*(\d+\.\d+(?:\.\d+)*)\s*$", line)
        if field or (heading and marked):
            if version:
                yield version, own
            version, own = (field[1] if field else heading["version"] if heading else ""), []
        else:
            own.append(line)
    if version:
        yield version, own


def _entries(lines: list[str]) -> list[str]:
    kept: list[str] = []
    for number, line in enumerate(lines):
        after = lines[number + 1] if number + 1 < len(lines) else ""
        title = _UNDERLINE.match(after) and line.strip() and not line.startswith((" ", "*", "-"))
        if line.startswith("#") or title or _UNDERLINE.match(line) or _NO_ENTRY.match(line) or _FIELD.match(line):
            kept.append("")
        else:
            kept.append(line)
    starts = [(number, match) for number, line in enumerate(kept) if (match := _CHANGE.match(line))]
    if not starts:
        starts = [(number, match) for number, line in enumerate(kept) if (match := _BULLET.match(line))]
    if not starts:
        whole = "\n".join(kept).strip()
        return [whole] if len(whole) > 30 else []
    indent = min(len(match[1]) for _, match in starts)
    first = [number for number, match in starts if len(match[1]) == indent]
    out = []
    for begin, end in zip(first, [*first[1:], len(kept)], strict=True):
        body = [_CHANGE.sub("", _BULLET.sub("", kept[begin]))]
        for line in kept[begin + 1 : end]:
            if line.strip() and len(line) - len(line.lstrip()) <= indent and not body[-1].strip():
                break  # a paragraph of its own: a new part of the section
            body.append(line)
        if entry := "\n".join(line.strip() for line in body).strip():
            out.append(entry)
    return out
