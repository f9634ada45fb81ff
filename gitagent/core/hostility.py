"""Whether a change reaches for the machinery of tests and processes, judged before any of it is run.

A test run can be fooled from inside: whoever shares its interpreter can change its reports. What a diff adds is
therefore looked at, by syntax tree: `is_suspicious` is quick and wary, and only decides that a candidate is
tried in a process of its own; `refusal` names what may not be committed at all.
"""

import re
from collections.abc import Mapping

_WARY = re.compile(
    r"\b(import|exec|eval|compile|open|globals|locals|vars|setattr|delattr|getattr|breakpoint|input|exit|quit|os|sys"
    r"|gc|ctypes|signal|atexit|threading|inspect|builtins|pytest|unittest|subprocess|socket|multiprocessing)\b|__\w"
)


def is_suspicious(texts: Mapping[str, str | None], originals: Mapping[str, str | None]) -> bool:
    """Whether a change adds a word with which it could reach beyond its own function."""
    for path, text in texts.items():
        if text is None:
            continue
        before = set((originals.get(path) or "").split("\n"))
        if any(_WARY.search(line) for line in text.split("\n") if line not in before):
            return True
    return False
