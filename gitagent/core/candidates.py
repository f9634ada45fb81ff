"""Candidates before any test: whether they may be written, whether they can be read, and what of them is sent."""

import ast
import warnings
from collections.abc import Callable, Mapping

Texts = Mapping[str, str | None]
Edit = str | None | tuple[int, int, str]
"""The whole new text, None for no file, or how many characters stay at each end and what goes between."""


def outside(texts: Texts) -> str:
    """Why a candidate may not be written at all, or ""."""
    for path in texts:
        if not is_inside(path):
            return f"{path!r} is no path inside the tree"
    return ""


def wrong(texts: Texts, originals: Callable[[str], str | None]) -> str:
    """Why no test needs to be run on a candidate, or ""."""
    for path, text in texts.items():
        # The project may be for a later Python than ours: a file we cannot read on base either is let pass.
        if path.endswith(".py") and text is not None:
            error = _syntax_error(text)
            if error and not ((original := originals(path)) and _syntax_error(original)):
                return f"{path}:{error}"
    return ""


def _syntax_error(text: str) -> str:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(text.encode("utf-8", "surrogateescape"))
    except SyntaxError as error:
        return f"{error.lineno}: {error.msg}"
    except (ValueError, RecursionError, MemoryError) as error:
        return f" {error}"
    return ""


def is_inside(path: str) -> bool:
    """Whether a path stays in the tree, and out of git's own directory."""
    parts = path.split("/")
    return not any(part in ("", ".", "..") for part in parts) and "\0" not in path and parts[0] != ".git"


def edit(original: str | None, text: str | None) -> Edit:
    """What leads from one text to another, as `inside/edits.py` reads it."""
    if original is None or text is None:
        return text
    before = _shared(original, text, min(len(original), len(text)))
    most = min(len(original), len(text)) - before
    after = _shared(original[::-1][:most], text[::-1][:most], most)
    return before, after, text[before : len(text) - after]


def _shared(one: str, other: str, most: int) -> int:
    """How many characters two texts begin with alike."""
    low = 0
    while low < most:
        middle = (low + most + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            most = middle - 1
    return low
