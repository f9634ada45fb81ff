"""Repositories of any size, made for measuring: modules that call each other, a small test suite, planted bugs."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

MODULES_PER_PACKAGE = 25

MODULE = '''"""Bookkeeping of branch {number}: what comes in, what goes out, and what is left."""

from dataclasses import dataclass

RATE_{number} = 0.{rate:02d}


@dataclass(frozen=True)
class Entry{number}:
    """One line in the book of branch {number}."""

    label: str
    amount: float
    day: int = 0


def settle_{number}(amount: float, rate: float = RATE_{number}) -> float:
    """The amount with the rate taken off."""
    if amount < 0:
        raise ValueError(f"expected an amount of at least 0, got {{amount}}")
    return round(amount * (1 - rate), 2)


def balance_{number}(entries: list[Entry{number}]) -> float:
    """The sum of all entries, each settled."""
    total = 0.0
    for entry in entries:
        total += settle_{number}(entry.amount)
    return round(total, 2)


def busiest_{number}(entries: list[Entry{number}]) -> int | None:
    """The day with most entries, the earlier of two that tie; None without entries."""
    days: dict[int, int] = {{}}
    for entry in entries:
        days[entry.day] = days.get(entry.day, 0) + 1
    return min(days, key=lambda day: (-days[day], day)) if days else None
'''

NEIGHBOUR = '''

def with_neighbour_{number}(amount: float) -> float:
    """What is left after the neighbouring branch took its part too."""
    return {module}.settle_{other}(settle_{number}(amount))
'''

TEST = """from {package}.{module} import Entry{number}, balance_{number}, busiest_{number}, settle_{number}


def test_the_rate_is_taken_off_{number}() -> None:
    assert settle_{number}(100.0, 0.25) == 75.0


def test_entries_are_settled_before_they_are_summed_{number}() -> None:
    entries = [Entry{number}("a", 10.0), Entry{number}("b", 20.0, day=2)]
    assert balance_{number}(entries) == round(settle_{number}(10.0) + settle_{number}(20.0), 2)
    assert busiest_{number}(entries) == 0
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bug:
    """One wrong line, on a branch of its own; `request` is what a user would say about it."""

    branch: str
    path: str
    name: str
    line: int
    wrong: str
    right: str
    around: tuple[str, str]
    test: str
    request: str

    @property
    def diff(self) -> str:
        """The unified diff that mends it."""
        before, after = self.around
        return (
            f"--- a/{self.path}\n+++ b/{self.path}\n@@ -{self.line - 1},3 +{self.line - 1},3 @@\n"
            f" {before}\n-{self.wrong}\n+{self.right}\n {after}\n"
        )


def generate(directory: Path, files: int, *, bugs: int) -> list[Bug]:
    """A repository of so many Python files: `main` is right, each branch `bug-1`, `bug-2` … has one line wrong."""
    texts: dict[str, str] = {
        "README.md": "# Books\n",
        "pyproject.toml": '[tool.pytest.ini_options]\npythonpath = ["."]\n',
    }
    tested = max(bugs, min(10, files // 4))
    packages = -(-(files - tested) // (MODULES_PER_PACKAGE + 1))
    modules = files - tested - packages
    for package in range(packages):
        texts[f"books{package:03d}/__init__.py"] = f'"""Branches from {package * MODULES_PER_PACKAGE} on."""\n'
    for number in range(modules):
        package, module = _place(number)
        text = MODULE.format(number=number, rate=number % 90 + 5)
        # Within a package each module needs the one before it: a chain of 25, as tangled code has.
        if number % MODULES_PER_PACKAGE:
            home, other = _place(number - 1)
            text = text.replace("\n\nRATE_", f"\n\nfrom {home} import {other}\n\nRATE_", 1)
            text += NEIGHBOUR.format(number=number, module=other, other=number - 1)
        texts[f"{package}/{module}.py"] = text
    # The chosen ones lie apart, none at the very beginning, where a reader in order would meet it first.
    chosen = [(index + 1) * modules // (tested + 1) for index in range(tested)]
    for number in chosen:
        package, module = _place(number)
        texts[f"tests/test_{module}.py"] = TEST.format(number=number, package=package, module=module)
    found = [_bug(index, number, texts) for index, number in enumerate(chosen[:bugs], 1)]
    _import(directory, texts, found)
    return found


def _place(number: int) -> tuple[str, str]:
    return f"books{number // MODULES_PER_PACKAGE:03d}", f"branch{number:05d}"


def _bug(index: int, number: int, texts: dict[str, str]) -> Bug:
    package, module = _place(number)
    path = f"{package}/{module}.py"
    lines = texts[path].split("\n")
    line = next(i for i, text in enumerate(lines, 1) if "(1 - rate)" in text)
    return Bug(
        branch=f"bug-{index}",
        path=path,
        name=f"settle_{number}",
        line=line,
        wrong=lines[line - 1].replace("1 - rate", "1 + rate"),
        right=lines[line - 1],
        around=(lines[line - 2], lines[line]),
        test=f"tests/test_{module}.py::test_the_rate_is_taken_off_{number}",
        request=f"settle_{number} in {path} puts the rate on top of the amount; it should take it off.",
    )


def _import(directory: Path, texts: dict[str, str], bugs: list[Bug]) -> None:
    """Straight into a pack, through git's own stream: thousands of files in about a second."""
    stream: list[bytes] = []

    def commit(ref: str, mark: int, message: str, files: dict[str, str], parent: int | None) -> None:
        data = message.encode()
        stream.append(f"commit {ref}\nmark :{mark}\n".encode())
        stream.append(b"committer Bench <bench@localhost> 1700000000 +0000\n")
        stream.append(b"data %d\n%s\n" % (len(data), data))
        if parent:
            stream.append(f"from :{parent}\n".encode())
        for path, text in files.items():
            blob = text.encode()
            stream.append(f"M 100644 inline {path}\ndata {len(blob)}\n".encode() + blob + b"\n")

    commit("refs/heads/main", 1, "books: begin", texts, None)
    for number, bug in enumerate(bugs, 2):
        broken = {bug.path: texts[bug.path].replace(bug.right, bug.wrong)}
        commit(f"refs/heads/{bug.branch}", number, f"books: rework {bug.name}", broken, 1)
    git(directory.parent, "init", "-q", "-b", "main", str(directory))
    git(directory, "fast-import", "--quiet", stdin=b"".join(stream))
    git(directory, "config", "user.name", "Bench")
    git(directory, "config", "user.email", "bench@localhost")
    git(directory, "config", "gc.auto", "0")
    git(directory, "reset", "-q", "--hard")


def clone(source: Path, target: Path, bugs: list[Bug]) -> Path:
    """A clone with a working copy and all branches, without a remote."""
    git(source.parent, "clone", "-q", "--local", str(source), str(target))
    for bug in bugs:
        git(target, "branch", "-q", bug.branch, f"origin/{bug.branch}")
    for setting in ("user.name=Bench", "user.email=bench@localhost", "gc.auto=0"):
        git(target, "config", *setting.split("=", 1))
    git(target, "remote", "remove", "origin")
    return target


def git(directory: Path, *words: str, stdin: bytes = b"") -> str:
    done = subprocess.run(("git", *words), cwd=directory, input=stdin, capture_output=True, check=False)
    if done.returncode:
        raise RuntimeError(f"git {' '.join(words)}: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout.decode(errors="replace").strip()


def is_mended(directory: Path, bug: Bug) -> bool:
    """Whether some commit on a branch other than the bug's own, or the working copy, has the right line."""
    if (directory / bug.path).read_text().count(bug.right):
        return True
    heads = git(directory, "for-each-ref", "--format=%(refname)", "--contains", bug.branch, "refs/heads").split()
    return any(bug.right in git(directory, "show", f"{head}:{bug.path}") for head in heads)
