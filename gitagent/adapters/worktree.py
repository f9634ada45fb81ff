"""Writing whole new texts onto a work tree: every file or none, even when killed in between.

The new files are written beside the old ones first, then a plan of all moves is recorded, and only then is
anything renamed. Whoever finds the plan later carries it out: `recover` is run before each writing.
"""

import contextlib
import json
import os
import stat
from collections.abc import Mapping
from pathlib import Path

from gitagent.core.diffs import check_path
from gitagent.errors import RepositoryError

_PLAN = "gitagent/worktree-plan.json"


class Worktree:
    """The files below `root`; `git_directory` is where the plan of an unfinished writing is kept."""

    def __init__(self, root: Path, git_directory: Path) -> None:
        self._root = root
        self._plan = git_directory / _PLAN

    def read(self, path: str) -> str | None:
        """A file's text, None if there is no file. Raises RepositoryError if it is no plain file."""
        check_path(path)
        self._refuse_symlinks(path)
        file = self._root / path
        try:
            if not stat.S_ISREG(file.lstat().st_mode):
                raise RepositoryError(f"{path}: not a plain file. Nothing was changed.")
            return file.read_bytes().decode("utf-8", "surrogateescape")
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise RepositoryError(f"{path}: cannot be read ({error.strerror}). Nothing was changed.") from error

    def write(self, texts: Mapping[str, str | None], modes: Mapping[str, int] | None = None) -> None:
        """Replace the files by whole new texts; None deletes. `modes` are git's, for files that change theirs.

        Raises RepositoryError, with nothing changed, if one of them cannot be written.
        """
        self.recover()
        moves: list[tuple[str, str | None]] = []
        made: list[Path] = []
        try:
            for path, text in sorted(texts.items()):
                check_path(path)
                self._refuse_symlinks(path)
                moves.append(
                    (path, None if text is None else self._beside(path, text, (modes or {}).get(path), made))
                )
            if not moves:
                return
            self._record(moves)
        except (OSError, RepositoryError) as error:
            for file in reversed(made):
                with contextlib.suppress(OSError):
                    file.rmdir() if file.is_dir() else file.unlink()
            if isinstance(error, RepositoryError):
                raise
            where = os.path.relpath(error.filename, self._root) if error.filename else "the work tree"
            raise RepositoryError(
                f"{where}: cannot be written ({error.strerror}). Nothing was changed."
            ) from error
        self._carry_out(moves)

    def recover(self) -> bool:
        """Finish a writing that was killed half-way; whether there was one."""
        try:
            moves = json.loads(self._plan.read_bytes())
        except FileNotFoundError:
            return False
        except (OSError, ValueError) as error:
            raise RepositoryError(
                f"{self._plan}: unreadable plan of an earlier change. Remove the file."
            ) from error
        self._carry_out([(str(path), temporary) for path, temporary in moves])
        return True

    def _refuse_symlinks(self, path: str) -> None:
        at = self._root
        for name in path.split("/"):
            at = at / name
            if at.is_symlink():
                raise RepositoryError(f"{path}: leads through a symlink. Nothing was changed.")

    def _beside(self, path: str, text: str, mode: int | None, made: list[Path]) -> str:
        """Write the text into a new file beside the one it will replace; its name from the root."""
        file = self._root / path
        for parent in [*reversed(file.parents)]:
            if self._root in parent.parents and not parent.is_dir():
                parent.mkdir()
                made.append(parent)
        temporary = file.with_name(f".gitagent-{os.getpid()}-{len(made)}")
        made.append(temporary)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        with open(descriptor, "wb") as out:
            out.write(text.encode("utf-8", "surrogateescape"))
            out.flush()
            os.fsync(out.fileno())
        if file.exists():
            temporary.chmod(stat.S_IMODE(file.stat().st_mode))
        if mode is not None:
            bits = stat.S_IMODE(temporary.stat().st_mode)
            temporary.chmod(bits | (bits & 0o444) >> 2 if mode == 0o100755 else bits & ~0o111)
        return temporary.relative_to(self._root).as_posix()

    def _record(self, moves: list[tuple[str, str | None]]) -> None:
        self._plan.parent.mkdir(parents=True, exist_ok=True)
        temporary = self._plan.with_suffix(f".{os.getpid()}")
        with temporary.open("wb") as out:
            out.write(json.dumps(moves).encode())
            out.flush()
            os.fsync(out.fileno())
        temporary.replace(self._plan)

    def _carry_out(self, moves: list[tuple[str, str | None]]) -> None:
        """From here on forward only: each step may have been done already."""
        for path, temporary in moves:
            file = self._root / path
            if temporary is None:
                file.unlink(missing_ok=True)
                self._prune(file.parent)
            elif (self._root / temporary).exists():
                (self._root / temporary).replace(file)
        self._plan.unlink(missing_ok=True)

    def _prune(self, directory: Path) -> None:
        """As git does, directories that became empty go too."""
        while directory != self._root:
            try:
                directory.rmdir()
            except OSError:
                return
            directory = directory.parent
