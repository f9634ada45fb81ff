"""The packages bugs are seeded into, and their suites, watched from outside."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gitagent" / "sdists"
INI = "[pytest]\npythonpath = . src\npython_files = test_*.py tests.py\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """One release. `sources` are patterns of the files that get bugs; `split` says what it is used for."""

    name: str
    version: str
    sources: tuple[str, ...]
    split: str
    left_out: tuple[str, ...] = ()


# Developed on the one half; the other half was looked at only as figures.
PACKAGES = (
    Package(name="parse", version="1.20.2", sources=("parse.py",), split="dev"),
    Package(name="xmltodict", version="0.14.2", sources=("xmltodict.py",), split="dev"),
    Package(name="toolz", version="0.12.1", sources=("toolz/*.py",), split="dev"),
    Package(name="cachetools", version="5.2.1", sources=("src/cachetools/*.py",), split="dev"),
    Package(name="inflection", version="0.5.1", sources=("inflection/*.py", "inflection.py"), split="dev"),
    Package(name="nameparser", version="1.1.3", sources=("nameparser/parser.py",), split="dev"),
    Package(name="more-itertools", version="10.5.0", sources=("more_itertools/*.py",), split="held"),
    Package(
        name="boltons", version="24.1.0", sources=("boltons/*.py",), split="held", left_out=("tests/conftest.py",)
    ),
    Package(name="simpleeval", version="1.0.0", sources=("simpleeval.py",), split="held"),
    Package(name="jsonpointer", version="2.4", sources=("jsonpointer.py",), split="held"),
    Package(name="schedule", version="1.2.2", sources=("schedule/*.py",), split="held"),
    Package(name="texttable", version="1.6.7", sources=("texttable.py",), split="held"),
)


def unpacked(package: Package, directory: Path) -> Path:
    """The release's files in an empty directory, with a pytest setting of ours in place of its own."""
    archive = CACHE / f"{package.name}-{package.version}.tar.gz"
    if not archive.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", ":all:", "-d"]
        wanted = f"{package.name}=={package.version}"
        subprocess.run([*command, str(CACHE), wanted], check=True, capture_output=True, timeout=300)
    directory.mkdir(parents=True, exist_ok=True)
    # The program and not the module: Pythons before 3.11.4 would keep the owners that an archive names.
    subprocess.run(["tar", "--no-same-owner", "-xzf", str(archive), "-C", str(directory)], check=True)
    (root,) = directory.iterdir()
    for path in ("tox.ini", "setup.cfg", ".coveragerc", *package.left_out):
        (root / path).unlink(missing_ok=True)
    (root / "pytest.ini").write_text(INI)
    return root


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one test did, and the function it is written in: `path:first line`."""

    outcome: str
    function: str


def suite(root: Path, *, seconds: float) -> Mapping[str, Outcome] | None:
    """Each test's outcome by id; None if the suite did not come to an end."""
    watch = Path(__file__).with_name("watch.py").read_text()
    env = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONHASHSEED": "0"}
    env.pop("PYTHONPATH", None)
    argv = [sys.executable, "-c", watch, "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:randomly"]
    argv += ["--import-mode=prepend"]
    try:
        done = subprocess.run(argv, cwd=root, env=env, capture_output=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        return None
    last = done.stdout.rpartition(b"\nWATCHED ")[2]
    try:
        told = json.loads(last)
    except ValueError:
        return None
    return {test: Outcome(outcome=outcome, function=function) for test, (outcome, function) in told.items()}
