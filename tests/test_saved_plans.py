"""Plans out of files, held against a repository that has gone on since they were made."""

import pytest

from gitagent.core import plan_files
from gitagent.core.microtasks import estimate
from gitagent.errors import RequestError
from gitagent.events import Event, Noted
from gitagent.planners import SavedPlanner
from gitagent.records import Findings, Plan, Request

CART = """\
def shown(prices):
    return ", ".join(map(str, prices))


def total(prices):
    return sum(prices[1:])


def mean(prices):
    return total(prices) / len(prices)
"""
BIG = "".join(f"ROW_{number} = {number}\n" for number in range(400))
LATER = {"shop/cart.py": "import math\n\n\n" + CART, "shop/big.py": "# rows\n" * 40 + BIG}
HEAD = f"""\
version = 1
request = "the total misses its first item"
base = "{"0" * 39}1"
summary = "Count them all"
"""
REQUEST = Request(text="mend", source="text", reference="", asked_by="", base="0" * 40, key="k")


def task(name: str = "t1", path: str = "shop/cart.py", **fields: object) -> str:
    more = {"instruction": "Count all.", **fields}
    lines = [f"{key} = {str(value).replace(chr(39), chr(34))}" if isinstance(value, list) else f'{key} = "{value}"'
             for key, value in more.items()]  # fmt: skip
    return "\n".join(["", "[[task]]", f'id = "{name}"', f'path = "{path}"', *lines, ""])


def planned(
    *tasks: str, now: dict[str, str] = LATER, before: dict[str, str] | None = None
) -> tuple[Plan, list[str]]:
    events: list[Event] = []
    saved = plan_files.read(HEAD + "".join(tasks), "plan.toml")
    planner = SavedPlanner(
        saved,
        events.append,
        before={"shop/cart.py": CART, "shop/big.py": BIG}.get if before is None else before.get,
        count=lambda messages: sum(estimate(message.content) for message in messages),
    )
    plan, spent = planner.plan(REQUEST, Findings(), now.get)
    assert spent == ()
    return plan, [event.text for event in events if isinstance(event, Noted)]


def refusal(*tasks: str, now: dict[str, str] = LATER) -> str:
    with pytest.raises(RequestError) as caught:
        planned(*tasks, now=now)
    said = str(caught.value)
    assert "\n" not in said and said.endswith("Nothing was committed.") and "edit plan.toml" in caught.value.hint
    return said


def test_lines_of_a_file_that_has_changed_since_are_followed_to_where_they_are() -> None:
    plan, noted = planned(task(path="shop/big.py", lines=[201, 204]))
    (step,) = plan.tasks
    assert "ROW_200 = 200\n" in step.excerpt and step.first_line <= 241 < step.first_line + step.excerpt.count(
        "\n"
    )
    assert noted == ["shop/big.py has changed since the plan was made: lines 201-204 are 241-244 now"]


def test_lines_of_which_some_were_rewritten_are_followed_by_the_others() -> None:
    now = LATER["shop/big.py"].replace("ROW_202 = 202\n", "ROW_202 = 0\nROW_202A = 0\n")
    _, noted = planned(task(path="shop/big.py", lines=[201, 204]), now={"shop/big.py": now})
    assert noted == ["shop/big.py has changed since the plan was made: lines 201-204 are 241-245 now"]


def test_lines_that_are_gone_are_refused_unless_a_name_leads_there() -> None:
    now = {"shop/cart.py": CART.replace("def total(prices):\n    return sum(prices[1:])\n", "total = sum\n")}
    assert refusal(task(lines=[5, 6]), now=now) == (
        "plan.toml:6: task t1: shop/cart.py has changed since commit 000000000000, and lines 5 to 6 of it are gone; "
        'name other "lines" and their "base", or a "symbol". Nothing was committed.'
    )
    plan, noted = planned(task(lines=[5, 6], symbol="mean"), now=now)
    assert "def mean" in plan.tasks[0].excerpt and noted == []


@pytest.mark.parametrize("before", [{}, LATER])
def test_lines_are_as_they_say_where_nothing_has_changed_or_nobody_knows_what_was(before: dict[str, str]) -> None:
    plan, noted = planned(task(path="shop/big.py", lines=[201, 204]), before=before)
    assert "ROW_160 = 160\n" in plan.tasks[0].excerpt and noted == []


@pytest.mark.parametrize(
    ("tasks", "told"),
    [
        (
            [task(path="shop/card.py")],
            'plan.toml:6: task t1: shop/card.py does not exist; action = "add" makes it',
        ),
        ([task(action="add")], 'plan.toml:6: task t1: shop/cart.py exists already; action = "change" changes it'),
        ([task(symbol="totals")], 'plan.toml:6: task t1: shop/cart.py has no "totals"; it has total'),
        ([task(lines=[90, 91])], "plan.toml:6: task t1: shop/cart.py has 13 lines; lines 90 to 91 are not there"),
        ([task(path="shop/big.py")], 'plan.toml:6: task t1: shop/big.py has 440 lines; name the "lines"'),
        (
            [task(), task("news", "shop/big.py", action="rename", to="shop/cart.py")],
            "plan.toml:11: task news: shop/cart.py exists already",
        ),
        (
            [task("one", depends_on=["two"]), task("two", lines=[1, 2], depends_on=["one"])],
            "plan.toml:6: task one (shop/cart.py) and plan.toml:12: task two (shop/cart.py) wait for each other",
        ),
        (
            [task("new", "a.py", action="add"), task("a new one", "a.py", action="add")],
            "plan.toml:6: task new and plan.toml:12: task 'a new one' both make a.py",
        ),
    ],
)
def test_what_does_not_fit_the_repository_is_told_with_the_line_and_the_name_of_its_task(
    tasks: list[str], told: str
) -> None:
    assert refusal(*tasks).startswith(told)


def test_a_file_that_one_task_makes_may_be_changed_by_another() -> None:
    plan, _ = planned(task("grow", "shop/new.py"), task("make", "shop/new.py", action="add"))
    assert [(one.action, one.path, one.depends_on) for one in plan.tasks] == [
        ("add", "shop/new.py", ()),
        ("change", "shop/new.py", (plan.tasks[0].id,)),
    ]


def test_tasks_keep_the_ids_that_were_written() -> None:
    plan, _ = planned(task("use", depends_on=["make"]), task("make", "a.py", action="add"))
    assert [(one.id, one.depends_on) for one in plan.tasks] == [("make", ()), ("use", ("make",))]
    for odd in ("use\tit", "make.1"):  # the second could be a piece of the first
        plan, _ = planned(task(odd, depends_on=["make"]), task("make", "a.py", action="add"))
        assert [(one.id, one.depends_on) for one in plan.tasks] == [("t2", ()), ("t1", ("t2",))]
