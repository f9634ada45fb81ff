"""Which Python runs a project's tests, and what of the host it needs to be seen from inside a sandbox."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from gitagent.errors import SandboxError

_ASK = """
import json, os, sys, sysconfig
found = []
for entry in sys.path:
    try:
        found += [name for name in os.listdir(entry) if name.endswith((".dist-info", ".egg-info"))]
    except OSError:
        pass
names = ("stdlib", "platstdlib", "purelib", "platlib")
print(json.dumps({
    "prefixes": [sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix],
    "paths": [sysconfig.get_paths()[name] for name in names] + [p for p in sys.path if os.path.isdir(p)],
    "version": sys.version,
    "installed": sorted(set(found)),
}))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Python:
    """An interpreter as it described itself: where it lives, and a digest of its version and what is installed."""

    executable: str
    prefix: str
    roots: tuple[str, ...]
    paths: tuple[str, ...]
    digest: str

    @property
    def bin(self) -> str:
        """The directory to put first on PATH."""
        return os.path.dirname(self.executable)


def find_python(repo: str, environ: Mapping[str, str] | None = None, *, tracked: Collection[str] = ()) -> str:
    """The interpreter of a project's own environment.

    $VIRTUAL_ENV, else `.venv` or `venv` in the repository, else a python3 on PATH that has pytest, else the one
    that runs gitagent. An environment among the `tracked` files came with the repository and is a stranger's:
    merely starting it would run his code, so it is passed over.
    """
    environ = os.environ if environ is None else environ
    places = [
        os.path.join(repo, name)
        for name in (".venv", "venv")
        if not any(path == name or path.startswith(name + "/") for path in tracked)
    ]
    if active := environ.get("VIRTUAL_ENV"):
        places.insert(0, active)
    for place in places:
        for name in ("bin/python3", "bin/python"):
            if os.access(found := os.path.join(place, name), os.X_OK):
                return found
    on_path = shutil.which("python3", path=environ.get("PATH"))
    if on_path and on_path != sys.executable:
        try:
            asked = subprocess.run(
                [on_path, "-I", "-c", "import pytest, sys; print(sys.executable)"],
                capture_output=True,
                timeout=20,
                check=False,
                cwd="/",
            )
            # Its own word for itself: what is on the PATH may be a version manager's wrapper.
            if asked.returncode == 0 and os.access(found := os.fsdecode(asked.stdout).strip(), os.X_OK):
                return found
        except (OSError, subprocess.TimeoutExpired):
            pass  # not one to be used, then
    return sys.executable


@cache
def describe(executable: str) -> Python:
    """Ask an interpreter (or the root of a virtual environment) where it lives.

    Raises SandboxError if it is none.
    """
    executable = os.path.abspath(os.path.expanduser(executable))
    if os.path.isdir(executable):
        executable = os.path.join(executable, "bin", "python3")
    try:
        asked = subprocess.run(
            [executable, "-I", "-c", _ASK],
            capture_output=True,
            timeout=30,
            check=True,
            cwd="/",
            env={"LANG": "C.UTF-8"},
        )
        answer = json.loads(asked.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise SandboxError(
            f"{executable} is no Python that runs.",
            hint="export GITAGENT_SANDBOX_PYTHON=/path/to/.venv/bin/python3",
        ) from error
    facts = json.dumps([answer["version"], answer["installed"]]).encode()
    prefix = answer["prefixes"][0]
    return Python(
        executable=executable,
        prefix=prefix,
        roots=tuple(dict.fromkeys([*answer["prefixes"], *answer["paths"]])),
        paths=tuple(answer["paths"]),
        digest=hashlib.sha256(facts).hexdigest(),
    )


def links_on_the_way(path: str, limit: int = 40) -> list[tuple[str, str]]:
    """Every symlink met when opening a path, as (link, what it says), following them one after another."""
    links: list[tuple[str, str]] = []
    waiting = [part for part in path.split("/") if part][::-1]
    at = "/"
    while waiting and len(links) < limit:
        part = waiting.pop()
        if part == "..":
            at = os.path.dirname(at)
            continue
        here = os.path.join(at, part)
        try:
            target = os.readlink(here)
        except OSError:
            at = here
            continue
        links.append((here, target))
        if target.startswith("/"):
            at = "/"
        waiting += [part for part in target.split("/") if part not in ("", ".")][::-1]
    return links


def source_paths(python: Python, repository: str, inside: str) -> list[str]:
    """Where an editable install points into the repository, said of the tree at `inside`.

    Also its `src`, since some editable installs hide behind an import hook.
    """
    root = os.path.realpath(repository)
    found = []
    for path in python.paths:
        real = os.path.realpath(path)
        if (real + "/").startswith(root + "/") and not (real + "/").startswith(
            os.path.realpath(python.prefix) + "/"
        ):
            found.append(os.path.normpath(os.path.join(inside, os.path.relpath(real, root))))
    if (Path(inside) / "src").is_dir():
        found.append(os.path.join(inside, "src"))
    return list(dict.fromkeys(found))
