"""Whether new texts of files are still what their names say."""

import ast
import warnings
from collections.abc import Mapping


def broken(texts: Mapping[str, str | None]) -> str:
    """Why new texts, by path, cannot be a step to anything, "" if they can: a Python file would be none."""
    for path, text in texts.items():
        if text is None or not path.endswith(".py"):
            continue
        try:
            with warnings.catch_warnings(action="ignore"):
                ast.parse(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            where = f" at line {error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
            return f"{path} would be no Python any more{where}"
    return ""
