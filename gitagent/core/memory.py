"""Lasting facts about a project, and the last questions and answers: what of them goes into a prompt."""

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from gitagent.core.secrets import redacted
from gitagent.errors import RequestError
from gitagent.records import Note

MOST_FACTS = 500
LONGEST = 500
FACTS_TOKENS = 200
TURNS_TOKENS = 400
MOST_TURNS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One thing worth knowing about the project. Of a low `priority` number, 1 to 9, it goes into prompts first."""

    id: str
    text: str
    priority: int = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """A question and its answer."""

    question: str
    answer: str


def fact(text: str, priority: int = 5) -> Fact:
    """A fact of one line. Raises RequestError if it is empty, too long, or holds a credential."""
    line = " ".join(re.sub(r"[\x00-\x1f\x7f]", " ", text).split())
    if not line or len(line) > LONGEST:
        raise RequestError(
            f"a fact has 1 to {LONGEST} characters, this one has {len(line)}. Nothing was kept.",
            hint='gitagent memory add "prices are in cents"',
        )
    if redacted(line) != line:
        raise RequestError("the fact holds what looks like a credential. Nothing was kept.")
    return Fact(id=hashlib.sha256(line.encode()).hexdigest()[:8], text=line, priority=priority)


def written(one: Fact) -> str:
    """A fact as its file holds it."""
    return json.dumps({"text": one.text, "priority": one.priority}) + "\n"


def read(files: Mapping[str, str]) -> tuple[Fact, ...]:
    """The facts in files, by priority; what is no fact of ours is passed over."""
    found = []
    for text in files.values():
        try:
            plain = json.loads(text)
            found.append(fact(plain["text"], min(max(int(plain["priority"]), 1), 9)))
        except (ValueError, TypeError, KeyError, RecursionError, RequestError):
            continue
    return tuple(sorted(found, key=lambda one: (one.priority, one.text)))


def note(facts: Iterable[Fact], *, budget_tokens: int, count: Callable[[str], int]) -> tuple[Note, ...]:
    """Those facts that fit, by priority, as one note; () if there is none. What is left out is counted in it."""
    kept: list[str] = []
    left = 0
    for one in facts:
        line = f"- {one.text}\n"
        if count("".join([*kept, line])) <= budget_tokens:
            kept.append(line)
        else:
            left += 1
    if not kept:
        return ()
    more = f"({left} more did not fit)\n" if left else ""
    return (Note(title="Known about this project", text="".join(kept) + more, priority=5),)


def turns_of(text: str) -> tuple[Turn, ...]:
    """The last turns, oldest first; () for what is no record of ours."""
    try:
        return tuple(Turn(question=str(one["q"]), answer=str(one["a"])) for one in json.loads(text))[-MOST_TURNS:]
    except (ValueError, TypeError, KeyError, RecursionError):
        return ()


def turns_written(turns: Sequence[Turn]) -> str:
    """The last turns as their file holds them, without credentials."""
    plain = [{"q": redacted(one.question)[:2000], "a": redacted(one.answer)[:4000]} for one in turns[-MOST_TURNS:]]
    return json.dumps(plain, indent=1) + "\n"


def recent(turns: Sequence[Turn], *, budget_tokens: int, count: Callable[[str], int]) -> tuple[Note, ...]:
    """The newest turns that fit, oldest of them first, as one note; () if there is none.

    The newest is there in any case, its answer shortened if need be; how many older ones are left out is said.
    """
    kept: list[str] = []
    for one in reversed(turns):
        said = f"Question: {one.question}\nAnswer: {one.answer}\n"
        if count("".join([_earlier(len(turns)), said, *kept])) > budget_tokens:
            if kept:
                break
            said = _shortened(one, lambda text: count(_earlier(len(turns)) + text) <= budget_tokens)
        kept.insert(0, said)
    text = _earlier(len(turns) - len(kept)) + "".join(kept)
    return (Note(title="Asked and answered before", text=text, priority=4),) if kept else ()


def _earlier(left_out: int) -> str:
    return f"({left_out} earlier question{'' if left_out == 1 else 's'} did not fit)\n" if left_out else ""


def _shortened(turn: Turn, fits: Callable[[str], bool]) -> str:
    """A turn whose question and answer keep as much of their beginnings as fits."""
    most = max(len(turn.question), len(turn.answer))
    while most > 40:
        most = most * 4 // 5
        said = f"Question: {_begun(turn.question, most // 2)}\nAnswer: {_begun(turn.answer, most)}\n"
        if fits(said):
            return said
    return ""


def _begun(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most]} [… {len(text) - most} characters more …]"
