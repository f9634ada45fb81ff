"""The schemas of a plan: what an endpoint is asked to keep to, and what a local model cannot leave."""

import json
import re
from typing import Any

import pytest

from gitagent.core.plan_schema import ACTIONS, SCHEMA, TIGHT_TASKS, tight


def objects(schema: Any) -> list[dict[str, Any]]:
    """Every object a schema speaks of, itself among them."""
    if isinstance(schema, list):
        return [found for one in schema for found in objects(one)]
    if not isinstance(schema, dict):
        return []
    inside = [found for value in schema.values() for found in objects(value)]
    return [schema, *inside] if schema.get("type") == "object" else inside


@pytest.mark.parametrize("schema", [SCHEMA, tight(["a.py"]), tight([])])
def test_every_object_is_strict_as_endpoints_want_it(schema: dict[str, Any]) -> None:
    assert json.loads(json.dumps(schema)) == schema
    for one in objects(schema):
        assert one["additionalProperties"] is False and one["required"] == list(one["properties"])


def test_a_tight_plan_can_only_wait_for_tasks_before_and_name_files_that_are_there() -> None:
    places = tight(["a.py", "b.py"])["properties"]["tasks"]["prefixItems"]  # type: ignore[index]
    assert len(places) == TIGHT_TASKS
    for number, place in enumerate(places, 1):
        tasks = [one["properties"] for one in place["anyOf"]]
        assert [task["action"]["enum"] for task in tasks] == [[action] for action in ACTIONS]
        for task in tasks:
            action = task["action"]["enum"][0]
            assert task["id"]["enum"] == [f"t{number}"] and task["depends_on"]["maxItems"] == number - 1
            assert f"t{number}" not in task["depends_on"]["items"]["enum"]
            assert ("pattern" in task["to"]) is (action == "rename")
            assert task["path"].get("enum") == (None if action == "add" else ["a.py", "b.py"])


def test_without_files_a_tight_plan_can_only_make_new_ones_inside_the_repository() -> None:
    (task,) = tight([])["properties"]["tasks"]["prefixItems"][0]["anyOf"]  # type: ignore[index]
    assert task["properties"]["action"]["enum"] == ["add"]
    new = re.compile(task["properties"]["path"]["pattern"])
    assert new.fullmatch("src/new_file.py")
    for path in ("../a.py", "/a.py", ".git/config", "~/a.sh", "a//b.py", "a", ".env"):
        assert not new.fullmatch(path), path
