"""A small repository with a bug, and the endpoint that may be asked about it."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from tests.e2e.running import CALC, Project, made

Making = Callable[[Mapping[str, str | bytes | None]], Project]


@pytest.fixture
def making(tmp_path: Path) -> Making:
    """Makes a repository with one commit of these files."""
    return lambda files: made(tmp_path / "project", tmp_path / "temporary", files)


@pytest.fixture
def calc(making: Making) -> Iterator[Project]:
    """A repository of two functions and two tests, one of which fails."""
    project = making(CALC)
    head, status = project.git("rev-parse", "HEAD"), project.git("status", "--porcelain")
    yield project
    # Whatever the test did with gitagent, the user stands where he stood.
    assert project.git("status", "--porcelain") == status
    assert project.git("rev-parse", "HEAD") == head
