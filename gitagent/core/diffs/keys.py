"""What makes two lines the same: exactly, or in substance, however blanks and quotes were mangled."""

import re
import unicodedata

# Typographic forms that editors, chat windows and models put in place of ASCII ones.
TYPOGRAPHIC = {
    **dict.fromkeys("‘’‚‛′ʼ＇", "'"),
    **dict.fromkeys("“”„‟″＂", '"'),
    **dict.fromkeys("‐‑‒–—―−", "-"),
}
# Shown as nothing at all; a text that lost or gained one looks unchanged.
UNSEEN = "\u200b\u200c\u200d\u2060\ufeff\u00ad"
_SIGNS = {**TYPOGRAPHIC, **dict.fromkeys(UNSEEN, ""), "…": "...", "\u00a0": " "}
_INDENT = re.compile(r"[^\S\n]*")

EXACT, SPACED, PACKED = 0, 1, 2
"""Three views of a line: as it is; blanks at the ends gone and runs of them one; no blanks at all."""


def bare(line: str) -> str:
    """The line without its newline, `\\r` included."""
    if line.endswith("\n"):
        line = line[:-1]
    return line[:-1] if line.endswith("\r") else line


def ending(line: str) -> str:
    """The newline of a line: `\\r\\n`, `\\n` or nothing."""
    if line.endswith("\r\n"):
        return "\r\n"
    return "\n" if line.endswith("\n") else ""


def indent_of(text: str) -> str:
    """The blanks a line begins with."""
    found = _INDENT.match(text)
    return found.group() if found else ""


def plain(text: str) -> str:
    """Typographic signs as ASCII, unseen characters gone, composed."""
    if text.isascii():
        return text
    text = unicodedata.normalize("NFC", text)
    for sign, ascii_sign in _SIGNS.items():
        if sign in text:  # far quicker than str.translate, where texts are long
            text = text.replace(sign, ascii_sign)
    return text


def key(text: str, view: int) -> str:
    """What stands for a line (without newline) in a view; equal keys are equal lines there."""
    if view == EXACT:
        return text
    return (" " if view == SPACED else "").join(plain(text).split())


def keys_of(lines: list[str], view: int) -> list[str]:
    """The keys of all lines (without newlines), quicker than one by one: composing stops at a newline."""
    if view == EXACT:
        return lines
    blank = " " if view == SPACED else ""
    return [blank.join(line.split()) for line in plain("\n".join(lines)).split("\n")] if lines else []
