"""Facts and turns: what is kept, and what of it fits into a prompt."""

import re

import pytest

from gitagent.core import memory
from gitagent.core.memory import Turn
from gitagent.core.microtasks import estimate
from gitagent.errors import RequestError
from tests.secret_samples import samples


def test_facts_go_in_by_priority_as_far_as_they_fit() -> None:
    facts = [memory.fact(f"fact {number} " + "word " * 20, priority=9 - number) for number in range(8)]
    files = {str(number): memory.written(one) for number, one in enumerate(facts)}
    read = memory.read(files)
    assert [one.priority for one in read] == sorted(one.priority for one in facts)
    (note,) = memory.note(read, budget_tokens=80, count=estimate)
    assert "fact 7" in note.text and "fact 0" not in note.text and "more did not fit" in note.text
    assert memory.note((), budget_tokens=80, count=estimate) == ()


def test_the_same_words_are_the_same_fact_and_a_fact_is_one_line() -> None:
    assert memory.fact("a\n b\tc\x1b").text == "a b c"
    assert memory.fact("a b").id == memory.fact(" a  b ").id


@pytest.mark.parametrize("text", ["", " \n", "x" * 501, f"the token is {next(samples())[1]}"])
def test_what_is_no_fact_is_refused(text: str) -> None:
    with pytest.raises(RequestError, match="Nothing was kept"):
        memory.fact(text)


def test_files_that_are_no_facts_are_passed_over() -> None:
    files = {"a": "no json", "b": "[]", "c": '{"text": 3}', "d": '{"text": "ok", "priority": 99}'}
    assert [(one.text, one.priority) for one in memory.read(files)] == [("ok", 9)]


def test_a_newest_turn_that_is_too_long_is_shortened_and_says_so() -> None:
    turns = [Turn(question="q0", answer="a0"), Turn(question="where?", answer="it is in a.py, since " * 200)]
    (note,) = memory.recent(turns, budget_tokens=100, count=estimate)
    assert note.text.startswith("(1 earlier question did not fit)\nQuestion: where?\nAnswer: it is in a.py")
    assert note.text.endswith(" characters more …]\n") and estimate(note.text) <= 100


def test_the_newest_turns_that_fit_go_in_oldest_first() -> None:
    turns = [Turn(question=f"q{number}", answer=f"a{number} " + "word " * 30) for number in range(30)]
    kept = memory.turns_of(memory.turns_written(turns))
    assert len(kept) == memory.MOST_TURNS and kept[-1].question == "q29"
    (note,) = memory.recent(kept, budget_tokens=150, count=estimate)
    assert note.text.index("q28") < note.text.index("q29") and "q20" not in note.text
    assert re.match(r"\(\d+ earlier questions did not fit\)\n", note.text) and estimate(note.text) <= 150
    assert memory.recent((), budget_tokens=99, count=estimate) == ()
    assert memory.turns_of("{") == memory.turns_of("3") == ()
