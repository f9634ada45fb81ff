"""Facts live in git; writers at once lose nothing."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from gitagent.adapters.git import GitRepository
from gitagent.adapters.git_memory import GitMemory
from gitagent.core import memory
from gitagent.core.memory import Turn
from gitagent.errors import RequestError

Git = Callable[..., str]


def test_a_fact_is_kept_listed_and_forgotten_with_its_history(repo: Path, git: Git) -> None:
    kept = GitMemory(GitRepository(str(repo)))
    assert kept.facts() == ()
    one, two = memory.fact("prices are in cents", 2), memory.fact("no globals")
    kept.add(two)
    kept.add(one)
    assert GitMemory(GitRepository(str(repo))).facts() == (one, two)
    assert kept.forget(one.id[:6]) == one
    assert kept.facts() == (two,)
    assert git(repo, "log", "--format=%s", memory_ref()).split("\n")[0] == "forget: prices are in cents"
    for prefix in ("", "zz"):
        with pytest.raises(RequestError, match="no fact has an id"):
            kept.forget(prefix)
    assert git(repo, "status", "--porcelain") == ""


def memory_ref() -> str:
    return "refs/gitagent/memory"


def test_those_who_add_at_once_all_get_theirs_in(repo: Path) -> None:
    facts = [memory.fact(f"fact {number}") for number in range(6)]

    def add(one: memory.Fact) -> None:
        GitMemory(GitRepository(str(repo))).add(one)

    threads = [threading.Thread(target=add, args=(one,)) for one in facts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(GitMemory(GitRepository(str(repo))).facts()) == set(facts)


def test_turns_are_remembered_in_order(repo: Path) -> None:
    kept = GitMemory(GitRepository(str(repo)))
    for number in range(3):
        kept.asked(Turn(question=f"q{number}", answer="a"))
    assert [turn.question for turn in kept.turns()] == ["q0", "q1", "q2"]
