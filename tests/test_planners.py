import json
from collections.abc import Callable

import pytest

from gitagent.core import microtasks
from gitagent.errors import ModelError, RequestError
from gitagent.events import Event, ModelReplied, PromptBuilt, ReplyRefused
from gitagent.planners import ChatPlanner, LocalizerPlanner
from gitagent.records import Findings, Plan, Reply, Request, Spending, Suspect, TestResult
from gitagent.workers import ModelWorker
from tests.fakes import FakeModel

BASKET = """\
from shop.prices import price_of


class Basket:
    def __init__(self):
        self.items = []

    def total(self):
        total = 0
        for item in self.items[1:]:
            total += price_of(item)
        return total
"""
PRICES = "def price_of(item):\n    return item.price\n"
TEST = "from shop.basket import Basket\n\n\ndef test_total():\n    assert Basket().total() == 1\n"
LONG = "".join(f"def f{n}(value):\n    return value + {n}\n\n\n" for n in range(200))
FILES = {
    "shop/basket.py": BASKET,
    "shop/prices.py": PRICES,
    "shop/long.py": LONG,
    "tests/test_basket.py": TEST,
}
RED = TestResult(id="tests/test_basket.py::test_total", outcome="failed", message="E   assert 0 == 1")


def request(text: str = "The total of a basket misses its first item.") -> Request:
    return Request(text=text, source="text", reference="", asked_by="a", base="0" * 40, key="k")


def suspects(*places: tuple[str, int]) -> tuple[Suspect, ...]:
    return tuple(
        Suspect(path=path, line=line, score=1 - at / 100, reason="ran") for at, (path, line) in enumerate(places)
    )


def found(*places: tuple[str, int], red: tuple[TestResult, ...] = (RED,)) -> Findings:
    return Findings(red=red, suspects=suspects(*places), files=tuple(FILES))


def answer(*tasks: dict[str, object], **fields: object) -> str:
    given = [
        {"id": str(n), "path": "shop/basket.py", "instruction": "do it"} | task for n, task in enumerate(tasks)
    ]
    return json.dumps({"summary": "Mend it", "tasks": given} | fields)


def chat(*answers: str | Reply | ModelError, window: int = 4096) -> tuple[ChatPlanner, FakeModel, list[Event]]:
    model, events = FakeModel(answers, window=window), list[Event]()
    return ChatPlanner(model, events.append), model, events


def titles(plan: Plan, task: int = 0) -> list[str]:
    return [note.title for note in plan.tasks[task].notes]


# -- without a model


def test_each_suspicious_function_is_an_alternative_best_first() -> None:
    plan, spent = LocalizerPlanner().plan(
        request(), found(("shop/long.py", 6), ("shop/basket.py", 10), ("shop/long.py", 2)), FILES.get
    )
    assert (plan.mode, plan.planner, spent) == ("any", "localizer", ())
    assert [(task.path, task.first_line) for task in plan.tasks] == [
        ("shop/long.py", 5),
        ("shop/basket.py", 1),
        ("shop/long.py", 1),
    ]
    first = plan.tasks[0]
    assert first.excerpt == "def f1(value):\n    return value + 1\n"
    assert first.instruction == request().text
    assert [suspect.line for suspect in first.suspects] == [6]
    assert [task.id for task in plan.tasks] == ["t1", "t2", "t3"]
    assert [task.priority for task in plan.tasks] == [1, 2, 3]


def test_the_failing_test_its_source_and_what_is_called_come_along() -> None:
    plan, _ = LocalizerPlanner().plan(request(), found(("shop/basket.py", 10)), FILES.get)
    notes = {note.title: note.text for note in plan.tasks[0].notes}
    assert notes["Failing test tests/test_basket.py::test_total"] == "assert 0 == 1"
    assert notes["Source of that test, tests/test_basket.py"].startswith("def test_total():")
    assert notes["What it calls"] == "# shop/prices.py\ndef price_of(item):"


def test_small_functions_of_one_small_file_are_one_task() -> None:
    plan, _ = LocalizerPlanner().plan(request(), found(("shop/basket.py", 10), ("shop/basket.py", 6)), FILES.get)
    (task,) = plan.tasks
    assert len(task.suspects) == 2


def test_there_are_at_most_twelve_alternatives() -> None:
    places = [("shop/long.py", 4 * n + 2) for n in range(40)]
    plan, _ = LocalizerPlanner().plan(request(), found(*places), FILES.get)
    assert len(plan.tasks) == 12


def test_a_long_request_is_a_note_and_its_title_the_instruction() -> None:
    text = "Totals are wrong\n\n" + "A long story. " * 300
    plan, _ = LocalizerPlanner().plan(request(text), found(("shop/basket.py", 10)), FILES.get)
    assert plan.tasks[0].instruction.startswith("Totals are wrong (")
    assert "The whole request" in titles(plan)


def test_without_suspects_the_words_of_the_request_lead() -> None:
    plan, _ = LocalizerPlanner().plan(request("the total is wrong"), found(red=()), FILES.get)
    assert plan.tasks[0].path == "shop/basket.py"
    plan, _ = LocalizerPlanner().plan(request("document prices"), found(red=()), FILES.get)
    assert plan.tasks[0].path == "shop/prices.py"


@pytest.mark.parametrize(
    "findings", [Findings(), found(("gone.py", 3), red=()), Findings(files=("gone.py", "blob.py"))]
)
def test_a_request_that_leads_nowhere_is_refused(findings: Findings) -> None:
    read: Callable[[str], str | None] = {"blob.py": "blob gone\0"}.get
    with pytest.raises(RequestError, match="nothing in the repository was found") as caught:
        LocalizerPlanner().plan(request("gone blob"), findings, read)
    assert "gitagent fix --test" in caught.value.hint


def test_a_file_of_one_endless_line_is_passed_over() -> None:
    files = FILES | {"min.js": "x=" + "1+" * 20_000}
    plan, _ = LocalizerPlanner().plan(request(), found(("min.js", 1), ("shop/basket.py", 10)), files.get)
    assert [task.path for task in plan.tasks] == ["shop/basket.py"]


def test_every_task_of_it_fits_a_small_window() -> None:
    places = [("shop/long.py", 4 * n + 2) for n in range(8)] + [("shop/basket.py", 10)]
    plan, _ = LocalizerPlanner(window=900).plan(request(), found(*places), FILES.get)
    model = FakeModel([""], window=900)
    for task in plan.tasks:
        assert microtasks.prompt(task, count=model.count, window=900).prompt_tokens <= 900


# -- with one


def test_a_models_plan_becomes_tasks_in_dependency_order() -> None:
    planner, model, events = chat(
        answer(
            {"symbol": "Basket.total", "instruction": "Count all.", "depends_on": ["1"], "priority": 1},
            {"path": "shop/prices.py", "instruction": "Add a default.", "priority": 9},
            {"path": "shop/rates.py", "new": True, "instruction": "Make the rates."},
            assumptions=["prices are integers", 3],
        )
    )
    plan, spent = planner.plan(request(), found(("shop/basket.py", 10)), FILES.get)
    assert (plan.mode, plan.planner, plan.summary) == ("all", "chat", "Mend it")
    assert plan.assumptions == ("prices are integers",)
    assert [(task.path, task.instruction) for task in plan.tasks] == [
        ("shop/rates.py", "Make the rates."),
        ("shop/prices.py", "Add a default."),
        ("shop/basket.py", "Count all."),
    ]
    by_path = {task.path: task for task in plan.tasks}
    assert by_path["shop/basket.py"].depends_on == (by_path["shop/prices.py"].id,)
    assert by_path["shop/rates.py"].excerpt == ""
    assert [suspect.line for suspect in by_path["shop/basket.py"].suspects] == [10]
    assert "Source of that test, tests/test_basket.py" in titles(plan, 2)
    assert [type(event) for event in events] == [PromptBuilt, ModelReplied]
    assert spent == (events[1].spending,)  # type: ignore[attr-defined]
    assert model.asked[0].schema is not None
    assert model.asked[0].temperature == 0.0


def test_the_question_holds_the_request_the_failure_the_suspects_and_the_files() -> None:
    planner, model, _ = chat(answer({}))
    planner.plan(request(), found(("shop/basket.py", 10)), FILES.get)
    said = model.asked[0].text
    for part in (
        request().text,
        "assert 0 == 1",
        "shop/basket.py:10: for item in self.items[1:]:",
        "tests/test_basket.py",
        "Basket.total 8-12",
    ):
        assert part in said
    assert "total += price_of(item)" not in said


def test_a_refused_answer_is_asked_for_again_with_the_reason() -> None:
    planner, model, events = chat("Let me think…", answer({"path": "nowhere.py"}), answer({}))
    plan, spent = planner.plan(request(), found(("shop/basket.py", 10)), FILES.get)
    assert len(plan.tasks) == 1
    assert len(spent) == 3
    refused = [event.reason for event in events if isinstance(event, ReplyRefused)]
    assert refused[0] == "the reply holds no JSON object"
    assert "nowhere.py does not exist" in refused[1]
    assert f"Your last answer was refused: {refused[1]}" in model.asked[2].text
    assert refused[0] not in model.asked[2].text
    assert [question.temperature for question in model.asked] == [0.0, 0.3, 0.3]


def test_after_three_answers_that_are_no_plan_the_model_is_given_up() -> None:
    planner, model, _ = chat("no")
    with pytest.raises(ModelError, match="no usable plan in 3 answers; of the last one: the reply holds no JSON"):
        planner.plan(request(), found(("shop/basket.py", 10)), FILES.get)
    assert len(model.asked) == 3


def test_a_plan_that_was_cut_off_is_asked_for_again_with_more_room() -> None:
    cut = Reply(text=answer({}), spending=Spending(worker="api", calls=1), finish="length")
    planner, model, _ = chat(cut, answer({}), window=8192)
    planner.plan(request(), found(("shop/basket.py", 10)), FILES.get)
    assert model.asked[1].answer_tokens > model.asked[0].answer_tokens


def test_a_model_out_of_reach_is_not_asked_again() -> None:
    planner, model, _ = chat(ModelError("nobody there"))
    with pytest.raises(ModelError, match="nobody there"):
        planner.plan(request(), found(("shop/basket.py", 10)), FILES.get)
    assert len(model.asked) == 1


def test_a_request_too_long_for_the_window_is_refused_and_not_cut() -> None:
    planner, model, _ = chat(answer({}))
    with pytest.raises(microtasks.TooLargeError, match="the request takes"):
        planner.plan(request("word " * 9000), found(("shop/basket.py", 10)), FILES.get)
    assert model.asked == []


@pytest.mark.parametrize(
    ("task", "first_line"),
    [
        ({"symbol": "f150"}, 601),
        ({"lines": [402, 402]}, 401),
        ({"instruction": "f77 should subtract"}, 309),
        ({"symbol": "f_new", "instruction": "after f77"}, 309),
    ],
)
def test_the_excerpt_is_cut_around_what_the_step_names(task: dict[str, object], first_line: int) -> None:
    planner, _, _ = chat(answer({"path": "shop/long.py"} | task))
    plan, _ = planner.plan(request(), found(red=()), FILES.get)
    assert plan.tasks[0].first_line == first_line


def test_else_around_the_suspects_of_its_file() -> None:
    planner, _, _ = chat(answer({"path": "shop/long.py"}))
    plan, _ = planner.plan(request(), found(("shop/long.py", 42)), FILES.get)
    assert plan.tasks[0].first_line == 41


def test_a_step_that_names_no_place_in_a_long_file_is_asked_for_one() -> None:
    planner, _, events = chat(answer({"path": "shop/long.py"}), answer({"path": "shop/long.py", "symbol": "f3"}))
    plan, _ = planner.plan(request(), found(red=()), FILES.get)
    reason = next(event.reason for event in events if isinstance(event, ReplyRefused))
    assert 'name the "lines" to change, or the "symbol", one of: f0, f1' in reason
    assert plan.tasks[0].first_line == 13


def test_a_task_too_large_for_the_workers_window_is_split_and_its_dependents_wait_for_all_parts() -> None:
    text = "def f():\n" + "".join(f"    x{n} = {n}\n" for n in range(60))
    files = FILES | {"shop/flat.py": text}
    model = FakeModel(
        [
            answer(
                {"path": "shop/flat.py", "instruction": "Double them."},
                {"path": "shop/prices.py", "depends_on": ["0"]},
            )
        ]
    )

    def costly(messages: object) -> int:
        return 160 + model.count(messages)  # type: ignore[arg-type]

    planner = ChatPlanner(model, lambda event: None, worker_window=1100, worker_count=costly)
    plan, _ = planner.plan(request(), found(red=()), files.get)
    assert [task.id for task in plan.tasks] == ["t1.1", "t1.2", "t2"]
    assert plan.tasks[2].depends_on == ("t1.1", "t1.2")
    for task in plan.tasks:
        microtasks.prompt(task, count=costly, window=1100)


def test_a_long_function_is_asked_about_where_its_suspects_are() -> None:
    text = "def f():\n" + "".join(f"    x{n} = {n}\n" for n in range(400))
    planner, _, _ = chat(answer({"path": "flat.py", "symbol": "f"}))
    plan, _ = planner.plan(request(), found(("flat.py", 300)), (FILES | {"flat.py": text}).get)
    (task,) = plan.tasks
    assert "    x298 = 298\n" in task.excerpt
    assert task.first_line > 1


@pytest.mark.parametrize("step", [{"path": "data.txt"}, {"path": "data.txt", "lines": [1, 4000]}])
def test_a_step_about_thousands_of_lines_is_asked_for_fewer(step: dict[str, object]) -> None:
    files = FILES | {"data.txt": "a line of data\n" * 4000}
    planner, _, events = chat(answer(step), answer({"path": "data.txt", "lines": [1200, 1201]}))
    plan, _ = planner.plan(request(), found(red=()), files.get)
    assert 'name the "lines"' in next(event.reason for event in events if isinstance(event, ReplyRefused))
    (task,) = plan.tasks
    assert task.first_line <= 1200 < task.first_line + task.excerpt.count("\n")


@pytest.mark.parametrize(
    "task",
    [
        {"path": "min.js", "instruction": "mend it"},
        {"instruction": "word " * 9000},
        {"path": "new.py", "new": True, "instruction": "word " * 9000},
    ],
)
def test_a_step_that_cannot_fit_is_refused_to_the_model(task: dict[str, object]) -> None:
    files = FILES | {"min.js": "x=" + "1+" * 20_000}
    planner, _, events = chat(answer(task))
    with pytest.raises(ModelError, match="no usable plan"):
        planner.plan(request(), found(red=()), files.get)
    assert any(isinstance(event, ReplyRefused) for event in events)


def test_five_thousand_files_cost_no_more_tokens_than_twenty() -> None:
    reads: list[str] = []

    def read(path: str) -> str | None:
        reads.append(path)
        return FILES.get(path, "x = 1\n")

    costs = []
    for number in (20, 5000):
        planner, _, events = chat(answer({}))
        files = tuple(f"pkg{n % 50}/module_{n:04}.py" for n in range(number))
        findings = Findings(red=(RED,), suspects=suspects(("shop/basket.py", 10)), files=files)
        planner.plan(request(), findings, read)
        costs.append(next(event.prompt_tokens for event in events if isinstance(event, PromptBuilt)))
    assert abs(costs[1] - costs[0]) <= 10
    assert len(set(reads)) < 20


def test_a_one_file_fix_stays_under_fifteen_hundred_prompt_tokens_whatever_surrounds_it() -> None:
    red = tuple(
        TestResult(id=f"tests/test_basket.py::test_total[{n}]", outcome="failed", message="E  assert " + "a" * 300)
        for n in range(30)
    )
    text = "Totals\n\n" + "The first item of a basket is left out of its total. " * 4
    findings = Findings(red=red, suspects=suspects(("shop/basket.py", 10)), files=tuple(FILES))
    model = FakeModel([answer({"symbol": "Basket.total"}), BASKET_DIFF])
    plan, spent = ChatPlanner(model, lambda event: None).plan(request(text), findings, FILES.get)
    (candidate,) = ModelWorker(model, lambda event: None).candidates(plan.tasks[0], BASKET, limit=1)
    assert sum(item.prompt_tokens for item in (*spent, candidate.spending)) < 1500


BASKET_DIFF = """\
--- a/shop/basket.py
+++ b/shop/basket.py
@@ -10 +10 @@
-        for item in self.items[1:]:
+        for item in self.items:
"""


def test_what_of_a_long_function_does_not_fit_is_a_task_of_its_own() -> None:
    body = "".join(f"    total = total + value * {n}  # the part of line number {n}\n" for n in range(400))
    files = {"shop/long.py": f"def long(value):\n    total = 0\n{body}    return total\n"}
    plan, _ = LocalizerPlanner().plan(request(), found(("shop/long.py", 10), ("shop/long.py", 390)), files.get)
    covered = [range(task.first_line, task.first_line + task.excerpt.count("\n")) for task in plan.tasks]
    assert len(plan.tasks) == 2
    assert 10 in covered[0]
    assert 390 in covered[1]
