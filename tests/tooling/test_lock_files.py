"""The lock files: complete, held to hashes, and silent about where packages come from."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOCKS = sorted((ROOT / "requirements").glob("*.lock"))


def requirements(lock: Path) -> dict[str, str]:
    """Each requirement's name (normalized, with its marker) and all the text that belongs to it."""
    text = lock.read_text().replace("\\\n", " ")
    lines = [line for line in text.split("\n") if line.strip() and not line.startswith("#")]
    return {re.sub(r"[-_.]+", "-", line.split(" --hash", 1)[0].strip()).lower(): line for line in lines}


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_every_locked_package_is_pinned_and_has_a_hash(lock: Path) -> None:
    found = requirements(lock)
    assert found
    for line in found.values():
        assert re.match(r"[\w.-]+==[\w.+!]+\s", line), line
        assert re.search(r"--hash=sha256:[0-9a-f]{64}\b", line), line


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_no_lock_file_names_a_host_a_path_or_an_index(lock: Path) -> None:
    text = lock.read_text()
    assert "://" not in text
    assert not re.search(r"^\s*(-i|-f|--[a-z-]*(url|index|links)|-e|\.{0,2}/)", text, re.MULTILINE)


def test_the_smaller_locks_agree_with_the_whole_one() -> None:
    whole = requirements(ROOT / "requirements" / "dev.lock")
    for name in ("core", "local"):
        part = requirements(ROOT / "requirements" / f"{name}.lock")
        assert {pin.split(" ;")[0] for pin in part} <= {pin.split(" ;")[0] for pin in whole}


def test_every_declared_dependency_is_locked_and_only_the_local_extra_compiles() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    core, local, dev, llama = (
        {pin.split("==")[0] for pin in requirements(ROOT / "requirements" / f"{name}.lock")}
        for name in ("core", "local", "dev", "llama")
    )
    assert names(project["dependencies"]) | names(extras["pytest"]) <= core
    assert names(extras["local"]) <= local | llama
    assert names(extras["dev"]) <= dev
    assert llama == {"llama-cpp-python"}
    assert not llama & (core | local | dev)
    assert not {"llguidance", "numpy"} & core


def names(declared: list[str]) -> set[str]:
    bare = (re.split(r"[<>=!~;\[ ]", each, maxsplit=1)[0] for each in declared)
    return {re.sub(r"[-_.]+", "-", name).lower() for name in bare}
