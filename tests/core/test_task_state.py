"""What was said and tried about a task: in every prompt within its budget, and never shortened in silence."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitagent.core.microtasks import TooLargeError, estimate, prompt, state
from gitagent.core.microtasks.state import LEAST_TOKENS, STATE_TOKENS, told
from gitagent.records import Message, MicroTask, Note

TASK = MicroTask(id="t1", path="a.py", first_line=1, excerpt="x = 1\n", instruction="Mend it.", answer_tokens=200)
TITLES = st.sampled_from(["Refused last time", "Said since by who asked for this", "Done before this"])
NOTES = st.lists(
    st.builds(Note, title=TITLES, text=st.text(max_size=1500), priority=st.integers(1, 4)), max_size=6
)


def count(messages: Sequence[Message]) -> int:
    return 3 + sum(4 + estimate(message.content) for message in messages)


@given(NOTES, st.integers(0, 300))
def test_it_never_takes_more_than_its_budget_and_whatever_is_not_whole_is_named(
    notes: list[Note], budget_tokens: int
) -> None:
    text, named = told(notes, budget_tokens=budget_tokens, count=estimate)
    assert estimate(text) <= budget_tokens
    whole = [note for note in notes if f"{note.title}: {note.text}" in text]
    assert len(whole) + len(named) >= len(notes)
    if not named:
        assert text == "".join(f"\n\n{note.title}: {note.text}" for note in notes)


@given(NOTES)
def test_what_fits_is_told_whole_in_the_order_it_came(notes: list[Note]) -> None:
    text = "".join(f"\n\n{note.title}: {note.text}" for note in notes)
    assert told(notes, budget_tokens=estimate(text), count=estimate) == (text, ())


def test_the_users_word_goes_before_reasons_and_newer_ones_before_older() -> None:
    task = TASK.retried_after("first " * 200).retried_after("second " * 200)
    task = task.retried_after("third " * 200)
    said = Note(title="Said since by who asked for this", text="Leave the API as it is.", priority=1)
    text, named = told((*task.state, said), budget_tokens=150, count=estimate)
    assert "Leave the API as it is." in text
    assert text.index("Refused last time: third") < text.index("Said since")
    assert "characters …]" in text and "Refused last time, shortened" in named
    shares = [text.count(word) for word in ("third", "second", "first")]
    assert shares[0] >= shares[1] >= shares[2] and shares[0] and sum(shares) < 200


def test_the_same_reason_is_told_once() -> None:
    task = TASK.retried_after("no diff").retried_after("cut off").retried_after("no diff")
    assert [(note.title, note.text) for note in task.state] == [
        ("Refused before that", "cut off"),
        ("Refused last time", "no diff"),
    ]
    assert task.attempt == 4


def test_a_prompt_keeps_to_the_budget_and_names_what_was_shortened() -> None:
    task = TASK.retried_after("the tests still fail: " + "assert 1 == 2\n" * 500)
    without, built = prompt(TASK, count=count, window=4096), prompt(task, count=count, window=4096)
    assert built.prompt_tokens <= without.prompt_tokens + STATE_TOKENS
    assert built.left_out == ("Refused last time, shortened",)
    content = built.messages[1].content
    assert content.index("Mend it.") < content.index("the tests still fail") < content.index("x = 1")
    assert "\nassert 1 == 2\n\n\na.py, from" in content  # the end is there


def test_in_a_full_window_what_was_tried_gets_the_room_there_is_before_the_question_is_split() -> None:
    task = TASK.retried_after("why " * 300)
    alone = prompt(TASK, count=count, window=4096).prompt_tokens
    window = alone + TASK.answer_tokens + 2 * LEAST_TOKENS
    built = prompt(task, count=count, window=window)
    assert (
        built.prompt_tokens + TASK.answer_tokens <= window
        and "Refused last time: why" in built.messages[1].content
    )
    tight = alone + TASK.answer_tokens + LEAST_TOKENS // 2
    with pytest.raises(TooLargeError):  # it would be the same question again
        prompt(task, count=count, window=tight)


def test_a_credential_that_would_be_cut_in_two_is_taken_out_first() -> None:
    token = "ghp_" + "a1B2" * 9
    note = Note(title="Refused last time", text="x " * 400 + token + " y" * 10, priority=2)
    for budget in range(LEAST_TOKENS, STATE_TOKENS, 7):
        text, _ = state.told([note], budget_tokens=budget, count=estimate)
        assert not any(token[at : at + 8] in text for at in range(4, len(token) - 8))
