from collections.abc import Callable
from pathlib import Path

import pytest

from gitagent.adapters.git import GitRepository
from gitagent.adapters.git_runs import GitRuns, GitStates
from gitagent.errors import RepositoryError, RequestError

Git = Callable[..., str]


def test_a_run_is_saved_as_objects_and_loaded_back(repo: Path, git: Git, untouched: Callable[[Path], str]) -> None:
    before = untouched(repo)
    runs = GitRuns(GitRepository(str(repo)))
    runs.save("r1", {"report.json": '{"a": 1}\n', "raw.txt": "caf\udce9\r\n"}, "run r1: begun")
    assert dict(runs.load("r1")) == {"report.json": '{"a": 1}\n', "raw.txt": "caf\udce9\r\n"}
    assert git(repo, "show", "refs/gitagent/runs/r1:report.json") == '{"a": 1}'
    assert untouched(repo) == before
    git(repo, "fsck", "--strict")


def test_each_state_follows_the_one_before_and_files_not_named_stay(repo: Path, git: Git) -> None:
    runs = GitRuns(GitRepository(str(repo)))
    runs.save("r1", {"plan.json": "{}"}, "planned")
    runs.save("r1", {"events.jsonl": "1\n", "tasks/1.diff": "+x\n"}, "working")
    runs.save("r1", {"events.jsonl": "1\n2\n"}, "done")
    assert dict(runs.load("r1")) == {"plan.json": "{}", "events.jsonl": "1\n2\n", "tasks/1.diff": "+x\n"}
    assert git(repo, "log", "--format=%s", "refs/gitagent/runs/r1") == "done\nworking\nplanned"
    assert dict(runs.read("r1", "plan.json", "nope")) == {"plan.json": "{}"}


def test_ids_come_newest_first_and_a_prefix_is_enough(repo: Path) -> None:
    runs = GitRuns(GitRepository(str(repo)))
    assert runs.ids() == ()
    for run in ["bb-2", "aa-1", "bb-3", "bb"]:
        runs.save(run, {"a": run}, "x")
    assert runs.ids() == ("bb", "bb-3", "aa-1", "bb-2")
    runs.save("aa-1", {"b": "more"}, "x")
    assert runs.ids()[0] == "aa-1"
    assert runs.saved_at("aa-1") >= runs.saved_at("bb-3")
    assert runs.load("a")["a"] == "aa-1"
    assert runs.load("bb")["a"] == "bb"
    with pytest.raises(RequestError, match="could be any of bb-2, bb-3"):
        runs.load("bb-")
    for unknown in ["", "zz", "\udc80"]:
        with pytest.raises(RequestError, match="there is no run") as caught:
            runs.load(unknown)
        assert caught.value.hint == "gitagent log"


def test_a_run_recorded_by_another_tool_has_the_time_of_its_commit(repo: Path, git: Git) -> None:
    runs = GitRuns(GitRepository(str(repo)))
    git(repo, "update-ref", "refs/gitagent/runs/old", "HEAD")
    runs.save("new", {"a": "1"}, "x")
    assert runs.ids() == ("new", "old")
    assert runs.saved_at("old").isoformat() == "2024-05-01T10:00:00+00:00"
    git(repo, "commit", "--allow-empty", "-qm", "x\n\nSaved-At: 9999-99-99T99:99:99.9")
    git(repo, "update-ref", "refs/gitagent/runs/odd", "HEAD")
    assert runs.saved_at("odd").isoformat() == "2024-05-01T10:00:00+00:00"


@pytest.mark.parametrize("run", ["", "a/b", "a b", "..", "x.lock", "\udc80", "a\0"])
def test_a_run_id_that_can_be_no_ref_is_refused(repo: Path, run: str) -> None:
    with pytest.raises(RequestError, match="is no run id"):
        GitRuns(GitRepository(str(repo))).save(run, {"a": "1"}, "x")


def test_a_state_is_recorded_only_after_the_one_that_was_read(repo: Path, git: Git) -> None:
    states = GitStates(GitRepository(str(repo)), "refs/gitagent/runs/")
    first = states.write("r", {"a": "1"}, "x", after=None)
    with pytest.raises(RepositoryError, match="was changed by another process"):
        states.write("r", {"a": "2"}, "x", after=None)
    second = states.write("r", {"a": "2"}, "x", after=first)
    with pytest.raises(RepositoryError, match="was changed by another process"):
        states.write("r", {"a": "3"}, "x", after=first)
    assert git(repo, "rev-parse", "refs/gitagent/runs/r") == second


def test_a_locked_run_is_an_error_that_names_the_lock(repo: Path) -> None:
    runs = GitRuns(GitRepository(str(repo)))
    runs.save("r1", {"a": "1"}, "x")
    lock = repo / ".git" / "refs" / "gitagent" / "runs" / "r1.lock"
    lock.write_text("")
    with pytest.raises(RepositoryError, match=r"r1\.lock is there"):
        runs.save("r1", {"a": "2"}, "x")
    assert runs.load("r1")["a"] == "1"
