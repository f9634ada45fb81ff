"""Loads pytest, and what tests need besides the project itself, before anything is forked.

A part of the scripts sent into a sandbox: standard library and the project's pytest only, Python 3.8 up.
"""

from __future__ import annotations

import importlib
import os
import shutil
import sys
import tempfile
from contextlib import suppress
from typing import Any

from gitagent.inside.files import ROOT

SHOWN_MODULES = 3000


def loaded(before: set[str]) -> list[str]:
    """The modules that were imported since, other than the project's own, in order."""
    names = []
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if name in before or name.startswith("_pytest") or "conftest" in name:
            continue
        if isinstance(file, str) and os.path.isabs(file) and not is_ours(file):
            names.append(name)
    return names[:SHOWN_MODULES]


def is_ours(filename: str) -> bool:
    """Whether a module's file is the project's own."""
    full = os.path.realpath(filename)
    rest = full[len(ROOT) :]
    return full.startswith(ROOT + os.sep) and "site-packages" not in rest and "dist-packages" not in rest


def loads_the_project() -> bool:
    """Whether pytest would load the project as one of its plugins; nothing is imported to find out."""
    from importlib import util

    try:
        from importlib import metadata

        points: Any = metadata.entry_points()  # a dict below Python 3.10
        chosen = points.select(group="pytest11") if hasattr(points, "select") else points.get("pytest11", ())
        for point in chosen:
            spec = util.find_spec(point.value.split(":")[0].split(".")[0])
            places = [spec.origin, *(spec.submodule_search_locations or ())] if spec else []
            if any(is_ours(place) for place in places if place):
                return True
    except (ImportError, ValueError, OSError, AttributeError):
        return True
    return False


def warm_pytest() -> None:
    """Run pytest once, on two tests of our own in an empty directory, so that all it loads is loaded."""
    before = os.environ.get("PYTEST_DISABLE_PLUGIN_AUTOLOAD")
    modules = set(sys.modules)
    folder = tempfile.mkdtemp(prefix="gitagent-warm-")
    out, err = sys.stdout, sys.stderr
    if loads_the_project():
        os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    try:
        import pytest

        with open(os.path.join(folder, "test_warm.py"), "w") as file:
            file.write("def test_a(tmp_path, monkeypatch, capsys): pass\ndef test_b(): assert [1] == [2]\n")
        with open(os.path.join(folder, "pytest.ini"), "w") as file:
            file.write("[pytest]\n")
        os.chdir(folder)
        with open(os.devnull, "w") as null:
            sys.stdout = sys.stderr = null
            pytest.main(["-q", "-p", "no:cacheprovider", "--rootdir=.", "-c", "pytest.ini", "test_warm.py"])
    finally:
        sys.stdout, sys.stderr = out, err
        os.chdir(ROOT)
        shutil.rmtree(folder, ignore_errors=True)
        os.environ.pop("PYTEST_DISABLE_PLUGIN_AUTOLOAD", None)
        if before is not None:
            os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = before
        for name in set(sys.modules) - modules:
            if name.startswith("test_warm"):
                del sys.modules[name]


def keep_bytecode(folder: str) -> None:
    """Keep what is compiled for the next process, where the environment never was: each would compile it again."""
    from importlib import util

    try:
        spec = util.find_spec("_pytest")
        compiled = util.cache_from_source(spec.origin) if spec and spec.origin else ""
    except (ImportError, ValueError, NotImplementedError):
        return
    if compiled and not os.path.exists(compiled):
        sys.pycache_prefix, sys.dont_write_bytecode = folder, False


def import_all(names: list[str]) -> None:
    """Import what the tests need besides the project itself."""
    for name in names:
        if name not in sys.modules:
            with suppress(BaseException):  # whatever a stranger's module raises: it is not needed here
                importlib.import_module(name)
