"""How usual a piece of Python looks among the code it stands in: an n-gram model of tokens.

Code repeats itself, most of all within a file, and what is wrong is on average more surprising than what is
right (Hindle et al. 2012, Tu et al. 2014, Ray et al. 2016). The model counts sequences of up to four tokens and
backs off from long ones to short ones as Witten and Bell (1991) do. Surprise is in bits.
"""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence

_ORDER = 4
_TOKEN = re.compile(
    r"""(?P<comment>\#[^\n]*)
      | (?P<string>[A-Za-z]{0,2}(?:'''.*?'''|\"\"\".*?\"\"\"|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"))
      | (?P<space>[ \t\f\r]+|\\\r?\n)
      | (?P<newline>\n\s*)
      | (?P<token>(?:(?<=[(\[,=:])|(?<=[(\[,=:]\ ))-\d+|\w+(?:\.\d+)?|\*\*=?|//=?|<<=?|>>=?|[-+*/%@&|^=!<>:]=|->|.)""",
    re.VERBOSE | re.DOTALL,
)
_LONG = 20  # a longer string is no idiom: all of them are one token
_NEWLINE = "\n"
_START = ("",) * (_ORDER - 1)


def tokens(text: str) -> list[str]:
    """The tokens of a text, or of any piece of one; comments and indentation left out, docstrings all alike."""
    found: list[str] = []
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup
        if kind == "token":
            found.append(match[0])
        elif kind == "string":
            body = match[0]
            found.append(body.replace('"', "'") if len(body) <= _LONG else "'…'")
        elif kind == "newline" and found and found[-1] != _NEWLINE:
            found.append(_NEWLINE)
    return found


class Naturalness:
    """Counts of what is written in some texts; `without` asks how unlike them a piece is."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._seen: Counter[tuple[str, ...]] = Counter()
        self._after: Counter[tuple[str, ...]] = Counter()
        kinds: defaultdict[tuple[str, ...], int] = defaultdict(int)
        for text in texts:
            for gram in _grams(tokens(text)):
                if gram not in self._seen:
                    kinds[gram[:-1]] += 1
                self._seen[gram] += 1
                self._after[gram[:-1]] += 1
        self._kinds = dict(kinds)
        self._words = self._kinds.get((), 0) + 1

    def without(self, found: Sequence[str]) -> "Elsewhere":
        """The model as if this piece of code were not in the texts: a place is no witness for itself."""
        return Elsewhere(self, Counter(_grams(found)))

    def chance(self, gram: tuple[str, ...], without: Counter[tuple[str, ...]]) -> float:
        chance = 1.0 / (self._words + 1)
        for length in range(1, _ORDER + 1):
            part = gram[-length:]
            before = part[:-1]
            kinds = self._kinds.get(before, 0)
            if not kinds:
                break
            own = without.get(part, 0)
            count, total = self._seen.get(part, 0) - own, self._after[before] - own
            chance = (max(count, 0) + kinds * chance) / (max(total, 0) + kinds)
        return chance


class Elsewhere:
    """A model with some sequences left out."""

    def __init__(self, model: Naturalness, own: Counter[tuple[str, ...]]) -> None:
        self._model, self._own = model, own
        self._bits: dict[tuple[str, ...], float] = {}

    def surprise(self, found: Sequence[str], first: int, last: int) -> float:
        """Bits that the tokens `first` to before `last` carry, given those before them."""
        padded = (*_START, *found)
        bits = self._bits
        total = 0.0
        for at in range(first, last):
            gram = padded[at : at + _ORDER]
            if gram not in bits:
                bits[gram] = -math.log2(self._model.chance(gram, self._own))
            total += bits[gram]
        return total


def _grams(found: Sequence[str]) -> Iterator[tuple[str, ...]]:
    padded = (*_START, *found)
    for at in range(len(found)):
        gram = padded[at : at + _ORDER]
        yield gram
        yield gram[1:]
        yield gram[2:]
        yield gram[3:]


def changed(old: Sequence[str], new: Sequence[str], beyond: int = _ORDER - 1) -> tuple[int, int, int]:
    """Where two sequences differ: first token, then the ends in `old` and in `new`, a few tokens further on."""
    same = 0
    for one, two in zip(old, new, strict=False):
        if one != two:
            break
        same += 1
    tail = 0
    most = min(len(old), len(new)) - same
    while tail < most and old[-1 - tail] == new[-1 - tail]:
        tail += 1
    more = min(tail, beyond)
    return same, len(old) - tail + more, len(new) - tail + more
