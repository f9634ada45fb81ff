"""Writing a commit's files into a directory, bytes as stored: no filters, no line endings changed, no index.

Symbolic links are written as they are, also those that point out of the tree: nothing here follows one, and
whoever runs the files does so in a sandbox. Submodules become empty directories.
"""

import os

import pygit2
from pygit2.enums import ObjectType

from gitagent.adapters.git_objects import LINK, SUBMODULE, TREE, Entries, read_object, read_tree
from gitagent.errors import RepositoryError

# Deeper than any source tree, and less than the open directories a process may have.
DEEPEST = 200
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_INTO = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def check_out(git: pygit2.Repository, tree: str, directory: str) -> None:
    """Write a tree's files below an empty directory. Raises RepositoryError if one cannot be written."""
    try:
        here = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise RepositoryError(f"{directory} cannot be written to: {error.strerror}") from error
    try:
        if os.listdir(here):
            raise RepositoryError(f"{directory} is not empty. Nothing was written")
        _Writer(git).fill(here, read_tree(git, bytes.fromhex(tree)), directory, 0)
    finally:
        os.close(here)


class _Writer:
    def __init__(self, git: pygit2.Repository) -> None:
        self._git = git

    def fill(self, here: int, entries: Entries, where: str, depth: int) -> None:
        if depth > DEEPEST:
            raise RepositoryError(f"the tree is more than {DEEPEST} directories deep, refused")
        for name, (mode, oid) in entries.items():
            try:
                self._put(here, name, mode, oid, where, depth)
            except OSError as error:
                shown = name.decode("utf-8", "backslashreplace")
                raise RepositoryError(f"{where}/{shown} cannot be written: {error.strerror}") from error

    def _put(self, here: int, name: bytes, mode: int, oid: bytes, where: str, depth: int) -> None:
        if mode in (TREE, SUBMODULE):
            # Just made and opened without following links: nothing can have been put in its place by the tree.
            os.mkdir(name, dir_fd=here)
            if mode == SUBMODULE:
                return
            below = os.open(name, _INTO, dir_fd=here)
            try:
                shown = name.decode("utf-8", "backslashreplace")
                self.fill(below, read_tree(self._git, oid), f"{where}/{shown}", depth + 1)
            finally:
                os.close(below)
            return
        data = read_object(self._git, oid.hex(), ObjectType.BLOB)
        if mode == LINK:
            os.symlink(data, name, dir_fd=here)
            return
        file = os.open(name, _NEW, 0o755 if mode & 0o100 else 0o644, dir_fd=here)
        try:
            left = memoryview(data)
            while left:
                left = left[os.write(file, left) :]
        finally:
            os.close(file)
