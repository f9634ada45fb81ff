import pytest

from gitagent.core.microtasks import TooLargeError
from gitagent.errors import DiffError, ModelError
from gitagent.events import Event, ModelReplied, PromptBuilt
from gitagent.records import Candidate, MicroTask, Note, Reply, Spending, Suspect
from gitagent.workers import ModelWorker
from tests.fakes import FakeModel, Question
from tests.scripted_server import ScriptedServer

TEXT = """\
from shop.prices import price_of


class Basket:
    def __init__(self):
        self.items = []

    def total(self):
        total = 0
        for item in self.items[1:]:
            total += price_of(item)
        return total

    def empty(self):
        return not self.items
"""
EXCERPT = "".join(line + "\n" for line in TEXT.split("\n")[7:12])
DIFF = """\
--- a/shop/basket.py
+++ b/shop/basket.py
@@ -8,5 +8,5 @@
     def total(self):
         total = 0
-        for item in self.items[1:]:
+        for item in self.items:
             total += price_of(item)
         return total
"""
FIXED = TEXT.replace("[1:]", "")


def task(**fields: object) -> MicroTask:
    given = {
        "id": "t1",
        "path": "shop/basket.py",
        "first_line": 8,
        "excerpt": EXCERPT,
        "instruction": "Count the first item too.",
        "answer_tokens": 300,
    }
    return MicroTask(**(given | fields))  # type: ignore[arg-type]


def answers(
    *replies: str | Reply | ModelError, limit: int = 1, text: str = TEXT, asked: MicroTask | None = None
) -> tuple[list[Candidate], FakeModel, list[Event]]:
    model, events = FakeModel(replies), list[Event]()
    worker = ModelWorker(model, events.append)
    return list(worker.candidates(asked or task(), text, limit=limit)), model, events


def refusal(reply: str | Reply, **options: object) -> str:
    with pytest.raises(DiffError) as caught:
        answers(reply, **options)  # type: ignore[arg-type]
    return str(caught.value)


def test_a_diff_becomes_a_candidate_with_where_it_came_from() -> None:
    (candidate,), model, events = answers(DIFF)
    assert candidate.texts == {"shop/basket.py": FIXED}
    assert candidate.diff.paths == ("shop/basket.py",)
    assert (candidate.task, candidate.worker, candidate.temperature, candidate.seed) == ("t1", "api", 0.0, 0)
    assert candidate.model_digest == model.digest
    assert len(candidate.prompt_digest) == 64
    built, replied = events
    assert isinstance(built, PromptBuilt)
    assert isinstance(replied, ModelReplied)
    assert (built.task, built.worker, built.window) == ("t1", "api", 4096)
    assert built.prompt_tokens == model.count(model.asked[0].messages)
    assert replied.spending == candidate.spending


@pytest.mark.parametrize(
    ("instruction", "pattern"),
    [
        ("Count the first item too. It is skipped.", "count the first item too"),
        ("\n  HTTP errors in a.b are lost\nand more", "HTTP errors in a.b are lost"),
        ("word " * 30, ("word " * 12)[:59].rstrip() + "…"),
        ("", ""),
    ],
)
def test_a_candidate_says_in_a_few_words_what_it_was_asked_for(instruction: str, pattern: str) -> None:
    (candidate,), _, _ = answers(DIFF, asked=task(instruction=instruction))
    assert candidate.pattern == pattern


def test_the_same_task_asks_the_same_question() -> None:
    first, second = answers(DIFF), answers(DIFF)
    assert first[0] == second[0]
    assert first[1].asked == second[1].asked


def test_more_candidates_are_asked_for_only_when_wanted_and_warmer() -> None:
    other = DIFF.replace("self.items:\n", "list(self.items):\n")
    model = FakeModel([DIFF, "no diff", DIFF, other])
    found = ModelWorker(model, lambda event: None).candidates(task(), TEXT, limit=4)
    next(found)
    assert len(model.asked) == 1
    (second,) = list(found)
    assert second.texts != {"shop/basket.py": FIXED}
    assert [question.seed for question in model.asked] == [0, 1, 2, 3]
    temperatures = [question.temperature for question in model.asked]
    assert temperatures == sorted(temperatures)
    assert temperatures[0] == 0.0 < temperatures[1]


def test_a_question_asked_again_is_told_why_and_asked_differently() -> None:
    _, model, _ = answers(DIFF, asked=task().retried_after("line 41 is not what the file holds"))
    assert "Refused last time: line 41" in model.asked[0].text
    assert model.asked[0].temperature > 0
    assert model.asked[0].seed != 0


def test_thoughts_before_the_answer_are_passed_over() -> None:
    (candidate,), _, _ = answers(f"<think>\n```\nmaybe\n```\n</think>\n{DIFF}")
    assert candidate.texts == {"shop/basket.py": FIXED}


@pytest.mark.parametrize(
    "reply",
    [
        f"Here it is:\n\n```python\n{FIXED}```\n",
        "```python\n" + EXCERPT.replace("[1:]", "") + "```",
        "~~~\n" + EXCERPT.replace("[1:]", "").replace("\n    ", "\n")[4:] + "~~~",
        "```\r\n" + FIXED.replace("\n", "\r\n") + "```",
    ],
    ids=["whole file", "whole excerpt", "excerpt moved left", "carriage returns"],
)
def test_a_rewritten_file_or_excerpt_is_turned_into_a_diff(reply: str) -> None:
    (candidate,), _, _ = answers(reply)
    assert candidate.texts == {"shop/basket.py": FIXED}
    assert (candidate.diff.added, candidate.diff.removed) == (1, 1)


def test_a_rewritten_excerpt_keeps_the_files_line_ends() -> None:
    crlf, excerpt = TEXT.replace("\n", "\r\n"), EXCERPT.replace("\n", "\r\n")
    (candidate,), _, _ = answers(
        "```\n" + EXCERPT.replace("[1:]", "") + "```", text=crlf, asked=task(excerpt=excerpt)
    )
    assert candidate.texts == {"shop/basket.py": FIXED.replace("\n", "\r\n")}


def test_a_file_without_a_last_newline_stays_without_it() -> None:
    bare = TEXT.removesuffix("\n")
    (candidate,), _, _ = answers(f"```\n{FIXED}```", text=bare, asked=task(first_line=1, excerpt=bare))
    assert candidate.texts == {"shop/basket.py": FIXED.removesuffix("\n")}
    tail = "\n".join(bare.split("\n")[13:])
    (candidate,), _, _ = answers(
        "```\n    def empty(self):\n        return len(self.items) == 0\n```",
        text=bare,
        asked=task(first_line=14, excerpt=tail),
    )
    assert candidate.texts == {"shop/basket.py": bare.replace("not self.items", "len(self.items) == 0")}


def test_a_new_file_comes_from_a_diff_or_a_fence() -> None:
    new = task(path="shop/new.py", first_line=1, excerpt="")
    diff = "--- /dev/null\n+++ b/shop/new.py\n@@ -0,0 +1 @@\n+x = 1\n"
    for reply in (diff, "```python\nx = 1\n```"):
        (candidate,), model, _ = answers(reply, text="", asked=new)
        assert candidate.texts == {"shop/new.py": "x = 1\n"}
        assert candidate.diff.text.startswith("diff --git a/shop/new.py b/shop/new.py\nnew file mode 100644\n")
        assert "does not exist yet" in model.asked[0].text


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ("I cannot do that.", "no unified diff"),
        ("", "no unified diff"),
        (f"```\n{FIXED}```\nor\n```\n{TEXT}```", "no unified diff"),
        ("```\nprint('something else')\n```", "neither a unified diff nor the shown lines"),
        (
            "```\n" + EXCERPT.replace("        total = 0\n", "        # ... existing code here\n") + "```",
            "leaves code out",
        ),
        (f"```\n{TEXT}```", "changes nothing"),
        (DIFF.replace("shop/basket.py", "shop/other.py"), "shop/other.py"),
        (DIFF.replace("self.items[1:]", "other.things"), "basket.py"),
    ],
)
def test_a_reply_that_is_no_usable_diff_is_refused_with_the_reason(reply: str, reason: str) -> None:
    assert reason in refusal(reply)


def test_an_answer_that_was_cut_off_is_never_applied() -> None:
    cut = Reply(text=DIFF, spending=Spending(worker="api"), finish="length")
    assert "cut off at 300 tokens" in refusal(cut)


def test_a_model_out_of_reach_is_the_models_error() -> None:
    with pytest.raises(ModelError, match="nobody there"):
        answers(ModelError("nobody there"))


def test_an_excerpt_that_moved_is_asked_about_where_it_is_now() -> None:
    moved = '"""Baskets."""\n\n' + TEXT
    suspect = Suspect(path="shop/basket.py", line=10, score=1.0, reason="ran")
    _, model, _ = answers(DIFF.replace("-8,5 +8,5", "-10,5 +10,5"), text=moved, asked=task(suspects=(suspect,)))
    assert "`@@ -10,5 @@`" in model.asked[0].text


def test_an_excerpt_that_changed_is_cut_anew() -> None:
    changed = TEXT.replace("total = 0", "total = Decimal(0)")
    diff = DIFF.replace("total = 0", "total = Decimal(0)")
    (candidate,), model, _ = answers(diff, text=changed)
    assert "Decimal(0)" in model.asked[0].text
    assert candidate.texts == {"shop/basket.py": changed.replace("[1:]", "")}


def test_a_task_for_a_new_file_that_meanwhile_exists_shows_it() -> None:
    _, model, _ = answers(DIFF, asked=task(excerpt="", first_line=1))
    assert "does not exist" not in model.asked[0].text
    assert "def total(self):" in model.asked[0].text


def test_a_question_that_no_longer_fits_is_asked_in_halves_under_the_tasks_own_id() -> None:
    text = "".join(f"def f{n}():\n    return {n}\n\n\n" for n in range(60))
    suspect = Suspect(path="a.py", line=226, score=1.0, reason="ran")
    long = MicroTask(
        id="t9",
        path="a.py",
        first_line=1,
        excerpt=text,
        instruction="Return one more.",
        answer_tokens=100,
        suspects=(suspect,),
    )

    def change(question: Question) -> str:
        assert "def f56()" in question.text
        return "--- a/a.py\n+++ b/a.py\n@@ -225,2 +225,2 @@\n def f56():\n-    return 56\n+    return 57\n"

    model, events = FakeModel(change, window=700), list[Event]()
    (candidate,) = ModelWorker(model, events.append).candidates(long, text, limit=1)
    assert candidate.task == "t9"
    assert "return 57\n\n\ndef f57" in str(candidate.texts["a.py"])
    assert all(event.task == "t9" for event in events if isinstance(event, PromptBuilt))


def test_an_instruction_too_long_for_any_excerpt_is_refused() -> None:
    with pytest.raises(TooLargeError):
        answers(DIFF, asked=task(instruction="word " * 9000, excerpt=EXCERPT))


def test_what_is_left_out_of_a_prompt_is_told() -> None:
    _, _, events = answers(DIFF, asked=task(notes=(Note(title="A novel", text="word " * 3000),)))
    assert isinstance(events[0], PromptBuilt)
    assert events[0].left_out == ("A novel",)


def test_a_secret_in_the_file_stays_out_of_the_prompt_and_in_the_file() -> None:
    key = "ghp_" + "a1B2" * 9
    text = f'TOKEN = "{key}"\nx = 1\n'
    diff = '--- a/a.py\n+++ b/a.py\n@@ -1,2 +1,2 @@\n TOKEN = "[secret 1]"\n-x = 1\n+x = 2\n'
    (candidate,), model, _ = answers(diff, text=text, asked=task(path="a.py", first_line=1, excerpt=text))
    assert key not in model.asked[0].text
    assert candidate.texts == {"a.py": f'TOKEN = "{key}"\nx = 2\n'}


def test_it_works_over_a_real_socket() -> None:
    from gitagent.adapters.openai_server import OpenAIServer

    with ScriptedServer([DIFF], tokenize="vllm") as server:
        model = OpenAIServer(server.url, "scripted")
        (candidate,) = ModelWorker(model, lambda event: None).candidates(task(), TEXT, limit=1)
    assert candidate.texts == {"shop/basket.py": FIXED}
    assert candidate.model_digest == model.digest
