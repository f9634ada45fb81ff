"""Reading: the file sections and hunks of a reply, whatever surrounds them.

Nothing is decided here about what a line of a hunk means; `Hunk.lines` are as they stand in the reply.
"""

import re
from dataclasses import dataclass, field

_GIT = re.compile(r"diff --git (.+)$")
_OLD, _NEW = re.compile(r"---[ \t]+(\S.*)$"), re.compile(r"\+\+\+[ \t]+(\S.*)$")
_NUMBERS = re.compile(r"-\s?(\d{1,9})(?:,\s?(\d{1,9}))?\s+\+\s?(\d{1,9})(?:,\s?(\d{1,9}))?")
_FENCE = re.compile(r" {0,3}(```+|~~~+)\s*([\w.+-]*)")
_CODEX = re.compile(r"\*\*\* (Update|Add|Delete) File: (.+)$")
_CODEX_FRAME = re.compile(r"\*\*\* (?:Begin Patch|End Patch|End of File)\s*$")
_INDENTED = re.compile(r"([ \t>]+)(?=(?:diff --git |--- \S))")
_TIMESTAMP = re.compile(r"\t.*$|(?<!\s)\s+\d{4}-\d\d-\d\d[ T]\d\d:\d\d.*$")
_SIGNATURE = re.compile(r"\d+\.\d+[\w.]*$")
_ESCAPED = re.compile(r"\\(?:([0-7]{1,3})|(.))", re.DOTALL)
_LETTERS = {"a": 7, "b": 8, "t": 9, "n": 10, "v": 11, "f": 12, "r": 13}
_PLACEHOLDER = re.compile(r"[.…\s]*$")


@dataclass(slots=True)
class Hunk:
    """One hunk as it stands: `line` is its place in the reply; numbers are None where the header gives none."""

    line: int
    lines: list[str]
    start: int | None = None
    new_start: int | None = None
    sizes: tuple[int, int] | None = None
    section: str = ""
    fenced: bool = False
    open_end: bool = False  # the reply ends in it
    cut: bool = False  # ... in the middle of a line, maybe

    def tally(self) -> tuple[int, int]:
        """How many lines the two sides have when every marker is taken at its word."""
        old = new = 0
        for line in self.lines:
            mark = line[:1]
            old += mark not in ("+", "\\")
            new += mark not in ("-", "\\")
        return old, new


@dataclass(slots=True)
class FilePatch:
    """What a reply says about one file. Names are as written, with `a/` and `b/`; None is /dev/null."""

    line: int
    old: str | None = ""
    new: str | None = ""
    added: bool = False
    deleted: bool = False
    renamed: bool = False
    copied: bool = False
    binary: bool = False
    old_mode: int | None = None
    new_mode: int | None = None
    hunks: list[Hunk] = field(default_factory=list)


def read_reply(reply: str) -> list[FilePatch]:
    """The file sections of a reply, in its order. Empty if nothing in it looks like a diff."""
    return _Reader(_plain_lines(reply), ends_in_newline=reply.endswith("\n")).read()


def _plain_lines(reply: str) -> list[str]:
    """Without newlines. Carriage returns go when every line has one: then they belong to the transport."""
    reply = reply.removeprefix("\ufeff")
    lines = reply.split("\n")
    if len(lines) > 1 and all(line.endswith("\r") for line in lines[:-1]):
        lines = [line[:-1] for line in lines[:-1]] + [lines[-1].removesuffix("\r")]
    if lines and not lines[-1]:
        lines.pop()
    return lines


class _Reader:
    def __init__(self, lines: list[str], *, ends_in_newline: bool) -> None:
        self.lines = lines
        self.ends_in_newline = ends_in_newline
        self.files: list[FilePatch] = []
        self.file: FilePatch | None = None
        self.hunk: Hunk | None = None
        self.fence = ""
        self.prefix = ""

    def read(self) -> list[FilePatch]:
        at = 0
        while at < len(self.lines):
            at = self._step(at)
        if self.hunk is not None:
            self.hunk.open_end = not self.hunk.fenced or bool(self.fence)
            self.hunk.cut = self.hunk.open_end and not self.ends_in_newline
        self._close()
        return [file for file in self.files if file.hunks or _says_something(file)]

    def _line(self, at: int) -> str:
        """The line, without the indentation or quote marks that the whole diff has."""
        if at >= len(self.lines):
            return ""
        line = self.lines[at]
        if self.prefix and line.startswith(self.prefix):
            return line[len(self.prefix) :]
        return line if not self.prefix or line.strip() else ""

    def _step(self, at: int) -> int:
        line = self._line(at)
        if (fence := _FENCE.match(line)) and self._fence(line, fence):
            return at + 1
        if self.hunk is None and (indented := _INDENTED.match(self.lines[at])):
            self.prefix = indented.group(1)
            line = self._line(at)
        if found := _GIT.match(line):
            self._open(at)
            self._git_names(found.group(1))
        elif self._is_header(at):
            self._names(at)
            return at + 2
        elif line.startswith("@@"):
            self._hunk(at, line)
        elif found := _CODEX.match(line):
            self._codex(at, found.group(1), found.group(2).strip())
        elif _CODEX_FRAME.match(line):
            self._close()
        elif self.hunk is not None:
            if line.rstrip() == "--" and _SIGNATURE.match(self._line(at + 1)):
                self._close()
                self.file = None
                return at + 2
            self.hunk.lines.append(line)
        elif self.file is not None:
            self._below_names(at, line)
        return at + 1

    def _fence(self, line: str, fence: re.Match[str]) -> bool:
        """Whether the line is a fence of the reply itself, not of a file that is being changed."""
        if self.fence:
            if not line.startswith(self.fence) or line.strip() != fence.group(1):
                return False
            self.fence, self.prefix = "", ""
            self._leave()
            return True
        if self.hunk is not None and not line.startswith("```"):
            return False
        self._leave()
        self.fence = fence.group(1)
        return True

    def _leave(self) -> None:
        """A fence begins or ends: what follows belongs to no file unless it says so, or the names came last."""
        self._close()
        if self.file is not None and self.file.hunks:
            self.file = None

    def _is_header(self, at: int) -> bool:
        old, new = _OLD.match(self._line(at)), _NEW.match(self._line(at + 1))
        if not old or not new:
            return False
        if self.hunk is None:
            return True
        if self._line(at + 2).startswith("@@"):
            return True
        # A removed "-- x" above an added "++ y" looks the same; names of one file do not come by chance.
        a, b = name_of(old.group(1)), name_of(new.group(1))
        return a is None or b is None or _bare(a) == _bare(b)

    def _open(self, at: int) -> None:
        self._close()
        self.file = FilePatch(line=at + 1)
        self.files.append(self.file)

    def _names(self, at: int) -> None:
        if self.file is None or self.file.hunks or self.hunk is not None:
            self._open(at)
        assert self.file is not None
        self.file.old = name_of(_header_name(self._line(at), _OLD))
        self.file.new = name_of(_header_name(self._line(at + 1), _NEW))

    def _git_names(self, names: str) -> None:
        assert self.file is not None
        if names.startswith('"'):
            end = 1
            while end < len(names) and names[end] != '"':
                end += 2 if names[end] == "\\" else 1
            pair = names[: end + 1], names[end + 1 :].strip()
        elif names.endswith('"') and ' "' in names:
            at = names.index(' "')
            pair = names[:at], names[at + 1 :]
        else:
            # As git does: the two names are the same but for the first letter, so one half is each.
            half = len(names) // 2
            same = names[half : half + 1] == " " and _bare(names[:half]) == _bare(names[half + 1 :])
            pair = (names[:half], names[half + 1 :]) if same else names.partition(" b/")[::2]
            if not same:
                pair = (pair[0], "b/" + pair[1]) if pair[1] else (names, names)
        self.file.old, self.file.new = name_of(pair[0]), name_of(pair[1])

    def _hunk(self, at: int, line: str) -> None:
        self._close()
        if self.file is None:
            self.file = FilePatch(line=at + 1)
            self.files.append(self.file)
        head, mark, section = line[2:].partition("@@")
        hunk = Hunk(line=at + 1, lines=[], fenced=bool(self.fence))
        if numbers := _NUMBERS.search(head):
            a, b, c, d = numbers.groups()
            hunk.start, hunk.new_start = int(a), int(c)
            hunk.sizes = (1 if b is None else int(b), 1 if d is None else int(d))
        elif not mark:
            section = head
        hunk.section = section_of(section)
        self.hunk = hunk

    def _codex(self, at: int, verb: str, name: str) -> None:
        self._open(at)
        assert self.file is not None
        self.file.old = None if verb == "Add" else name
        self.file.new = None if verb == "Delete" else name
        self.file.added, self.file.deleted = verb == "Add", verb == "Delete"

    def _below_names(self, at: int, line: str) -> None:
        file = self.file
        assert file is not None
        word, _, rest = line.partition(" ")
        if line.startswith(("new file mode", "deleted file mode", "old mode", "new mode")):
            mode = _mode(line)
            if word in ("new", "old") and not line.startswith("new file"):
                setattr(file, f"{word}_mode", mode)
            elif word == "new":
                file.added, file.new_mode = True, mode
            else:
                file.deleted, file.old_mode = True, mode
        elif line.startswith(("rename from ", "copy from ")):
            file.old, file.renamed, file.copied = name_of(rest[5:], "a/"), word == "rename", word == "copy"
        elif line.startswith(("rename to ", "copy to ")):
            file.new = name_of(rest[3:], "b/")
        elif line.startswith(("Binary files ", "GIT binary patch")):
            file.binary = True
        elif line[:1] in ("+", "-", " ") and line.strip() and (file.old or file.new):
            # A hunk without any header.
            self.hunk = Hunk(line=at + 1, lines=[line], fenced=bool(self.fence))

    def _close(self) -> None:
        """End the hunk, and give back what a reply says after it."""
        hunk, self.hunk = self.hunk, None
        if hunk is None or self.file is None:
            return
        if not hunk.fenced:
            _cut_prose(hunk)
        while hunk.lines and hunk.lines[-1] in ("", "\r"):
            hunk.lines.pop()
        if hunk.lines:
            self.file.hunks.append(hunk)


def _cut_prose(hunk: Hunk) -> None:
    lines = hunk.lines
    for at in range(1, len(lines)):
        if lines[at - 1].strip() or not lines[at] or lines[at][0] in " +-\\\t":
            continue
        rest = [line for line in lines[at:] if line]
        marked = [line for line in rest if line[0] == "+" or (line[0] == "-" and not line.startswith("- "))]
        if not marked and any(" " in line.strip() for line in rest):
            del lines[at:]
            return


def _says_something(file: FilePatch) -> bool:
    changed_mode = file.old_mode != file.new_mode
    return file.added or file.deleted or file.renamed or file.copied or file.binary or changed_mode


def _header_name(line: str, pattern: re.Pattern[str]) -> str:
    found = pattern.match(line)
    return found.group(1) if found else ""


def section_of(text: str) -> str:
    """What stands after a header's second `@@`, "" if it only holds a place."""
    text = text.strip()
    return "" if _PLACEHOLDER.match(text) else text


def name_of(name: str, prefix: str = "") -> str | None:
    """The path of a header, quotes and timestamp taken off; None for /dev/null."""
    name = name.rstrip("\r")
    if name.startswith('"') and (end := name.rfind('"')) > 0:
        return prefix + unquoted(name[1:end])
    name = _TIMESTAMP.sub("", name)
    if name.startswith("`") and name.endswith("`"):
        name = name.strip("`")
    name = name.rstrip()
    return None if name in ("/dev/null", "dev/null", "nul", "NUL") else prefix + name


def unquoted(text: str) -> str:
    """The inside of git's C quotes, decoded."""

    def one(found: re.Match[str]) -> bytes:
        octal, letter = found.groups()
        if octal:
            return bytes([int(octal, 8) & 0xFF])
        return bytes([_LETTERS[letter]]) if letter in _LETTERS else letter.encode("utf-8", "surrogateescape")

    out, at = b"", 0
    for found in _ESCAPED.finditer(text):
        out += text[at : found.start()].encode("utf-8", "surrogateescape") + one(found)
        at = found.end()
    return (out + text[at:].encode("utf-8", "surrogateescape")).decode("utf-8", "surrogateescape")


def _bare(name: str) -> str:
    return name[2:] if name[:2] in ("a/", "b/", "i/", "w/", "c/", "o/") else name


def _mode(line: str) -> int | None:
    digits = line.rsplit(" ", 1)[-1].strip()
    return int(digits, 8) if re.fullmatch(r"[0-7]{5,6}", digits) else None
