"""Plain BM25 over whole files, the baseline: words and path as one bag, no fields, no names, no history."""

import math
import re
from collections import Counter
from collections.abc import Mapping
from functools import lru_cache

K1, B = 1.2, 0.75
_WORD = re.compile(r"[a-z]+|[0-9]+")
_PARTS = re.compile(r"(?<=[a-z])(?=[A-Z])")


def words(text: str) -> list[str]:
    """Words in lower case, identifiers split."""
    return [word for word in _WORD.findall(_PARTS.sub(" ", text).lower()) if len(word) > 1]


@lru_cache(maxsize=10_000)
def _counted(path: str, data: bytes) -> Counter[str]:
    return Counter(words(f"{path} {data.decode('utf-8', 'replace')}"))


class Plain:
    """The files of one tree by path."""

    def __init__(self, texts: Mapping[str, bytes]) -> None:
        self._counts = {path: _counted(path, data) for path, data in texts.items()}
        self._lengths = {path: sum(counts.values()) for path, counts in self._counts.items()}
        self._mean = sum(self._lengths.values()) / max(len(self._lengths), 1)
        self._found = Counter(word for counts in self._counts.values() for word in counts)

    def ranked(self, request: str) -> list[str]:
        """All paths, best first."""
        scores = dict.fromkeys(self._counts, 0.0)
        for word in set(words(request)):
            worth = math.log(1 + (len(scores) - self._found[word] + 0.5) / (self._found[word] + 0.5))
            for path, counts in self._counts.items():
                if times := counts[word]:
                    norm = K1 * (1 - B + B * self._lengths[path] / self._mean)
                    scores[path] += worth * times * (K1 + 1) / (times + norm)
        return sorted(scores, key=lambda path: (-scores[path], path))
