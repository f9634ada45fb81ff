"""What a planning model's answer looks like, as JSON schemas: for endpoints that take one, and to decode along."""

from collections.abc import Mapping, Sequence
from typing import get_args

from gitagent.records import Action

ACTIONS: tuple[Action, ...] = get_args(Action)
TIGHT_TASKS = 3
_STRING, _OR_NULL = {"type": "string"}, {"type": ["string", "null"]}
_FIELDS: Mapping[str, object] = {
    "id": _STRING,
    "action": {"type": "string", "enum": list(ACTIONS)},
    "path": _STRING,
    "to": _OR_NULL,
    "symbol": _OR_NULL,
    "lines": {"type": ["array", "null"], "items": {"type": "integer"}},
    "instruction": _STRING,
    "depends_on": {"type": "array", "items": _STRING},
    "priority": {"type": "integer"},
}


def _object(fields: Mapping[str, object]) -> dict[str, object]:
    """An object of these fields, all of them and no other."""
    return {"type": "object", "additionalProperties": False, "required": list(fields), "properties": dict(fields)}


SCHEMA = _object(
    {
        "summary": _STRING,
        "assumptions": {"type": "array", "items": _STRING},
        "tasks": {"type": "array", "items": _object(_FIELDS)},
    }
)


def tight(files: Sequence[str]) -> dict[str, object]:
    """The same for a model that is held to it token by token: it names files there are, and comes to an end.

    Ids go t1, t2, t3 and a task depends on those before it alone, only a rename has a path to go to, and only a new
    file a name of its own.
    """
    text = {"type": "string", "maxLength": 240}
    tasks = {
        "type": "array",
        "minItems": 1,
        "maxItems": TIGHT_TASKS,
        "prefixItems": [
            {"anyOf": [_tight_task(number, action, files) for action in ACTIONS if files or action == "add"]}
            for number in range(1, TIGHT_TASKS + 1)
        ],
    }
    fields = {
        "summary": {**text, "maxLength": 120},
        "assumptions": {"type": "array", "items": {**text, "maxLength": 120}, "maxItems": 2},
        "tasks": tasks,
    }
    return _object(fields)


def _tight_task(number: int, action: Action, files: Sequence[str]) -> dict[str, object]:
    nothing: dict[str, object] = {"type": "null"}
    new: dict[str, object] = {
        "type": "string",
        "pattern": r"^[A-Za-z0-9_-]{1,24}(/[A-Za-z0-9_-]{1,24}){0,4}\.[a-z]{1,5}$",
    }
    line = {"type": "integer", "minimum": 1, "maximum": 999_999}
    lines = {"anyOf": [{"type": "array", "items": line, "minItems": 2, "maxItems": 2}, nothing]}
    symbol = {"anyOf": [{"type": "string", "maxLength": 80}, nothing]}
    before = {"type": "string", "enum": [f"t{at}" for at in range(1, number)] or ["t0"]}
    fields: dict[str, object] = {
        "id": {"type": "string", "enum": [f"t{number}"]},
        "action": {"type": "string", "enum": [action]},
        "path": new if action == "add" else {"type": "string", "enum": list(files)},
        "to": new if action == "rename" else nothing,
        "symbol": symbol if action == "change" else nothing,
        "lines": lines if action == "change" else nothing,
        "instruction": {"type": "string", "minLength": 8, "maxLength": 240},
        "depends_on": {"type": "array", "items": before, "maxItems": number - 1},
        "priority": {"type": "integer", "minimum": 1, "maximum": 9},
    }
    return _object(fields)
