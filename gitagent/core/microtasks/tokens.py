"""An upper estimate of how many tokens a text takes, for models whose own tokenizer is out of reach.

The estimate errs to the safe side: a prompt it calls small enough is small enough. Two bounds are taken, and
the lower one holds.

- *The proven one.* A byte-level BPE, and a SentencePiece vocabulary that falls back to bytes, never make more
  tokens than the text has UTF-8 bytes, plus one for the space some put in front.
- *The measured one.* The text is cut where the usual pre-tokenizers cut it, and each piece is charged at least
  what the worst of ten vocabularies in use made of it (docs/models.md has the table). A digit, a punctuation
  mark, a newline, a tab and each byte outside ASCII cost a whole token. A run of spaces costs one token and one
  more per eight. A run of letters is charged by its rare letter pairs: words are cheap, random letters are not.

Where even this is too low for a model, the first reply shows it, and the adapter corrects the rest of the run.
"""

import re
from collections import Counter

_PIECES = re.compile(r" +|[A-Z]?[a-z]+|[A-Z]+|[^\x00-\x7f]+|[\x00-\x7f]", re.ASCII)
_LONE_SPACE = re.compile(r"(?<! ) (?=[\t\n\r\f\v0-9]|[^\x00-\x7f])")
# Pairs of letters that English words and identifiers are made of: a letter, and those often right after it.
_AFTER = (
    "abcdfgiklmnprstuvwxy baeilorsuy cacehiklortu dadeiorsuy eacdefgilmnopqrstvwxy faefilortu gaehilnorsu "
    "haeiortuy iabcdefgklmnoprstvz jeou keinsy ladefilostuy mabeimopsuy nacdefgiklmnostuvy "
    "oabcdfgiklmnoprstuvw paehiloprstu qu racdegiklmnoprstuvy sacehiklmopstuy taehilorstuwy "
    "uabcdegilmnprstx vaeio waehino xacpt yeops ze"
)
_COMMON = frozenset(row[0] + letter for row in _AFTER.split() for letter in row[1:])


def estimate(text: str) -> int:
    """An upper estimate of the tokens a text takes, without any chat template."""
    if not text:
        return 0
    twelfths = 12 + 12 * len(_LONE_SPACE.findall(text))
    for piece, times in Counter(_PIECES.findall(text)).items():
        twelfths += _cost(piece) * times
    return min(-(-twelfths // 12), len(text.encode("utf-8", "surrogateescape")) + 1)


def _cost(piece: str) -> int:
    """Twelfths of a token a piece may take; a space before a word is the word's own."""
    size, first = len(piece), piece[0]
    if first > "\x7f":
        return 12 * len(piece.encode("utf-8", "surrogateescape"))
    if first == " ":
        return 12 + 12 * (size // 8) if size > 1 else 0
    if size == 1:
        return 12
    word = piece.lower()
    rare = sum(word[at : at + 2] not in _COMMON for at in range(size - 1))
    twelfths = 12 + 2 * (size - 1) + 9 * rare + 4 * max(size - 9, 0)
    return min(twelfths * 3 // 2 if piece.isupper() else twelfths, 12 * size)
