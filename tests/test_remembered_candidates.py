"""A candidate that was written down comes back whole."""

import json
from dataclasses import asdict

import pytest

from gitagent.records import Candidate, Diff, Room, Spending
from gitagent.remembering import candidate_of


@pytest.mark.parametrize("room", [None, Room(window=4096, prompt_tokens=9, answer_tokens=5, left_out=("a", "b"))])
def test_a_candidate_kept_as_json_is_the_same_again(room: Room | None) -> None:
    candidate = Candidate(task="t", worker="local", diff=Diff(text="d", paths=("a.py",), added=1, removed=0),
                          texts={"a.py": "x", "b.py": None}, spending=Spending(worker="local", stays_here=True),
                          room=room, build="b 1")  # fmt: skip
    assert candidate_of(json.loads(json.dumps(asdict(candidate)))) == candidate
