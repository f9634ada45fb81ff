"""What an answer may stand on: the excerpt, its place in the file, and how much may be said."""

from dataclasses import dataclass

from gitagent.core.texts import lines_of
from gitagent.errors import DiffError

FENCE_OPEN = "```diff\n"
FENCE_CLOSE = "```"
NO_NEWLINE = "\\ No newline at end of file\n"
CONTEXT = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How much one answer may hold.

    `added_lines` is the most in one place, `line_characters` the longest added line without its newline.
    Of the three lines of context before a change only as many are asked for as fit `context_characters`: they
    come out of the answer's room.
    """

    hunks: int = 3
    added_lines: int = 60
    line_characters: int = 200
    context_characters: int = 240


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """One excerpt of one file, as an answer sees it.

    `lines` keep their newlines; only the last line of a file may lack one. `before` and `after` are the
    file's lines around the excerpt. `newline` ends every added line. `is_new` means there is no such file yet.
    """

    path: str
    first_line: int
    lines: tuple[str, ...]
    before: tuple[str, ...]
    after: tuple[str, ...]
    newline: str
    is_new: bool
    bounds: Bounds

    @property
    def head(self) -> str:
        """What every answer begins with."""
        source = "/dev/null" if self.is_new else f"a/{_one_line(self.path)}"
        return f"{FENCE_OPEN}--- {source}\n+++ b/{_one_line(self.path)}\n"

    @property
    def lacks_newline(self) -> bool:
        """Whether the excerpt ends in a line without a newline, so at the file's end."""
        return bool(self.lines) and not self.lines[-1].endswith("\n")

    def header(self, start: int) -> str:
        """The hunk header that starts at `lines[start]`."""
        if self.is_new:
            return "@@ -0,0 +1 @@\n"
        return f"@@ -{self.first_line + start} +{self.first_line + start} @@\n"

    def marked(self, marker: str, at: int) -> str:
        """`lines[at]` as a context or removed line of an answer."""
        line = self.lines[at]
        return marker + line if line.endswith("\n") else f"{marker}{line}\n{NO_NEWLINE}"


def ground_for(path: str, first_line: int, excerpt: str, text: str, *, bounds: Bounds | None = None) -> Ground:
    """The ground of a task whose `excerpt` begins at 1-based `first_line` of the file's whole `text`.

    Raises DiffError, naming the file, if it is not UTF-8 text, or if the excerpt is not what it holds there.
    """
    if _is_not_utf8(text) or _is_not_utf8(excerpt):
        raise DiffError(f"{path}: not UTF-8 text, which the local model cannot write. The file is untouched.")
    if "\0" in text:
        raise DiffError(f"{path}: a binary file (it holds NUL), which no text diff can change. It is untouched.")
    lines, held = lines_of(text), lines_of(excerpt)
    at = max(first_line - 1, 0)
    if tuple(lines[at : at + len(held)]) != tuple(held) or at > len(lines):
        raise DiffError(f"{path}: the excerpt is not what the file holds at line {first_line}")
    before = tuple(lines[:at])
    if not held and before and not before[-1].endswith("\n"):
        raise DiffError(f"{path}: nothing can follow line {at}, which has no newline; ask about that line")
    return Ground(
        path=path,
        first_line=at + 1,
        lines=tuple(held),
        before=before,
        after=tuple(lines[at + len(held) :]),
        newline=_newline_of(held or lines),
        is_new=text == "",
        bounds=bounds or Bounds(),
    )


def _newline_of(lines: list[str]) -> str:
    ended = [line for line in lines if line.endswith("\n")]
    crlf = sum(line.endswith("\r\n") for line in ended)
    return "\r\n" if crlf * 2 > len(ended) else "\n"


def _is_not_utf8(text: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in text)


def _one_line(path: str) -> str:
    # The head only tells the model which file it is in; a diff's own names are written by `replay`.
    return "".join(c if c.isprintable() else "?" for c in path)
