"""What a way of tampering is called and where it is."""

from dataclasses import dataclass
from typing import Literal

Kind = Literal[
    "machinery", "deleted", "renamed", "skipped", "weakened", "tolerance", "cases", "changed", "special-cased"
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One way in which a change tampers; `line` is 1-based in the new text, or in the old one for what is gone."""

    path: str
    line: int
    kind: Kind
    what: str

    def __str__(self) -> str:
        return f"{self.path}{f':{self.line}' if self.line else ''}: {self.what}"
