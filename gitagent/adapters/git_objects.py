"""Trees of the object database, read and edited as raw bytes.

Raw, because pygit2 hands out names as UTF-8 text only, and because reading an index of a whole tree to
change one file costs more than all the rest of a commit: here only the trees on the path are touched.
"""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import pygit2
from pygit2.enums import ObjectType

from gitagent.core.paths import check_path, folded, is_git_directory
from gitagent.errors import DiffError, RepositoryError

TREE, FILE, EXECUTABLE, LINK, SUBMODULE = 0o040000, 0o100644, 0o100755, 0o120000, 0o160000
Entries = dict[bytes, tuple[int, bytes]]

# What pygit2 raises: its own error, and Python's for "not found", "not valid" and "the system refused".
FOREIGN = (pygit2.GitError, KeyError, ValueError, OSError)

_ENTRY = re.compile(rb"([0-7]{5,7}) ([^\0]+)\0(.{20})", re.DOTALL)
# A cheap first look over all names of a tree at once, joined by zero bytes; most have none of these.
_ODD_NAME = re.compile(rb"/|[gG][iI][tT]|[\x80-\xff]|\0\.{1,2}\0")


@contextmanager
def refusals(doing: str, git: pygit2.Repository | None = None) -> Iterator[None]:
    """Turn what pygit2 raises into a RepositoryError: `doing`, the reason, and the way out if it is known.

    `git` is given where objects are written.
    """
    try:
        yield
    except FOREIGN as error:
        reason, hint = reason_of(error), ""
        # A write that fails in the system call itself leaves the message of an earlier lookup standing.
        if git is not None and "not found" in reason:
            reason = _no_room(git.path) or reason
        lock = re.search(r"failed to lock file '(.+?)'", reason)
        if "No space" in reason:
            hint = "df -h . (free some space, then run the command again)"
        elif "ead-only" in reason or "ermission" in reason:
            hint = "mount, or ls -ld .git .git/objects .git/refs"
        elif lock:
            reason = f"{lock[1]} is there: another git process works here, or one was killed"
            hint = f"rm '{lock[1]}' (if no git process is running)"
        raise RepositoryError(f"{doing}: {reason}. Nothing was changed", hint=hint) from error


def _no_room(path: str) -> str:
    place = os.statvfs(path)
    if place.f_flag & os.ST_RDONLY:
        return f"{path} is on a read-only file system"
    return f"No space left on device at {path}" if place.f_bavail * place.f_frsize < 2**20 else ""


def reason_of(error: Exception) -> str:
    """The error in one line, without the dot at its end."""
    text = str(error.args[-1]) if error.args else type(error).__name__
    return " ".join(text.split()).strip("\"' :.") or type(error).__name__


def parse_tree(data: bytes, name: str) -> Entries:
    """Mode and raw oid by name, in the tree's order. Raises RepositoryError if the tree is damaged or hostile."""
    found = _ENTRY.findall(data)
    entries = {part: (int(mode, 8), oid) for mode, part, oid in found}
    if sum(len(mode) + len(part) for mode, part, _ in found) + 22 * len(found) != len(data):
        raise RepositoryError(f"tree {name} is damaged", hint="git fsck")
    if len(entries) != len(found):
        raise RepositoryError(f"tree {name} has two entries of one name", hint="git fsck --strict")
    if _ODD_NAME.search(b"\0" + b"\0".join(entries) + b"\0"):
        for part in entries:
            _refuse_odd(part, name)
    return entries


def _refuse_odd(part: bytes, name: str) -> None:
    text = part.decode("utf-8", "surrogateescape")
    if text in {".", ".."} or "/" in text or is_git_directory(text):
        shown = text.encode("utf-8", "backslashreplace").decode()
        raise RepositoryError(f"tree {name} has an entry named {shown!r}, refused", hint="git fsck --strict")


def read_tree(git: pygit2.Repository, oid: bytes) -> Entries:
    """The entries of a tree. Raises RepositoryError if it is missing, no tree, or damaged."""
    return parse_tree(read_object(git, oid.hex(), ObjectType.TREE), oid.hex())


def read_object(git: pygit2.Repository, oid: str, kind: ObjectType) -> bytes:
    """An object's bytes. Raises RepositoryError if it is not there or of another kind."""
    try:
        found, data, *_ = git.read(pygit2.Oid(hex=oid))
    except (KeyError, ValueError) as error:
        part = " (this clone is shallow or partial)" if _lacks_objects(git) else ""
        hint = "git fetch --refetch --no-filter" if part else "git fsck"
        raise RepositoryError(f"object {oid} is not in this repository{part}", hint=hint) from error
    except (pygit2.GitError, OSError) as error:
        raise RepositoryError(f"object {oid} cannot be read: {reason_of(error)}", hint="git fsck") from error
    if found != kind:
        raise RepositoryError(f"object {oid} is no {kind.name.lower()}")
    return bytes(data)


def _lacks_objects(git: pygit2.Repository) -> bool:
    partial = any(entry.name.endswith(".promisor") for entry in git.config)
    return bool(git.is_shallow or partial)


def edited_tree(
    git: pygit2.Repository,
    root: str | None,
    files: Mapping[str, bytes | None],
    modes: Mapping[str, int] | None = None,
) -> str:
    """The oid of a tree: `root` (None: empty) with files replaced, or taken out where None.

    Modes are kept but for those in `modes`, new files are plain, directories left empty vanish. Blobs and
    trees are written once every path is accepted. Raises DiffError, naming the path, if one may not be written.
    """
    for path in files:
        check_path(path)
    top = _Directory(git, bytes.fromhex(root) if root else None)
    # Taking out comes first, so that a file may give way to a directory of its name, or change its case.
    for path, data in files.items():
        if data is None:
            top.remove(_parts(path), path)
    for path, data in files.items():
        if data is not None:
            top.write(_parts(path), data, path, (modes or {}).get(path))
    with refusals("the object database does not take new files", git):
        return top.saved().hex()


def _parts(path: str) -> list[bytes]:
    return path.encode("utf-8", "surrogateescape").split(b"/")


class _Directory:
    """A tree being edited; the directories below are read when an edit reaches them."""

    def __init__(self, git: pygit2.Repository, oid: bytes | None) -> None:
        self._git = git
        self._oid = oid
        self._entries = read_tree(git, oid) if oid else {}
        self._below: dict[bytes, _Directory] = {}
        self._pending: dict[bytes, bytes] = {}
        self._folded: dict[str, bytes] | None = None

    def remove(self, parts: list[bytes], path: str) -> None:
        name, rest = parts[0], parts[1:]
        mode, _ = self._entries.get(name, (0, b""))
        if mode == SUBMODULE:
            raise DiffError(f"{path}: belongs to a submodule. Nothing was changed")
        if (mode == TREE) != bool(rest) or not mode:
            raise DiffError(f"{path}: there is no such file to delete. Nothing was changed")
        if rest:
            below = self._opened(name)
            below.remove(rest, path)
            if below._entries:
                return
            del self._below[name]
        del self._entries[name]
        self._folded = None

    def write(self, parts: list[bytes], data: bytes, path: str, wanted: int | None = None) -> None:
        name, rest = parts[0], parts[1:]
        mode, _ = self._entries.get(name, (0, b""))
        refused = {
            LINK: "is a symbolic link, or lies behind one; links are kept as they are",
            SUBMODULE: "belongs to a submodule",
        }.get(mode, "")
        if mode == TREE and not rest:
            refused = "is a directory"
        elif rest and mode not in (0, TREE, LINK, SUBMODULE):
            refused = f"lies below {name.decode('utf-8', 'backslashreplace')}, which is a file"
        if refused:
            raise DiffError(f"{path}: {refused}. Nothing was changed")
        if not mode:
            self._add(name, path, TREE if rest else FILE)
        if rest:
            self._opened(name).write(rest, data, path, wanted)
        else:
            executable = (mode if wanted is None else wanted) & 0o100
            self._entries[name] = (EXECUTABLE if executable else FILE, b"")
            self._pending[name] = data

    def saved(self) -> bytes:
        """Write what was edited; the oid of this tree."""
        for name, below in self._below.items():
            self._entries[name] = (TREE, below.saved())
        for name, data in self._pending.items():
            oid = self._git.create_blob(data)
            self._entries[name] = (self._entries[name][0], oid.raw)
        ordered = sorted(self._entries.items(), key=_order)
        raw = b"".join(b"%o %s\0%s" % (mode, name, oid) for name, (mode, oid) in ordered)
        return bytes(self._git.write(ObjectType.TREE, raw).raw)

    def _add(self, name: bytes, path: str, mode: int) -> None:
        if self._folded is None:
            self._folded = {folded(other.decode("utf-8", "surrogateescape")): other for other in self._entries}
        other = self._folded.setdefault(folded(name.decode("utf-8", "surrogateescape")), name)
        if other != name:
            shown = other.decode("utf-8", "backslashreplace")
            raise DiffError(f"{path}: differs only in case from {shown}, which is there. Nothing was changed")
        self._entries[name] = (mode, b"")

    def _opened(self, name: bytes) -> "_Directory":
        if name not in self._below:
            self._below[name] = _Directory(self._git, self._entries[name][1] or None)
        return self._below[name]


def _order(entry: tuple[bytes, tuple[int, bytes]]) -> bytes:
    # Git sorts a directory as if its name ended in a slash (gitformat-index, "index entry").
    name, (mode, _) = entry
    return name + b"/" if mode == TREE else name
