"""What an answer must do next because its tokens run out, so that it ends as a diff all the same."""

from typing import Literal

from gitagent.core.grammar.ground import Ground

Urge = Literal["", "change", "stop walking", "end the line"]

LAST = 8
"""Tokens kept to end a line with: a character of four bytes and a newline of two, and some to spare."""


def urged(ground: Ground, said: bytes, left: int, room: int) -> Urge:
    """What an answer should do next, "" while there is time.

    `said` is the answer so far, `left` of its `room` tokens remain. An answer that has changed nothing when half
    its room is gone must change something now; an added line that would be cut ends instead.
    """
    body = said[len(ground.head.encode()) :]
    lines = body.split(b"\n")
    if lines[-1][:1] == b"+":
        return "end the line" if left <= LAST else ""
    if left > room // 2 or not body.startswith(b"@@") or any(line[:1] in (b"+", b"-") for line in lines):
        return ""
    return "stop walking" if lines[-1] else "change"


def fits(urge: Urge, token: bytes) -> bool:
    """Whether a token, by its bytes, does what is urged. A token may reach over the end of a line."""
    if urge == "change":
        return token[:1] in (b"+", b"-")
    if urge == "stop walking":
        return b"\n " not in token
    return urge != "end the line" or token in (b"\n", b"\r", b"\r\n")
