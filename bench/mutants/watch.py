"""Runs pytest on the current directory and prints each test's outcome and the place of its function as JSON."""

import inspect
import json
import os
import sys
from typing import Any

import pytest

ROOT = os.path.realpath(os.getcwd())


class Watch:
    """The pytest plugin."""

    def __init__(self) -> None:
        self.told: dict[str, tuple[str, str]] = {}
        self._places: dict[str, str] = {}

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        for item in items:
            function = inspect.unwrap(getattr(item, "function", None) or type(item))
            code = getattr(function, "__code__", None)
            if code is not None:
                path = os.path.relpath(os.path.realpath(code.co_filename), ROOT).replace(os.sep, "/")
                self._places[item.nodeid] = f"{path}:{code.co_firstlineno}"

    def pytest_collectreport(self, report: Any) -> None:
        if report.failed:
            self.told[report.nodeid] = ("error", "")

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.when == "call" or report.failed:
            outcome = "failed" if report.failed else report.outcome
            if self.told.get(report.nodeid, ("", ""))[0] != "failed":
                self.told[report.nodeid] = (outcome, self._places.get(report.nodeid, ""))


if __name__ == "__main__":
    sys.path[0] = os.getcwd()
    watch = Watch()
    pytest.main(sys.argv[1:], plugins=[watch])
    print("\nWATCHED " + json.dumps(watch.told))
