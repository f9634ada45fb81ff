"""Which paths may be written: one check for whatever a reply, a run or a tree may name."""

import re
import unicodedata

from gitagent.errors import DiffError

# Code points that HFS+ leaves out when it compares names, so that ".g\u200cit" is ".git" there
# (git's utf8.c, next_hfs_char).
_IGNORED_BY_HFS = re.compile("[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]")
_CONTROL = re.compile("[\x00-\x1f\x7f]")
_DRIVE = re.compile("[A-Za-z]:")

LONGEST_NAME = 255
LONGEST_PATH = 4096


def check_path(path: str) -> None:
    """Raise DiffError, naming the path, unless it may name a file of a work tree on every system."""
    problem = _problem_of(path)
    if problem:
        raise DiffError(f"{_shown(path)}: {problem}. Nothing was changed")


def is_git_directory(name: str) -> bool:
    """Whether some file system takes this name for `.git`: any case, `git~1`, trailing dots, streams."""
    plain = unicodedata.normalize("NFKC", _IGNORED_BY_HFS.sub("", name)).casefold()
    stem = plain.split(":", 1)[0].rstrip(" .")
    return stem in {".git", "git~1"}


def folded(name: str) -> str:
    """What a file system that ignores case and composition compares: equal for names that clash there."""
    return name.lower() if name.isascii() else unicodedata.normalize("NFC", name).casefold()


def _problem_of(path: str) -> str:
    if not path:
        return "the path is empty"
    if _CONTROL.search(path):
        return "the path holds a control character"
    try:
        raw = path.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return "the path is no text that bytes could stand for"
    if path[0] in "/\\" or _DRIVE.match(path):
        return "the path is absolute; paths start at the repository's root"
    if len(raw) > LONGEST_PATH:
        return f"the path is longer than {LONGEST_PATH} bytes"
    # Windows reads a backslash as a separator, so what hides behind one is looked at too.
    for part in re.split(r"[/\\]", path):
        if part == "..":
            return "the path leaves the repository"
        if part in {"", "."}:
            return "the path has an empty part"
        if is_git_directory(part):
            return "the path is git's own"
        if len(part.encode("utf-8", "surrogateescape")) > LONGEST_NAME:
            return f"the path has a name longer than {LONGEST_NAME} bytes"
    return ""


def _shown(path: str) -> str:
    readable = "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in path)
    return (readable if len(readable) <= 200 else readable[:199] + "…") or "''"
