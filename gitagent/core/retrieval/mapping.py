"""A repository in as many tokens as there are: the best files with what they define, best first."""

from collections.abc import Callable, Sequence

from gitagent.records import Definition

MOST_OF_ONE = 40
_KINDS = "function method class struct union enum interface trait impl module type macro"
_SHOWN = frozenset(_KINDS.split())
_LONGEST = 120


def repository_map(
    files: Sequence[tuple[str, Sequence[Definition]]], *, budget_tokens: int, count: Callable[[str], int]
) -> str:
    """Paths with the signatures of what they define under them, indented by what they are in.

    `files` are best first; `count` gives the tokens of a text. The better a file, the more of it is shown, and no
    more than fits the budget; "" where not one path does.
    """
    items: list[tuple[float, int, int, str]] = []  # how late it is shown, file, line, text
    for place, (path, definitions) in enumerate(files):
        items.append((place / 2, place, 0, path))
        shown = [one for one in definitions if one.kind in _SHOWN]
        for number, one in enumerate(sorted(shown, key=lambda one: (one.name.startswith("_"), one.first_line))):
            if number < MOST_OF_ONE:
                late = place + number * (1 + place) / 8
                items.append((late, place, one.first_line, _line(one)))
    items.sort(key=lambda item: item[:3])
    low, high = 0, len(items)
    while low < high:
        middle = (low + high + 1) // 2
        if count(_text(items[:middle])) <= budget_tokens:
            low = middle
        else:
            high = middle - 1
    return _text(items[:low])


def _text(items: Sequence[tuple[float, int, int, str]]) -> str:
    return "\n".join(text for _, _, _, text in sorted(items, key=lambda item: (item[1], item[2])))


def _line(one: Definition) -> str:
    depth = one.parent.count(".") + 1 if one.parent else 0
    words = one.signature or f"{one.kind} {one.name}"
    short = words if len(words) <= _LONGEST else words[: _LONGEST - 1] + "…"
    return f"{'  ' * (depth + 1)}{one.first_line}: {short}"
