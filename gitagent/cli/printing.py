"""Text of strangers on a terminal, and data on a pipe."""

import json
import re
import sys
from typing import Any

import click

# Everything a terminal obeys, but tab and newline: titles and diffs are strangers' text.
_OBEYED = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
# A line that begins so is a command to GitHub's runner.
_COMMANDS = re.compile(r"^::", re.MULTILINE)


def harmless(text: str) -> str:
    """The text without what would move the cursor, change colours, turn the writing direction or command a CI log."""
    shown = text.replace("\r\n", "\n").encode("utf-8", "backslashreplace").decode()
    return _COMMANDS.sub(" ::", _OBEYED.sub(lambda found: ascii(found[0])[1:-1], shown))


def one_line(text: str, width: int = 0) -> str:
    """The text on one line, harmless, cut to `width` characters if that is not 0."""
    line = harmless(" ".join(text.split()))
    return line if not width or len(line) <= width else line[: max(width - 1, 0)].rstrip() + "…"


def print_json(data: Any) -> None:
    """One JSON document; strings with bytes that were no UTF-8 keep them as escapes."""
    click.echo(json.dumps(data, indent=2))


def print_diff(patch: bytes) -> None:
    """A patch: coloured and harmless on a terminal, byte by byte anywhere else."""
    if not sys.stdout.isatty():
        click.echo(patch, nl=False)
        return
    click.echo(coloured(patch))


def coloured(patch: bytes) -> str:
    """The patch as git colours it, harmless."""
    lines = patch.decode("utf-8", "replace").removesuffix("\n").split("\n")
    return "\n".join(click.style(harmless(line), **_style(line)) for line in lines)


def _style(line: str) -> dict[str, Any]:
    if line.startswith(("diff ", "index ", "--- ", "+++ ", "new file", "deleted file", "similarity ", "rename ")):
        return {"bold": True}
    return {"fg": {"@": "cyan", "+": "green", "-": "red"}.get(line[:1])}
