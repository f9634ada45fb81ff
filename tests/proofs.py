"""Small real projects in real workspaces, for the tests of whatever runs tests."""

import atexit
import contextlib
import functools
import importlib.metadata
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from gitagent.adapters.unsandboxed import UnsandboxedSandbox
from gitagent.core import testing
from gitagent.ports import Workspace
from gitagent.records import Candidate, Diff, Execution, SandboxLimits, TestCommand, TestRun
from gitagent.testruns import run_tests

Files = Mapping[str, str]


@functools.cache
def lean_python(*, copied: bool = False) -> str:
    """A Python with pytest and nothing else: our own one's plugins take a second to load, each time.

    Its packages are links to ours, or copies for a sandbox that shows no other directory.
    """
    folder = Path(tempfile.mkdtemp(prefix="gitagent-tests-"))
    folder.chmod(0o755)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    packages = next(folder.glob("lib/python*/site-packages"))
    for name in ("pytest", "pluggy", "iniconfig", "packaging", "pygments"):
        files = importlib.metadata.files(name) or []
        tops = {file.parts[0] for file in files if file.parts[0] not in ("..", "__pycache__")}
        for top in tops:
            found = Path(str(importlib.metadata.distribution(name).locate_file(top)))
            if copied:
                shutil.copytree(found, packages / top) if found.is_dir() else shutil.copy(found, packages / top)
            else:
                (packages / top).symlink_to(found)
    return str(folder / "bin" / "python3")


@contextlib.contextmanager
def workspace(files: Files) -> Iterator["Recorded"]:
    """A warm workspace holding these files."""
    roots: list[Path] = []

    def fill(directory: str) -> None:
        roots.append(Path(directory))
        for path, text in files.items():
            file = Path(directory, path)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(text.encode("utf-8", "surrogateescape"))

    with UnsandboxedSandbox(lean_python()).open(fill, SandboxLimits()) as opened:
        yield Recorded(opened, roots[0])


def command_of(files: Files, configured: str = "") -> TestCommand:
    """The test command found for these files."""
    return testing.detect(files.keys(), files.get, configured=configured)


def run_of(files: Files, tests: Sequence[str] = (), *, configured: str = "", seconds: float = 60.0) -> TestRun:
    """One run in a workspace of its own."""
    with workspace(files) as opened:
        return run_tests(
            opened,
            command_of(files, configured),
            tests=tests,
            tree="t" * 40,
            sandbox="none",
            timeout_seconds=seconds,
        )


def candidate(texts: Mapping[str, str | None]) -> Candidate:
    """A candidate with these texts; its diff is of no interest here."""
    diff = Diff(text="", paths=tuple(texts), added=1, removed=1)
    return Candidate(task="1", worker="test", diff=diff, texts=texts)


class Recorded:
    """A workspace that remembers what was asked of the one behind it, whose files lie in `root`."""

    def __init__(self, behind: Workspace, root: Path) -> None:
        self.root = root
        self.argvs: list[tuple[str, ...]] = []
        self.outputs: list[str] = []
        self.written: list[Mapping[str, str | None]] = []
        self._behind = behind

    def tree(self) -> dict[str, str]:
        """Every file's text, by path; an empty directory is a path with a slash at its end."""
        found = {}
        for path in sorted(self.root.rglob("*")):
            name = path.relative_to(self.root).as_posix()
            if path.is_file():
                found[name] = path.read_bytes().decode("utf-8", "surrogateescape")
            elif not any(path.iterdir()):
                found[name + "/"] = ""
        return found

    def write(self, texts: Mapping[str, str | None]) -> None:
        self.written.append(texts)
        self._behind.write(texts)

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout_seconds: float,
        stdin: bytes = b"",
        collect: Sequence[str] = (),
    ) -> Execution:
        self.argvs.append(tuple(argv))
        done = self._behind.run(argv, timeout_seconds=timeout_seconds, stdin=stdin, collect=collect)
        self.outputs.append(done.output)
        return done
