"""What was said, tried and done about a task so far, within a budget of tokens: the weightiest whole, the rest short.

Of what does not fit nothing goes in silence: what is shortened says so in its own text, and it is named, like what is
left out, to whoever shows what a prompt had no room for.
"""

from collections.abc import Callable, Mapping, Sequence

from gitagent.core.secrets import redacted
from gitagent.records import Note

STATE_TOKENS = 400
"""The most it takes of a prompt, and an eighth of the window at most."""
LEAST_TOKENS = 40
"""With less room a question is not asked again: without the reason it would be the same question."""

_LEAST_CHARACTERS = 30
_TRIES = 12


def told(notes: Sequence[Note], *, budget_tokens: int, count: Callable[[str], int]) -> tuple[str, tuple[str, ...]]:
    """The notes in the order they came as one text, and the titles of those shortened or left out.

    A low `priority` number goes first, of equal ones the newest. Each may take what those after it do not need, and
    half of what is left in any case, or all where half would be too little to say anything. The text never has more
    than `budget_tokens`, as `count` gives them.
    """
    order = sorted(range(len(notes)), key=lambda at: (notes[at].priority, -at))
    whole = _joined({at: _said(note, note.text) for at, note in enumerate(notes)})
    if not notes or count(whole) <= budget_tokens:
        return whole, ()
    sizes = {at: count(_said(notes[at], notes[at].text)) for at in order}
    kept: dict[int, str] = {}
    named: list[str] = []
    used = 0
    for place, at in enumerate(order):
        note, left = notes[at], budget_tokens - used
        share = max(left // 2, left - sum(sizes[other] for other in order[place + 1 :]))
        fitting = ""
        for room in (share, left):  # half of little says nothing
            fitting = fitting or _fitting(note, kept, at, room=room, size=sizes[at], most=used + room, count=count)
        if fitting != _said(note, note.text):
            named.append(f"{note.title}, shortened" if fitting else note.title)
        if fitting:
            kept[at] = fitting
            used = count(_joined(kept))
    return _joined(kept), tuple(named)


def _fitting(
    note: Note, kept: Mapping[int, str], at: int, *, room: int, size: int, most: int, count: Callable[[str], int]
) -> str:
    """The note, of `size` tokens, whole or shortened, so that with those that are kept it has at most so many.

    "" if there is no room for so little of it that it would say nothing.
    """
    whole = _said(note, note.text)
    if count(_joined({**kept, at: whole})) <= most:
        return whole
    # A credential that is cut in two would be none to those who look for them.
    text = redacted(note.text)
    characters = len(text) * max(room, 0) // max(size, 1)
    for _ in range(_TRIES):
        characters = min(characters, len(text) - 1) * 4 // 5
        if characters < _LEAST_CHARACTERS:
            return ""
        short = _said(note, _short(text, characters))
        if count(_joined({**kept, at: short})) <= most:
            return short
    return ""


def _short(text: str, characters: int) -> str:
    """The beginning and, twice as much, the end of a text: what went wrong mostly stands there."""
    first = characters // 3
    last = characters - first
    return f"{text[:first]} [… {len(text) - first - last} characters …] {text[-last:]}"


def _said(note: Note, text: str) -> str:
    return f"{note.title}: {text}"


def _joined(said: Mapping[int, str]) -> str:
    return "".join(f"\n\n{said[at]}" for at in sorted(said))
