"""Repositories with a real bug in them, built from source archives of published packages.

An archive is fetched by the package's name, with pip as the machine has it set up, and kept in the user's cache.
"""

import ast
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Bug:
    """A bug of release `old` that release `new` mended.

    `test_file` comes from the new release; `test` is in it and fails on the old one, as do the functions and
    classes `without`, which test something else and are left out.
    """

    package: str
    old: str
    new: str
    test_file: str
    test: str
    without: tuple[str, ...] = ()

    @property
    def node_id(self) -> str:
        """The test as pytest names it."""
        return f"{self.test_file}::{self.test}"


class Unreachable(Exception):
    """The archive is not in the cache and cannot be fetched."""


def archive(package: str, version: str, cache: Path) -> Path:
    """The source archive of a release, fetched once."""
    kept = cache / f"{package}-{version}.tar.gz"
    if not kept.exists():
        fetched = cache / f"{package}-{version}.part"
        shutil.rmtree(fetched, ignore_errors=True)
        fetched.mkdir(parents=True)
        # pip asks the archive's own build backend for its name, and fetches that backend for it.
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:"]
        command += ["--dest", str(fetched), f"{package}=={version}"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        found = list(fetched.glob("*.tar.gz"))
        if done.returncode or len(found) != 1:
            raise Unreachable(f"pip gave no source archive of {package} {version}: {done.stderr.strip()[-300:]}")
        os.replace(found[0], kept)
        shutil.rmtree(fetched)
    return kept


def unpacked(package: str, version: str, cache: Path, directory: Path) -> Path:
    """The release's source tree below `directory`."""
    directory.mkdir(parents=True, exist_ok=True)
    # The program and not the module: Pythons before 3.11.4 would keep the owners that an archive names.
    subprocess.run(
        ["tar", "--no-same-owner", "-xzf", str(archive(package, version, cache)), "-C", str(directory)], check=True
    )
    (root,) = directory.iterdir()
    return root


def repository(bug: Bug, cache: Path, directory: Path) -> Path:
    """A git repository of the old release with the new release's test file."""
    root = unpacked(bug.package, bug.old, cache, directory / "old")
    newer = unpacked(bug.package, bug.new, cache, directory / "new")
    target = root / bug.test_file
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(_without((newer / bug.test_file).read_text(encoding="utf-8"), bug.without).encode())
    for command in (
        ["init", "--quiet"],
        ["add", "--all"],
        ["commit", "--quiet", "-m", f"{bug.package} {bug.old}"],
    ):
        subprocess.run(["git", "-C", str(root), *command], check=True, capture_output=True)
    return root


def _without(text: str, names: tuple[str, ...]) -> str:
    lines = text.split("\n")
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)) and node.name in names:
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            last = node.end_lineno or node.lineno
            lines[first - 1 : last] = [""] * (last - first + 1)
    return "\n".join(lines)
