"""Reading a reply that is a well-formed unified diff and nothing else, with unidiff.

unidiff goes by the counts in the headers, so a removed line that looks like a header (`--- x`, say, an SQL
comment) is no riddle to it. What it would pass over, end elsewhere or take for something else than git does is
left to `read`: prose, fences, wrong counts, blank lines without a marker, carriage returns, and all of git's
own headers but `diff --git` and `index`.
"""

import re

from gitagent.core.diffs.read import FilePatch, Hunk, name_of, section_of
from gitagent.core.texts import lines_of

# unidiff takes 5 microseconds a line. Longer diffs are read by `read`, twice as fast.
_MOST_CHARACTERS = 40_000
_BEGINS = re.compile(
    r"(?:diff --git [^\n]+\n(?:index [^\n]+\n)?)?--- [^\s][^\n]*\n\+\+\+ [^\s][^\n]*\n"
    r"@@ -\d{1,9}(?:,\d{1,9})? \+\d{1,9}(?:,\d{1,9})? @@",
    re.ASCII,
)
_NUMBERS = re.compile(r"@@ -\d{1,9}(?:,\d{1,9})? \+\d{1,9}(?:,\d{1,9})? @@", re.ASCII)


def read_well_formed(reply: str) -> list[FilePatch] | None:
    """The file sections of a reply, None unless all of it is a well-formed diff."""
    if len(reply) > _MOST_CHARACTERS or "\r" in reply or "\n\n" in reply or not reply.endswith("\n"):
        return None
    if not _BEGINS.match(reply):
        return None
    from unidiff import PatchSet
    from unidiff.errors import UnidiffParseError

    lines = lines_of(reply)  # unidiff is given lines, so that only \n ends one
    try:
        patches = PatchSet(lines)
    except (UnidiffParseError, ValueError):
        return None
    files: list[FilePatch] = []
    at = 0
    for patch in patches:
        info = [str(line) for line in patch.patch_info or ()]
        if not patch or any(not line.startswith(("diff --git ", "index ")) for line in info):
            return None
        names = lines[at + len(info) : at + len(info) + 2]
        if len(names) < 2 or not names[0].startswith("--- ") or not names[1].startswith("+++ "):
            return None
        file = FilePatch(line=at + 1, old=name_of(names[0][4:-1]), new=name_of(names[1][4:-1]))
        at += len(info) + 2
        for hunk in patch:
            header, body = lines[at], [str(line) for line in hunk]
            if not _NUMBERS.match(header) or lines[at + 1 : at + 1 + len(body)] != body:
                return None
            file.hunks.append(
                Hunk(
                    line=at + 1,
                    lines=[line[:-1] for line in body],
                    start=hunk.source_start,
                    new_start=hunk.target_start,
                    sizes=(hunk.source_length, hunk.target_length),
                    section=section_of(header[2:].partition("@@")[2]),
                )
            )
            at += 1 + len(body)
        files.append(file)
    if at != len(lines):
        return None  # something was passed over
    files[-1].hunks[-1].open_end = True
    return files
