import dataclasses
import inspect
import json
import re
from pathlib import Path

import pytest

from gitagent import events
from gitagent.records import MicroTask, Plan, Suspect

KINDS = [
    kind
    for kind in vars(events).values()
    if inspect.isclass(kind) and issubclass(kind, events.Event) and kind is not events.Event
]


def test_the_documentation_lists_every_event_with_its_fields_and_no_other() -> None:
    text = (Path(__file__).parent.parent / "docs" / "events.md").read_text()
    rows = dict(re.findall(r"^\| `(\w+)` \|.*\| (.*) \|$", text, re.MULTILINE))
    assert rows == {
        events.name_of(kind): ", ".join(f"`{field.name}`" for field in dataclasses.fields(kind)) for kind in KINDS
    }


def test_an_event_becomes_plain_json_with_its_name_and_time() -> None:
    suspect = Suspect(path="a.py", line=3, score=0.5, reason="runs in the red test")
    shown = events.as_json(events.Located(suspects=(suspect,)), 1.23456)
    assert json.loads(json.dumps(shown)) == {
        "event": "located",
        "seconds": 1.235,
        "suspects": [{"path": "a.py", "line": 3, "score": 0.5, "reason": "runs in the red test"}],
    }


def test_bytes_that_are_no_text_still_make_valid_json() -> None:
    task = MicroTask(id="1", path="\udcff.py", first_line=1, excerpt="\udc80\n", instruction="", answer_tokens=1)
    plan = Plan(summary="s", mode="all", tasks=(task,), planner="p")
    text = json.dumps(events.as_json(events.Planned(plan=plan), 0), ensure_ascii=False)
    assert json.loads(text.encode())["plan"]["tasks"][0]["path"] == "\\udcff.py"


def test_every_reader_hears_every_event_in_order() -> None:
    heard: list[tuple[str, events.Event]] = []
    stream = events.Stream(lambda event: heard.append(("a", event)))
    stream.add(lambda event: heard.append(("b", event)))
    one, two = events.Noted(level="info", text="1"), events.Noted(level="info", text="2")
    stream(one)
    stream(two)
    assert heard == [("a", one), ("b", one), ("a", two), ("b", two)]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_event_says_when_it_happens(kind: type[events.Event]) -> None:
    assert inspect.getdoc(kind)
