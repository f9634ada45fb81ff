import pytest

from gitagent.core import questioning
from gitagent.core.questioning import Answered, Question
from gitagent.errors import ModelError
from gitagent.questions import Interviewer
from gitagent.records import Reply, Request, Spending
from tests.fakes import FakeModel

REQUEST = Request(text="Add a limit.", source="text", reference="", asked_by="", base="0" * 40, key="k")
WHY = Question(kind="why", text="Why?", assumed="to be safe")


def test_answers_become_part_of_the_request_and_assumptions_do_not() -> None:
    answered = [Answered(question=WHY, answer="the disk"), Answered(question=Question(kind="scope", text="All?"))]
    told = questioning.told(REQUEST, [*answered, Answered(question=WHY)])
    assert told.text == "Add a limit.\n\nAsked back, and answered:\n- Why? the disk"
    assert questioning.assumed([*answered, Answered(question=WHY)]) == ("to be safe",)
    assert questioning.told(REQUEST, []) == questioning.settled(REQUEST, []) == REQUEST


def test_a_model_sees_what_was_left_to_an_assumption_beside_what_was_answered() -> None:
    left = [Answered(question=WHY), Answered(question=Question(kind="scope", text="All?"))]
    seen = questioning.settled(REQUEST, [*left, Answered(question=WHY, answer="the disk")])
    assert seen.text == (
        "Add a limit.\n\nAsked back, and answered:\n- Why? the disk\n\n"
        "Asked back, not answered, and to be taken for granted:\n- Why? to be safe\n- All? (left open)"
    )


def test_answers_in_comments_stand_behind_the_questions_that_they_answer() -> None:
    heard = questioning.heard(REQUEST, "1. **why**: `Why?`\n", ["1. the\ndisk", " "])
    assert heard.text == "Add a limit.\n\nAsked back:\n1. **why**: `Why?`\n\nAnswered:\n- 1. the disk"


@pytest.mark.parametrize(
    "text",
    [
        '{"questions": [{"kind": "why", "question": "Why?", "assumed": "to be safe"}]}',
        'Sure!\n```json\n{"questions": [{"type": "why", "ask": "Why?", "default": "to be safe",}]}\n```',
        '[{"kind": "why", "question": "Why?", "assumed": "to be safe"}]',
        '{"questions": {"kind": "why", "question": "Why?", "assumed": "to be safe"}}',
    ],
)
def test_a_question_is_read_in_any_certain_form(text: str) -> None:
    assert Interviewer(FakeModel([text]), lambda event: None).all(REQUEST) == (WHY,)


def test_a_question_without_its_list_is_asked_too() -> None:
    (found,) = Interviewer(FakeModel(['{"question": "Why?"}']), lambda event: None).all(REQUEST)
    assert found.text == "Why?"


@pytest.mark.parametrize("text", ['{"questions": []}', '{"clear": true}', '{"questions": null, "done": true}'])
def test_an_answer_without_a_question_means_that_all_is_clear(text: str) -> None:
    model = FakeModel([text])
    assert Interviewer(model, lambda event: None).next(REQUEST, []) is None
    assert len(model.asked) == 1


def test_the_same_question_is_not_asked_twice() -> None:
    model = FakeModel(['{"questions": ["Why?"]}'])
    interviewer = Interviewer(model, lambda event: None)
    first = interviewer.next(REQUEST, [])
    assert first is not None and first.text == "Why?"
    assert interviewer.next(REQUEST, [Answered(question=first, answer="so")]) is None
    assert "- Why? so" in model.asked[1].text
    # One left to its assumption is known too, or the same prompt would lead to the same question.
    assert interviewer.next(REQUEST, [Answered(question=WHY)]) is None
    assert "taken for granted:\n- Why? to be safe" in model.asked[2].text


def test_what_cannot_be_read_is_asked_again_with_the_reason_and_given_up_after_three() -> None:
    cut = Reply(text='{"questions": []}', spending=Spending(worker="api"), finish="length")
    model = FakeModel(["no", '{"questions": [{"kind": "why"}]}', cut], window=8192)
    with pytest.raises(
        ModelError, match="asked nothing readable in 3 answers; of the last one: the answer was cut"
    ):
        Interviewer(model, lambda event: None).all(REQUEST)
    assert "Your last answer was refused: the reply holds no JSON object" in model.asked[1].text
    assert 'question 1 has no "question"' in model.asked[2].text
    with pytest.raises(ModelError, match='"questions" must be a list'):
        questioning.questions_of({"questions": 3})
    with pytest.raises(ModelError, match="in 3 answers"):
        Interviewer(FakeModel(['{"clear": false}']), lambda event: None).all(REQUEST)
