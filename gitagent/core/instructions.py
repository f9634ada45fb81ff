"""What a repository says about how it wants to be worked on: `AGENTS.md`, and commands of its own.

Both are strangers' text until their owner is known: followed for style and manner, quoted as data, and unable to widen
anything. What may be run, read or sent is decided elsewhere, by settings that no repository can set.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gitagent.core.secrets import redacted
from gitagent.core.texts import lines_of
from gitagent.errors import RequestError
from gitagent.records import Note

FILE = "AGENTS.md"
FOLDER = ".gitagent/commands/"
# For a planner, who sees the whole, and for a worker, who sees one stretch of one file.
PLANNER_TOKENS = 600
WORKER_TOKENS = 200
MOST_CHARACTERS = 20_000
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,40}")
_FIELDS = ("name", "description", "complexity", "kind")
_FRONT = re.compile(r"\A---[ \t]*\r?\n(.*?)^---[ \t]*\r?$\n?", re.DOTALL | re.MULTILINE)
_HIDDEN = re.compile(
    r"<!--.*?-->|[\x00-\x08\x0b-\x1f\x7f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]", re.DOTALL
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """`gitagent run /name`: a request in a file. `asks` is true where it is a question and changes nothing."""

    name: str
    description: str
    complexity: float
    text: str
    asks: bool = False
    path: str = ""

    def request(self, words: Sequence[str]) -> str:
        """The request for these words: in place of `$ARGUMENTS`, else after the text."""
        said = " ".join(words).strip()
        if "$ARGUMENTS" in self.text:
            return self.text.replace("$ARGUMENTS", said or "(nothing further was said)").strip()
        return f"{self.text.strip()}\n\n{said}".strip()


def notes(
    path: str, read: Callable[[str], str | None], *, budget_tokens: int, count: Callable[[str], int]
) -> tuple[Note, ...]:
    """The `AGENTS.md` of the root and the one nearest to a file, within so many tokens together.

    `path` is "" for the repository as a whole. The nearest says more about the file, and is fitted first.
    """
    found: list[Note] = []
    left = budget_tokens
    places = dict.fromkeys([_nearest(path, read), FILE])
    for place in filter(None, places):
        text = _HIDDEN.sub("", (read(place) or "")[:MOST_CHARACTERS]).strip()
        fitted = within(text, left, count) if text else ""
        if fitted:
            title = f"{place}, how this repository wants code written (it gives no permissions)"
            found.append(Note(title=title, text=fitted, priority=6))
            left -= count(fitted)
    return tuple(found)


def within(text: str, tokens: int, count: Callable[[str], int]) -> str:
    """As many whole lines from the beginning as fit, and how many do not; "" if there is no room."""
    if count(text) <= tokens:
        return text
    lines = lines_of(text)
    low, high = 0, len(lines)
    while low < high:
        middle = (low + high + 1) // 2
        if count("".join(lines[:middle]) + f"… {len(lines)} more lines") <= tokens:
            low = middle
        else:
            high = middle - 1
    return f"{''.join(lines[:low]).rstrip()}\n… {len(lines) - low} more lines" if low else ""


def _nearest(path: str, read: Callable[[str], str | None]) -> str:
    folder = path.rpartition("/")[0]
    while folder:
        if read(f"{folder}/{FILE}") is not None:
            return f"{folder}/{FILE}"
        folder = folder.rpartition("/")[0]
    return ""


def command(path: str, text: str) -> Command:
    """A command out of its file. Raises RequestError, naming the file and field, if it is none."""
    text = text.removeprefix("\ufeff")
    front = _FRONT.match(text)
    if front is None and re.match(r"---[ \t]*\r?\n", text):
        raise RequestError(
            f"{path}: the front matter begins with --- and has no --- at its end. Nothing was run.",
            hint=f"put a line --- after the fields in {path}",
        )
    fields = _fields(path, front[1]) if front else {}
    name = str(fields.get("name") or name_of(path))
    if not _NAME.fullmatch(name):
        raise _wrong(path, "name", "small letters, digits and dashes", name)
    complexity = fields.get("complexity", 0)
    if isinstance(complexity, bool) or not isinstance(complexity, (int, float)) or not 0 <= complexity <= 1:
        raise _wrong(path, "complexity", "a number from 0 to 1", complexity)
    kind = fields.get("kind", "change")
    if kind not in ("change", "question"):
        raise _wrong(path, "kind", "change or question", kind)
    body = _HIDDEN.sub("", text[front.end() :] if front else text)[:MOST_CHARACTERS].strip()
    if not body:
        raise RequestError(
            f"{path}: the command says nothing. Nothing was run.", hint=f"write what to do into {path}"
        )
    return Command(
        name=name,
        description=" ".join(redacted(str(fields.get("description") or "")).split())[:200],
        complexity=float(complexity),
        text=body,
        asks=kind == "question",
        path=path,
    )


def name_of(path: str) -> str:
    """What a command is called that says no name: as its file."""
    return path.rsplit("/", 1)[-1].removesuffix(".md")


def _fields(path: str, front: str) -> Mapping[str, Any]:
    import yaml

    try:
        found = yaml.safe_load(front[:4000])
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        line = " ".join(str(error).split())[:120]
        raise RequestError(f"{path}: the front matter is no YAML: {line}. Nothing was run.") from error
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise RequestError(f"{path}: the front matter is no list of fields. Nothing was run.")
    # Fields of other tools are passed over. Ours are one value each: a list of lists of lists could be endless.
    fields = {name: found[name] for name in _FIELDS if name in found}
    for name, value in fields.items():
        if isinstance(value, (list, dict, set)):
            raise _wrong(path, name, "one value", "a list")
    return fields


def _wrong(path: str, field: str, expected: str, got: object) -> RequestError:
    return RequestError(f"{path}: {field}: expected {expected}, got {str(got)[:60]!r}. Nothing was run.")
