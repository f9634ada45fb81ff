"""Which runs are under way: a lock for each below `gitagent/` in the git directory, held until its process ends.

The operating system lets go of a lock when its process dies, however it dies; the files go with an orderly end, and
those of a killed run with its next one. What stands in a lock's file is for others: the run that has it.
"""

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

from gitagent.adapters.git import GitRepository
from gitagent.errors import RepositoryError


class Running:
    """The locks of one repository."""

    def __init__(self, repository: GitRepository) -> None:
        self._folder = Path(repository.common_directory) / "gitagent"

    @contextlib.contextmanager
    def held(self, run: str, branch: str) -> Iterator[None]:
        """Hold the run's lock and its branch's while the block goes on.

        Raises RepositoryError if another process works on this run, or on this branch.
        """
        self.sweep()
        with contextlib.ExitStack() as locks:
            for name in (f"run-{run}", f"branch-{branch.replace('/', '%')}"):
                other = locks.enter_context(self._locked(name, run))
                if other is not None:
                    raise RepositoryError(
                        f"run {other or run} is at work on this already. Nothing was run",
                        hint=f"gitagent status, or gitagent stop {other or run}",
                    )
            self._stop(run).unlink(missing_ok=True)  # asked of a process that was killed
            yield

    def sweep(self) -> None:
        """Take away what killed processes left here."""
        for path in self._folder.glob("*.lock"):
            descriptor = self._taken(path)
            if descriptor is not None:
                with contextlib.suppress(OSError):
                    os.unlink(path)
                os.close(descriptor)
        for path in self._folder.glob("stop-*"):
            if not self.is_live(path.name.removeprefix("stop-")):
                path.unlink(missing_ok=True)
        for path in self._folder.glob("steer-*"):
            if not self.is_live(path.name.removeprefix("steer-").rpartition("-")[0]):
                path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self._folder.rmdir()

    def is_live(self, run: str) -> bool:
        """Whether a process is at work on the run."""
        try:
            descriptor = os.open(self._path(f"run-{run}"), os.O_RDWR)
        except OSError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False

    def ask_to_stop(self, run: str) -> bool:
        """Ask a live run to stop at its next boundary; whether there is one."""
        if not self.is_live(run):
            return False
        self._stop(run).touch()
        return True

    def stop_asked(self, run: str) -> bool:
        """Whether somebody asked the run to stop."""
        return self._stop(run).exists()

    def steer(self, run: str, text: str) -> bool:
        """Hand a correction to a live run; whether there is one."""
        if not self.is_live(run):
            return False
        unfinished = self._folder / f"part-{run}-{os.getpid()}"
        try:
            unfinished.write_text(text, "utf-8")
            os.rename(unfinished, self._folder / f"steer-{run}-{time.time_ns():020}")
        except OSError as error:
            raise _refused(unfinished, error) from error
        return True

    def steered(self, run: str) -> list[str]:
        """The corrections that came for the run since the last time, oldest first; they are gone then."""
        texts = []
        for path in self._corrections(run):
            with contextlib.suppress(OSError):
                texts.append(path.read_text("utf-8", "replace"))
                path.unlink()
        return texts

    def _corrections(self, run: str) -> list[Path]:
        # The names hold no glob characters but what somebody else may have put there.
        found = [path for path in self._folder.glob("steer-*") if path.name.startswith(f"steer-{run}-")]
        return sorted(found)

    @contextlib.contextmanager
    def _locked(self, name: str, run: str) -> Iterator[str | None]:
        """None while the lock is ours, else the run that holds it."""
        path = self._path(name)
        descriptor = self._taken(path)
        if descriptor is None:
            yield _said(path)
            return
        try:
            try:
                os.truncate(descriptor, 0)
                os.write(descriptor, json.dumps({"run": run, "pid": os.getpid()}).encode())
            except OSError as error:
                raise _refused(path, error) from error
            yield None
        finally:
            with contextlib.suppress(OSError):
                os.unlink(path)
                self._stop(run).unlink(missing_ok=True)
                self.steered(run)
                self._folder.rmdir()  # the last one out
            os.close(descriptor)

    def _taken(self, path: Path) -> int | None:
        """The lock's file, open and locked; None if another process has it."""
        while True:
            try:
                self._folder.mkdir(exist_ok=True)
                descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
            except FileNotFoundError:
                continue  # the folder went with the last run in between
            except OSError as error:
                raise _refused(path, error) from error
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
                return None
            # Whoever had it may have taken the file away while we opened it.
            with contextlib.suppress(FileNotFoundError):
                if os.stat(path).st_ino == os.fstat(descriptor).st_ino:
                    return descriptor
            os.close(descriptor)

    def _stop(self, run: str) -> Path:
        return self._folder / f"stop-{run}"

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.lock"


def _refused(path: Path, error: OSError) -> RepositoryError:
    return RepositoryError(
        f"{path} cannot be made: {error.strerror}. Nothing was run", hint="df -h . (or: mount, ls -ld .git)"
    )


def _said(path: Path) -> str:
    """The run that a lock's file names, "" if it cannot be read."""
    try:
        found = json.loads(path.read_text("utf-8", "replace")[:1000])
        return str(found["run"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""
