import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitagent.core import plan_files
from gitagent.errors import RequestError

GOOD = """\
version = 1
request = "the total misses its first item"
base = "0123456789012345678901234567890123456789"
summary = "Count them all"
planner = "chat"
assumptions = ["prices are whole"]

[[task]]
id = "t1"
path = "shop/basket.py"
symbol = "Basket.total"
lines = [8, 12]
instruction = '''
Start at the first item.
'''
priority = 2

[[task]]
id = "t2"
action = "rename"
path = "shop/prices.py"
to = "shop/rates.py"
depends_on = ["t1"]
"""


def refusal(text: str) -> str:
    with pytest.raises(RequestError) as caught:
        plan_files.read(text, "plan.toml")
    assert "\n" not in str(caught.value) and str(caught.value).endswith("Nothing was run.")
    return str(caught.value)


def test_a_plan_is_read_with_all_it_says() -> None:
    plan = plan_files.read(GOOD, "plan.toml")
    first, second = plan.steps
    assert (plan.request, plan.summary, plan.mode) == ("the total misses its first item", "Count them all", "all")
    assert (plan.assumptions, plan.planner, plan.base[:4]) == (("prices are whole",), "chat", "0123")
    assert (first.path, first.symbol, first.lines, first.priority) == (
        "shop/basket.py",
        "Basket.total",
        (8, 12),
        2,
    )
    assert (first.action, first.instruction) == ("change", "Start at the first item.")
    assert (second.action, second.to, second.depends_on) == ("rename", "shop/rates.py", ("t1",))
    assert second.instruction == "rename shop/prices.py to shop/rates.py"


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("version = 1", "version = 2", "plan.toml:1: 'version': expected 1, got 2"),
        ("version = 1", "", "plan.toml:1: 'version': expected 1, and there is none"),
        ("version = 1", "version = 1 2", "plan.toml:1: not TOML: "),
        ('depends_on = ["t1"]', 'depends_on = ["t1"', "plan.toml:24: not TOML: "),
        ('summary = "Count them all"', "", "plan.toml:1: 'summary': expected a text, and there is none"),
        ('planner = "chat"', "planner = 3", "plan.toml:5: 'planner': expected a text, got 3"),
        ('planner = "chat"', 'planer = "chat"', "plan.toml:5: 'planer': unknown, expected one of"),
        ('planner = "chat"', 'issue = "12"', "plan.toml:5: 'issue': expected an issue's number, got '12'"),
        ('planner = "chat"', "issue = true", "plan.toml:5: 'issue': expected an issue's number, got True"),
        ('planner = "chat"', 'mode = "some"', """plan.toml:5: 'mode': expected "all" or "any", got 'some'"""),
        ('base = "01', 'base = "zz', "plan.toml:3: 'base': expected the full name of a commit"),
        ('["prices are whole"]', "[1]", "plan.toml:6: 'assumptions': expected a list of texts"),
        ('path = "shop/basket.py"', 'path = "../x.py"', "plan.toml:10: task 1: 'path': ../x.py: the path leaves"),
        (
            'path = "shop/basket.py"',
            'path = ".git/config"',
            "plan.toml:10: task 1: 'path': .git/config: the path is",
        ),
        ('path = "shop/basket.py"', "", "plan.toml:8: task 1: 'path': expected a text, and there is none"),
        ("lines = [8, 12]", "lines = [12, 8]", "plan.toml:12: task 1: 'lines': expected [first, last]"),
        ("lines = [8, 12]", 'lines = "8-12"', "plan.toml:12: task 1: 'lines': expected [first, last]"),
        ("priority = 2", "priority = 0", "plan.toml:16: task 1: 'priority': expected a number from 1 to 9, got 0"),
        ("priority = 2", "priority = true", "task 1: 'priority': expected a number from 1 to 9, got True"),
        ("priority = 2", 'to = "b.py"', "plan.toml:16: task 1: 'to': only a rename has a new path"),
        (
            'action = "rename"',
            'action = "burn"',
            "plan.toml:20: task 2: 'action': expected change, add, delete or",
        ),
        ('to = "shop/rates.py"', "", "plan.toml:18: task 2: 'to': expected a text, and there is none"),
        ('depends_on = ["t1"]', 'depends_on = ["t9"]', "plan.toml:23: task 2: 'depends_on': 't9' is no task's id"),
        ('id = "t2"', 'id = "t1"', "task 1: 'id': 't1' is the id of more than one task"),
        ('id = "t2"', 'id = "t2"\nrun = "rm"', "plan.toml:20: task 2: 'run': unknown"),
    ],
)
def test_a_fault_is_told_with_file_line_and_field(old: str, new: str, told: str) -> None:
    assert old in GOOD
    assert told in refusal(GOOD.replace(old, new, 1))


def test_a_plan_has_a_task_and_not_too_many_of_them() -> None:
    head = GOOD.partition("[[task]]")[0]
    assert "expected at least one [[task]]" in refusal(head)
    assert "expected at least one [[task]]" in refusal(head + "task = [1]\n")
    assert "expected at least one [[task]]" in refusal(head + "task = 3\n")
    assert "plan.toml:8: 'task': expected at least one [[task]]" in refusal(head + '[task]\nid = "t1"\n')
    many = "".join(f'[[task]]\nid = "{n}"\npath = "a"\ninstruction = "x"\n' for n in range(101))
    assert "101 tasks are too many" in refusal(head + many)
    assert "characters, at most" in refusal("#" * 300_000)


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=30), st.integers(0, len(GOOD)))
def test_no_edit_whatever_ends_in_anything_but_a_plan_or_a_refusal(noise: str, at: int) -> None:
    with contextlib.suppress(RequestError):
        assert plan_files.read(GOOD[:at] + noise + GOOD[at:], "plan.toml").steps
