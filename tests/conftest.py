"""Real git repositories in tmp_path, with names, dates and configuration fixed."""

import hashlib
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Machines are shared: how long an example takes says nothing about what it proves.
settings.register_profile("gitagent", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("gitagent")

# A shell that starts a job in the background has it ignore Ctrl-C, and what the tests start would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Whatever the machine or a hook says about git stays outside the tests.
for _name in [name for name in os.environ if name.startswith("GIT_")]:
    del os.environ[_name]


@pytest.fixture(autouse=True)
def _home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home of its own for every test: no configuration, no system configuration, fixed dates."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / ".config"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("GIT_AUTHOR_DATE", "2024-05-01T12:00:00+02:00")
    monkeypatch.setenv("GIT_COMMITTER_DATE", "2024-05-01T12:00:00+02:00")
    (home / ".gitconfig").write_text(
        "[user]\n\tname = Ada Tester\n\temail = ada@example.org\n[init]\n\tdefaultBranch = main\n"
        '[commit]\n\tgpgSign = false\n[protocol "file"]\n\tallow = always\n'
    )
    _point_libgit2_at(home)
    yield home
    # pytest empties what it made; libgit2 must not look there again.
    _point_libgit2_at(home)


def _point_libgit2_at(home: Path) -> None:
    # libgit2 reads HOME once, when it is loaded.
    import pygit2
    from pygit2.enums import ConfigLevel

    for level in (ConfigLevel.SYSTEM, ConfigLevel.XDG, ConfigLevel.PROGRAMDATA):
        pygit2.settings.search_path[level] = str(home / "nothing")
    pygit2.settings.search_path[ConfigLevel.GLOBAL] = str(home)


@pytest.fixture
def home(_home: Path) -> Path:
    """The home directory of this test."""
    return _home


Git = Callable[..., str]


@pytest.fixture
def git() -> Git:
    """Run git in a directory: `git(directory, "commit", "-m", "x")` gives stdout, without the last newline."""

    def run(directory: Path | str, *arguments: str, check: bool = True) -> str:
        done = subprocess.run(["git", "-C", str(directory), *arguments], capture_output=True, check=False)
        assert not check or done.returncode == 0, done.stderr.decode()
        return done.stdout.decode("utf-8", "surrogateescape").removesuffix("\n")

    return run


@pytest.fixture
def repo(tmp_path: Path, git: Git) -> Path:
    """A repository's work tree: branch `main`, two commits, a few files in directories, one executable."""
    root = tmp_path / "repo"
    root.mkdir()
    git(root, "init", "--quiet")
    (root / "greet.py").write_text('def greet(name):\n    return "hello " + name\n')
    git(root, "add", ".")
    git(root, "commit", "--quiet", "-m", "greet: say hello")
    (root / "pkg" / "deep").mkdir(parents=True)
    (root / "pkg" / "__init__.py").write_text("")
    (root / "pkg" / "deep" / "sums.py").write_text("def add(a, b):\n    return a - b\n")
    (root / "run.sh").write_text("#!/bin/sh\necho run\n")
    (root / "run.sh").chmod(0o755)
    git(root, "add", ".")
    git(root, "commit", "--quiet", "-m", "pkg: add sums\n\nWith a body.")
    return root


@pytest.fixture
def untouched() -> Callable[[Path], str]:
    """A digest of a whole repository, work tree and git directory, minus what gitagent may write.

    Left out are objects, `gitagent` in the git directory (the index, the locks of runs), and below
    `refs/heads/gitagent`, `refs/gitagent`, `refs/notes` and their reflogs.
    """
    ours = (
        "objects/",
        "refs/heads/gitagent",
        "refs/gitagent",
        "logs/refs/heads/gitagent",
        "refs/notes",
        "gitagent",
    )

    def digest(root: Path) -> str:
        found = hashlib.sha256()
        for file in sorted(root.rglob("*")):
            relative = file.relative_to(root).as_posix()
            inside = relative.partition(".git/")[2] if ".git/" in relative else relative
            if inside.startswith((*ours, "logs/refs/notes")):
                continue
            found.update(os.fsencode(relative) + b"\0" + oct(file.lstat().st_mode).encode())
            if file.is_symlink():
                found.update(os.fsencode(os.readlink(file)))
            elif file.is_file():
                found.update(file.read_bytes())
        return found.hexdigest()

    return digest
