import pytest

from gitagent.core import planning
from gitagent.core.planning import Step, steps_of
from gitagent.errors import ModelError
from gitagent.records import Findings, Request, Suspect, TestResult

FILES = ("shop/basket.py", "shop/prices.py", "shop/sub/prices.py", "tests/test_basket.py", "README.md")


def steps(*tasks: dict[str, object]) -> tuple[Step, ...]:
    given = [{"path": "shop/basket.py", "instruction": "do it"} | task for task in tasks]
    return steps_of({"tasks": given}, lambda path: path in FILES, FILES)


def refusal(*tasks: dict[str, object]) -> str:
    with pytest.raises(ModelError) as caught:
        steps(*tasks)
    return str(caught.value)


def test_files_are_ranked_by_what_the_request_spells_out_then_by_words() -> None:
    text = "The total in shop/prices.py is wrong; see also the BasketTotals"
    assert planning.ranked(FILES, text)[:2] == ("shop/prices.py", "shop/sub/prices.py")
    assert planning.ranked(FILES, "the basket")[0] == "shop/basket.py"
    assert planning.ranked(FILES, "the basket", first=["README.md"])[0] == "README.md"
    assert planning.ranked(FILES, "nothing in common") == FILES


def test_words_are_taken_apart_and_the_dull_ones_left_out() -> None:
    assert planning.words_of("fix theBasketTotal in HTTP_server.py") == {"basket", "total", "http", "server"}


def test_the_body_is_the_whole_request_and_why_the_last_answer_was_refused() -> None:
    request = Request(text="  Make it so.\n", source="issue", reference="7", asked_by="a", base="0" * 40, key="k")
    assert planning.body(request) == "Request (issue):\nMake it so."
    assert planning.body(request, "no JSON").endswith("Your last answer was refused: no JSON")


def test_facts_are_notes_of_failing_tests_suspects_and_files() -> None:
    red = tuple(
        TestResult(id=f"tests/test_basket.py::t{n}", outcome="failed", message="E   assert 0") for n in range(5)
    )
    suspects = (
        Suspect(path="shop/basket.py", line=2, score=1.0, reason="ran"),
        Suspect(path="gone.py", line=9, score=0.1, reason="ran"),
    )
    texts = {"shop/basket.py": "a = 1\nb = 2\n"}
    notes = planning.facts(Findings(red=red, suspects=suspects), [f"f{n}.py" for n in range(20)], texts.get)
    assert [note.priority for note in notes] == [1, 1, 1, 2, 3]
    assert notes[0].title == "Failing test tests/test_basket.py::t0 (one of 5)"
    assert notes[3].text == "shop/basket.py:2: b = 2\ngone.py:9: "
    assert "12 of 20" in notes[4].title
    assert planning.facts(Findings(), (), texts.get) == ()


def test_of_a_failure_the_lines_that_say_what_was_wrong_are_kept() -> None:
    message = (
        "    def test():\n>       assert a == b\nE       assert 1 == 2\nE        +  where 1 = f()\n\nx.py:3: Error"
    )
    assert planning.assertion(message) == "assert 1 == 2\n+  where 1 = f()"
    assert planning.assertion("Traceback\n  File x\nValueError: bad\n") == "Traceback\n  File x\nValueError: bad"
    long = "\n".join(f"E   line {n} {'x' * 400}" for n in range(20))
    said = planning.assertion(long)
    assert said.endswith("[12 more lines]")
    assert "characters …]" in said
    assert planning.assertion("") == ""


@pytest.mark.parametrize(
    ("test", "places"),
    [
        ("tests/test_a.py::TestB::test_c[x::y-1]", [("tests/test_a.py", "TestB.test_c")]),
        (
            "tests.test_a.TestB.test_c",
            [
                ("tests/test_a/TestB.py", "test_c"),
                ("tests/test_a.py", "TestB.test_c"),
                ("tests.py", "test_a.TestB.test_c"),
            ],
        ),
        ("basket › adds up", []),
        ("test", []),
    ],
)
def test_a_tests_source_is_looked_for_where_its_name_says(test: str, places: list[tuple[str, str]]) -> None:
    assert list(planning.places_of(test)) == places


def test_steps_are_read_with_all_they_say() -> None:
    (step,) = steps(
        {
            "id": 7,
            "path": " ./shop/basket.py ",
            "instruction": ["First this.", "Then that."],
            "symbol": " total ",
            "lines": "12-20",
            "new": "false",
            "depends_on": None,
            "priority": "P2",
        }
    )
    assert step == Step(
        id="t1",
        path="shop/basket.py",
        instruction="First this.\nThen that.",
        symbol="total",
        lines=(12, 20),
        priority=2,
        called="task 1",
    )


@pytest.mark.parametrize(
    ("value", "lines"),
    [
        ([20, 12], (12, 20)),
        (14, (14, 14)),
        ("L3", (3, 3)),
        (True, None),
        (None, None),
        ([], None),
        (0, None),
        ("x", None),
    ],
)
def test_lines_are_read_in_any_form(value: object, lines: tuple[int, int] | None) -> None:
    assert steps({"lines": value})[0].lines == lines


@pytest.mark.parametrize(
    ("value", "priority"),
    [
        (3, 3),
        (0, 1),
        (99, 9),
        (2.7, 2),
        ("high", 2),
        ("whenever", 5),
        (None, 5),
        (float("nan"), 5),
        (1e300, 5),
        ([], 5),
    ],
)
def test_a_priority_is_read_in_any_form(value: object, priority: int) -> None:
    assert steps({"priority": value})[0].priority == priority


@pytest.mark.parametrize("declared", [{"new": True}, {"new": "yes"}, {"action": "create"}])
def test_a_file_that_does_not_exist_must_be_declared_new(declared: dict[str, object]) -> None:
    assert steps({"path": "shop/new.py"} | declared)[0].action == "add"
    assert 'shop/new.py does not exist; set "action": "add"' in refusal({"path": "shop/new.py"})


def test_a_file_that_exists_is_never_new() -> None:
    assert steps({"new": True})[0].action == "change"


def test_a_file_name_is_completed_where_only_one_file_has_it() -> None:
    assert steps({"path": "basket.py"})[0].path == "shop/basket.py"
    assert steps({"path": "a/README.md"})[0].path == "README.md"
    assert "did you mean shop/prices.py or shop/sub/prices.py" in refusal({"path": "prices.py"})


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "../x.py",
        "a/../../x",
        ".git/hooks/pre-commit",
        "a/.GIT/config",
        "C:\\x",
        "a\\..\\..\\x",
        "a\0b",
        "a//b",
    ],
)
def test_a_hostile_path_is_refused(path: str) -> None:
    assert "task 1: " in refusal({"path": path, "new": True})


def test_what_makes_no_task_is_refused() -> None:
    assert "too many" in refusal(*[{}] * 13)
    assert "same id" in refusal({"id": "a"}, {"id": "a"})
    with pytest.raises(ModelError, match="at least one"):
        steps_of({"tasks": "x"}, lambda path: True)


def test_steps_come_after_what_they_depend_on_then_by_priority() -> None:
    tasks = (
        {"id": "a", "path": "shop/basket.py", "depends_on": ["c"], "priority": 1},
        {"id": "b", "path": "README.md", "priority": 9},
        {"id": "c", "path": "shop/prices.py", "priority": 5},
    )
    assert [step.path for step in steps(*tasks)] == ["shop/prices.py", "shop/basket.py", "README.md"]


@pytest.mark.parametrize(
    ("reference", "needs"),
    [
        ("a", ("t1",)),
        ("shop/prices.py", ("t1",)),
        ("t1", ("t1",)),
        ({"id": "a"}, ("t1",)),
        ("none", ()),
        (True, ()),
        ("a, a", ("t1",)),
    ],
)
def test_what_a_step_depends_on_is_read_as_id_or_path(reference: object, needs: tuple[str, ...]) -> None:
    done = steps({"id": "a", "path": "shop/prices.py"}, {"id": "b", "depends_on": reference})
    assert done[-1].depends_on == needs


def test_a_step_that_waits_for_itself_is_refused() -> None:
    assert "wait for each other" in refusal({"id": "a", "depends_on": ["a"]})


def test_a_summary_is_one_line_of_bounded_length() -> None:
    assert planning.summary_of({"summary": "a\n b"}, "x") == "a b"
    assert planning.summary_of({"summary": 3}, "x") == "x"
    assert len(planning.summary_of({"summary": "a" * 999}, "x")) < 240
