from dataclasses import replace

import pytest

from gitagent.adapters.plan_files import text_of
from gitagent.core import plan_files
from gitagent.errors import RequestError
from gitagent.records import MicroTask, Plan, Request

REQUEST = Request(
    text='say "bye"\n\nand mean it', source="text", reference="", asked_by="", base="a" * 40, key="k"
)
CHANGE = MicroTask(
    id="t1", path="a b.py", first_line=3, excerpt="x = 1\ny = '''\n", instruction="Do \"it\"\n'''now'''\\",
    answer_tokens=9, symbol="f",
)  # fmt: skip
MOVE = replace(CHANGE, id="t2", action="rename", to="b.py", excerpt="", symbol="", depends_on=("t1",), priority=2)
PLAN = Plan(summary="Both", mode="all", tasks=(CHANGE, MOVE), planner="chat", assumptions=("é is é",))


def test_what_is_written_is_read_back_the_same() -> None:
    saved = plan_files.read(text_of(PLAN, REQUEST, "p.toml"), "p.toml")
    assert (saved.request, saved.base, saved.summary) == (REQUEST.text, REQUEST.base, PLAN.summary)
    assert (saved.mode, saved.planner, saved.assumptions) == ("all", "chat", PLAN.assumptions)
    first, second = saved.steps
    assert (first.path, first.lines, first.symbol, first.instruction) == (
        "a b.py",
        (3, 4),
        "f",
        CHANGE.instruction,
    )
    assert (second.action, second.to, second.depends_on, second.priority) == ("rename", "b.py", ("t1",), 2)


def test_what_shows_nothing_is_written_out_and_read_back_the_same() -> None:
    hidden = "a\u200b \\\u202e b\U000e0041\x1b[31m\nand 'more'\tof\u2028it"
    plan = replace(PLAN, summary=hidden, assumptions=(hidden,), tasks=(replace(CHANGE, instruction=hidden),))
    text = text_of(plan, REQUEST, "p.toml")
    assert all(one.isprintable() or one in "\n\t" for one in text)
    saved = plan_files.read(text, "p.toml")
    assert (saved.summary, saved.assumptions, saved.steps[0].instruction) == (hidden, (hidden,), hidden)


def test_a_path_that_is_no_text_cannot_be_written() -> None:
    with pytest.raises(RequestError, match="is no UTF-8"):
        text_of(replace(PLAN, tasks=(replace(CHANGE, path="\udcff.py"),)), REQUEST, "p.toml")
