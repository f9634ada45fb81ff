"""`gitagent demo` from its first line to the merge it proposes."""

from pathlib import Path

import pytest

from tests.e2e.running import Project


@pytest.fixture
def place(tmp_path: Path) -> Project:
    (tmp_path / "place").mkdir()
    return Project(tmp_path / "place", tmp_path / "temporary")


def test_the_demo_ends_proven_its_pull_request_merges_and_it_can_be_run_again(place: Project) -> None:
    done = place.gitagent("demo", "--dir", "shown")
    assert done.code == 0, done.err
    assert "A repository with a bug is in shown" in done.out and "$ gitagent fix --repo shown" in done.out
    assert "✔ proven: " in done.err and "gitagent pr merge 1" in done.err
    merged = place.gitagent("pr", "merge", "1", "--repo", "shown")
    assert merged.code == 0, merged.err
    again = place.gitagent("demo", "--dir", "shown", "--json")
    assert again.code == 0, again.err
    assert again.events[0]["event"] == "run_started" and again.event("run_finished")["state"] == "proven"


def test_a_directory_that_is_somebody_elses_is_refused(place: Project) -> None:
    (place.root / "mine").mkdir()
    (place.root / "mine/kept.txt").write_text("x")
    done = place.gitagent("demo", "--dir", "mine")
    assert done.code == 2 and done.told == (
        "mine is not empty and was not made by a demo. Nothing was changed.",
        "gitagent demo --dir SOME_NEW_DIRECTORY",
    )
    assert [file.name for file in (place.root / "mine").iterdir()] == ["kept.txt"]


def test_a_file_in_the_place_of_the_directory_is_refused(place: Project) -> None:
    (place.root / "file").write_text("x")
    done = place.gitagent("demo", "--dir", "file")
    assert done.code == 2
    assert done.told[0] == "file cannot be made into the demo's repository: Not a directory."
    assert (place.root / "file").read_text() == "x"
