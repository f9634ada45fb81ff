"""What an answer must do next because its tokens run out, so that it ends as a diff all the same."""

from collections.abc import Callable
from typing import Literal

from gitagent.core.grammar.ground import Ground

Urge = Literal["", "change", "change next", "add", "add next", "end the line"]
"""`change` something or `add` a line, now or (`next`) once the line that is being said has ended."""

LAST = 8
"""Tokens kept to end a line with: a character of four bytes and a newline of two, and some to spare."""

BRINK = 10
"""Characters short of the most an added line may have, where it ends: with so few left it takes longest to find out
which tokens of a large vocabulary still fit."""


def urged(ground: Ground, said: bytes, left: int, room: int, takes: Callable[[str], int] = len) -> Urge:
    """What an answer should do next, "" while there is time.

    `said` is the answer so far, `left` of its `room` tokens remain, and `takes` counts the tokens of a line. An
    answer that has changed nothing when half its room is gone must change something now, and by adding where the
    file's next line would not fit; an added line that would be cut, or is about as long as it may be, ends instead.
    """
    lines = said[len(ground.head.encode()) :].split(b"\n")
    if lines[-1][:1] == b"+":
        return "end the line" if left <= LAST or _on_brink(ground, lines[-1][1:]) else ""
    if not lines[0].startswith(b"@@ ") or not lines[0].endswith(b" @@"):
        return ""  # no header yet; what follows a whole one may begin inside the token that ends it
    if any(line[:1] in (b"+", b"-") for line in lines):
        return ""
    following = bool(lines[-1])
    at = _start(ground, lines[0]) + len(lines) - 2 + following
    if at < len(ground.lines) and takes(ground.marked("-", at)) >= left and ground.bounds.added_lines:
        return "add next" if following else "add"
    if left > room // 2:
        return ""
    return "change next" if following else "change"


def _on_brink(ground: Ground, body: bytes) -> bool:
    brink = ground.bounds.line_characters - BRINK
    return len(body) >= brink > 0 and len(body.decode("utf-8", "ignore")) >= brink


def _start(ground: Ground, header: bytes) -> int:
    number = header[4:].partition(b" ")[0]
    return int(number) - ground.first_line if number.isdigit() else 0


def fits(urge: Urge, token: bytes) -> bool:
    """Whether a token, by its bytes, does what is urged. A token may reach over the end of a line."""
    if urge == "change":
        return token[:1] in (b"+", b"-")
    if urge == "add":
        return token[:1] == b"+"
    if urge == "change next":
        return b"\n " not in token
    if urge == "add next":
        return b"\n " not in token and b"\n-" not in token
    return urge != "end the line" or token in (b"\n", b"\r", b"\r\n")
