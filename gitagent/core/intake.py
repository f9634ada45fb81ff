"""From a stranger's text to a Request: cleaned, bounded, and with a key that is the same every time."""

import hashlib
import re
import unicodedata

from gitagent.core.secrets import redacted
from gitagent.errors import RequestError
from gitagent.records import Request, Source

MAX_CHARACTERS = 60_000
TRAILER = re.compile(r"^gitagent:[ \t]*(.+)$", re.IGNORECASE | re.MULTILINE)

# Characters that show nothing or reorder what is shown: text a human cannot see must not reach a model.
_HIDDEN = dict.fromkeys(
    [
        0x00AD,
        0x034F,
        0x061C,
        0x115F,
        0x1160,
        0x17B4,
        0x17B5,
        0x180E,
        0x3164,
        0xFEFF,
        0xFFA0,
        *range(0x200B, 0x2010),
        *range(0x202A, 0x202F),
        *range(0x2060, 0x2070),
        *range(0xFE00, 0xFE10),
        *range(0xFFF9, 0xFFFC),
        *range(0xE0000, 0xE1000),
    ]
)
_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
# What stands in for a picture, and what shows only under the pointer.
_IMAGE = re.compile(r"!\[(?!\])[^\]\n]*\]\(([^\s)]*)[^)\n]*\)")
_ATTRIBUTE = re.compile(
    r"\b(?:alt|title|aria-label|data-[\w-]+)\s*=\s*(?:\"[^\"]*\"|'[^']*')(?=[^<>]*>)", re.IGNORECASE
)


def hidden(text: str) -> list[str]:
    """What `clean` takes out because a human would not see it, in words for a report; [] if nothing."""
    found = []
    invisible = sum(1 for letter in text if ord(letter) in _HIDDEN)
    if invisible:
        found.append(f"{invisible} invisible character{'s' if invisible > 1 else ''}")
    text = text.translate(_HIDDEN)
    for what, pattern in (
        ("HTML comment", _COMMENT),
        ("image description", _IMAGE),
        ("HTML attribute", _ATTRIBUTE),
    ):
        count = len(pattern.findall(text))
        if count:
            found.append(f"{count} {what}{'s' if count > 1 else ''}")
    return found


def clean(text: str) -> str:
    """The text a human would see: what is hidden in it (see `hidden`) and control characters are taken out."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").translate(_HIDDEN)
    text = _COMMENT.sub("", text)
    text = _ATTRIBUTE.sub("", _IMAGE.sub(r"![](\1)", text))
    text = "".join(c for c in text if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cs", "Co"))
    return re.sub(r"\n{4,}", "\n\n\n", text).strip()


def visible(text: str) -> str:
    """The text with every character that shows nothing, or turns the writing direction, named in its place."""
    return "".join(
        one if one in "\n\t " or (one.isprintable() and ord(one) not in _HIDDEN) else f"<U+{ord(one):04X}>"
        for one in text
    )


def key_of(source: Source, reference: str, text: str) -> str:
    """The name of a request for good: an issue's number, else eight hex digits of what was asked."""
    if source == "issue":
        return reference
    kind = "text" if source == "stdin" else source
    asked = reference if source in ("commit", "test") else text
    return hashlib.sha256(f"{kind}\0{asked}".encode()).hexdigest()[:8]


def request(
    text: str,
    *,
    source: Source,
    base: str,
    reference: str = "",
    asked_by: str = "",
    tests: tuple[str, ...] = (),
) -> Request:
    """A request from what was typed, piped, labelled or committed.

    Raises RequestError if nothing a human could read is left, or it is over 60,000 characters.
    """
    if len(text) > MAX_CHARACTERS:
        raise RequestError(
            f"the request has {len(text):,} characters, at most {MAX_CHARACTERS:,} are read. Nothing was run.",
            hint="say what is wrong in a few sentences, and name the failing test with --test",
        )
    text = redacted(clean(text))
    if not any(c.isalnum() for c in text):
        raise RequestError(
            "the request is empty, expected at least a sentence. Nothing was run.",
            hint='gitagent fix "what is wrong, and what should happen instead"',
        )
    return Request(
        text=text,
        source=source,
        reference=reference,
        asked_by=asked_by,
        base=base,
        key=key_of(source, reference, text),
        tests=tests,
    )


def text_of_commit(message: str) -> str:
    """What a commit message asks: its `Gitagent: fix …` trailer if it has one, with the message as context."""
    asks = TRAILER.findall(message)
    return f"{asks[-1].strip()}\n\n{message.strip()}" if asks else message


def branch_of(request: Request) -> str:
    """The scratch branch of a request: `gitagent/<key>-<slug>`."""
    plain = unicodedata.normalize("NFKD", request.title).encode("ascii", "ignore").decode().lower()
    words = re.findall(r"[a-z0-9]+", plain)
    slug = ""
    for word in words:
        if len(slug) + len(word) > 40:
            break
        slug += ("-" if slug else "") + word
    return f"gitagent/{request.key}-{slug or 'request'}"
