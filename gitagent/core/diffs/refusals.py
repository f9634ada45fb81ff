"""Why a reply was refused, typed: where, what kind, and words that a small model can act on."""

from typing import Literal

from gitagent.errors import DiffError

Kind = Literal[
    "no diff",  # nothing in the reply reads as one
    "truncated",  # it breaks off inside a change
    "no file",  # it changes a file that is not there, or makes one that is
    "not found",  # a hunk fits nowhere
    "ambiguous",  # a hunk fits several places, or its place is plain and its meaning is not
    "conflict",  # two hunks want different things of the same lines
    "no change",  # everything it asks for is there already
    "forbidden",  # a path, a mode or a kind of change that may not be
    "binary",  # not text
    "too large",
]


class Refused(DiffError):
    """A diff that was not applied. `path` is "" and `line` 0 where there is none; `line` counts in the reply."""

    def __init__(self, kind: Kind, path: str, message: str, *, line: int = 0, hint: str = "") -> None:
        place = shown(path) + ": " if path else ""
        super().__init__(place + message, hint=hint)
        self.kind: Kind = kind
        self.path = path
        self.line = line


def shown(text: str, width: int = 160) -> str:
    """A path or line as it can be printed: one line, no control characters, bounded."""
    text = text[: width + 1]
    plain = text if text.isprintable() else text.encode("utf-8", "backslashreplace").decode()
    plain = "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in plain)
    return plain if len(plain) <= width else plain[: width - 1] + "…"
