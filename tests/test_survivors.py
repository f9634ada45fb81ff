"""Survivors of the red tests: what they touch is asked before they are handed over."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from gitagent import proving, searching
from gitagent.core import diffs
from gitagent.events import CandidateTried, Event, ReplyRefused, Stream
from gitagent.records import Candidate, Limits, MicroTask, Plan, TestResult
from tests.fakes import FakeWorker
from tests.proofs import command_of, workspace

BASE = "def size(items):\n    return len(items) - 1\n"
FILES = {
    "calc.py": BASE,
    "test_calc.py": "import calc\n\ndef test_two():\n    assert calc.size('ab') == 2\n\n"
    "def test_none():\n    assert calc.size('') != 2\n\ndef test_other():\n    assert True\n",
}
RED = "test_calc.py::test_two"
TASK = MicroTask(id="t1", path="calc.py", first_line=1, excerpt=BASE, instruction="mend", answer_tokens=64)
PLAN = Plan(summary="s", mode="any", tasks=(TASK,), planner="localizer")


@contextmanager
def searched(
    files: Mapping[str, str] = FILES,
    red: Sequence[TestResult] = (TestResult(id=RED, outcome="failed"),),
    refuses: Callable[[Candidate], str] = lambda candidate: "",
    before_seconds: float = 0.0,
) -> Iterator[tuple[searching.Search, list[Event]]]:
    heard: list[Event] = []
    budget = searching.Budget(Limits(attempts=2), before_seconds=before_seconds)
    command = command_of(files)
    with workspace(files) as opened:
        search = searching.Search(
            workspace=opened,
            command=command,
            red=red,
            refuses=refuses,
            read=files.get,
            budget=budget,
            stream=Stream(heard.append, budget.heard),
            wanted={"local": 2},
            timeout_seconds=20,
        )
        search.coverage = proving.trace(opened, command, timeout_seconds=20)
        yield search, heard
        assert opened.tree() == files


def of(body: str) -> str:
    return BASE.replace("len(items) - 1", body)


def answered(*bodies: str) -> tuple[list[Candidate], list[Event]]:
    with searched() as (search, heard):
        return list(search.templates(FakeWorker("templates", *map(of, bodies)), PLAN, 100)), heard


def bodies(survivors: Sequence[Candidate]) -> list[str]:
    return [str(one.texts["calc.py"]).rpartition("return ")[2].strip() for one in survivors]


def test_a_survivor_that_breaks_a_test_it_touches_is_passed_over_with_the_test_named() -> None:
    survivors, heard = answered("2", "len(items) + 1", "len(items)")
    assert bodies(survivors) == ["len(items)"]
    refused = [event.reason for event in heard if isinstance(event, ReplyRefused)]
    assert len(refused) == 1 and "breaks others: test_calc.py::test_none" in refused[0]


def test_the_gate_is_asked_about_an_ordinary_edit_of_templates_only_once_it_passes() -> None:
    asked = list[str]()

    def refuses(candidate: Candidate) -> str:
        asked.extend(bodies([candidate]))
        return "it knows the test by heart" if asked[-1] == "2" else ""

    with searched(refuses=refuses) as (search, heard):
        answers = FakeWorker("templates", *map(of, ("1", "2", "0", "len(items)")))
        survivors = list(search.templates(answers, PLAN, 100))
    assert bodies(survivors) == ["len(items)"] and asked == ["2", "len(items)"]
    assert "it knows the test by heart" in [event.reason for event in heard if isinstance(event, ReplyRefused)]


def test_of_many_red_tests_a_few_are_a_sieve_and_the_rest_are_asked_of_what_passes() -> None:
    many = "import calc, pytest\n\n@pytest.mark.parametrize('n', range(20))\ndef test_size(n):\n"
    files = {**FILES, "test_calc.py": many + "    assert calc.size('a' * n) == n\n"}
    red = [f"test_calc.py::test_size[{n}]" for n in range(20)]
    told = [
        TestResult(id=test, outcome="failed", seconds=float(n), message="assert 1 == 2")
        for n, test in enumerate(red)
    ]
    assert searching.telling(told[:3]) == tuple(red[:3]) and searching.telling(told) == tuple(red[:8])
    with searched(files, told) as (search, heard):
        wrong, right = of("len(items) if len(items) < 9 else 9"), of("len(items)")
        survivors = list(search.templates(FakeWorker("templates", of("0"), wrong, right), PLAN, 100))
    assert bodies(survivors) == ["len(items)"]
    refused = [event.reason for event in heard if isinstance(event, ReplyRefused)]
    assert len(refused) == 1 and refused[0].startswith("only 10 of 20 red tests pass: test_calc.py::test_size[10]")


def test_red_tests_that_fail_in_ways_of_their_own_are_all_in_the_sieve() -> None:
    kinds = ["KeyError: 'a'"] * 15 + ["TypeError: no", "assert 1 == 2"]
    told = [TestResult(id=f"t.py::t{n}", outcome="failed", message=kind) for n, kind in enumerate(kinds)]
    few = searching.telling(told)
    assert len(few) == 8 and {"t.py::t0", "t.py::t15", "t.py::t16"} <= set(few)


def test_once_time_gets_short_a_partial_answer_ends_the_search_for_a_whole_one() -> None:
    red = [TestResult(id=f"test_calc.py::test_{name}", outcome="failed") for name in ("two", "none")]
    tried = []
    for part in (0.0, 0.8):
        with searched(red=red, before_seconds=part * 60 * Limits().minutes) as (search, heard):
            answers = FakeWorker("templates", *map(of, ("0", "2", "3", "4")))
            assert not list(search.templates(answers, PLAN, 100)) and search.partial
        tried.append(sum(isinstance(event, CandidateTried) for event in heard))
    assert tried == [4, 1]


def test_a_model_is_told_which_tests_its_answer_breaks() -> None:
    worker = FakeWorker("local", of("2"), of("len(items)"))
    with searched() as (search, _):
        survivors = list(search.model(worker, PLAN))
    assert bodies(survivors) == ["len(items)"]
    assert "it breaks others: test_calc.py::test_none" in worker.asked[1].state[-1].text


def test_what_reaches_for_the_tests_own_machinery_is_refused_untried() -> None:
    survivors, heard = answered("__import__('os')._exit(0)", "len(items)")
    assert bodies(survivors) == ["len(items)"]
    assert sum(isinstance(event, CandidateTried) for event in heard) == 1


def test_a_tree_tried_for_one_worker_is_not_tried_for_another() -> None:
    with searched() as (search, heard):
        list(search.templates(FakeWorker("templates", of("0"), of("1")), PLAN, 100))
        list(search.model(FakeWorker("local", of("1"), of("len(items)")), PLAN))
    assert sum(isinstance(event, CandidateTried) for event in heard) == 3


def test_what_was_learnt_of_base_is_kept_between_workers() -> None:
    with searched() as (search, _):
        list(search.templates(FakeWorker("templates", of("0")), PLAN, 100))
        list(search.model(FakeWorker("local", of("1"), of("len(items)")), PLAN))
        outputs = [output for output in search.workspace.outputs if '["' in output]  # type: ignore[attr-defined]
    assert sum('["base"' in output for output in outputs) == 1 < len(outputs)


def test_of_equal_survivors_the_one_that_moves_nothing_comes_first() -> None:
    text = "a = 1\nb = 2\n"

    def made(after: str, score: float) -> Candidate:
        diff = diffs.between({"a.py": (text, after)})
        return Candidate(task="1", worker="w", diff=diff, texts={"a.py": after}, score=score)

    moved, changed, likelier = made("b = 2\na = 1\n", 1), made("a = 2\nb = 2\n", 1), made("a = 3\nb = 2\n", 2)
    assert sorted([moved, changed, likelier], key=searching._rank) == [likelier, changed, moved]
