"""Keeping credentials out of prompts, logs, commits and pull requests.

`redact` is the door of prompts: it puts placeholders, and puts the secrets back where a reply quotes the lines they
stood on. `redacted` is the door of everything that is only read. `added` says what a change brings in. What counts:
the maintained detector's rules for tokens, and our own for names, addresses and key blocks. Bytes of a file that are
no UTF-8 go the way of secrets in prompts: no model could read or repeat them.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from gitagent.core.secrets import detector, rules
from gitagent.core.secrets.files import holds_credentials

__all__ = ["Redacted", "added", "holds_credentials", "redact", "redacted", "redacted_in"]

_NO_TEXT = re.compile("[\ud800-\udfff]+")
# A value found in one place is hidden wherever else it stands, unless it is so short that it may be a word.
LONG_ENOUGH = 8
_MOST_PIECES = 12
_PIECE = re.compile(r"[\w+/=-]+(?:\.[\w+/=-]+)*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Redacted:
    """A text without its secrets; `secrets` holds what each placeholder stands for. Lines stay lines."""

    text: str
    secrets: Mapping[str, str] = field(hash=False, repr=False)

    def restored(self, reply: str) -> str:
        """A reply with the secrets back in place, so that its context lines are the file's own."""
        for placeholder, secret in self.secrets.items():
            reply = reply.replace(placeholder, secret)
        return reply


def redact(text: str) -> Redacted:
    """Take private keys, access keys, tokens and passwords out of a text.

    The same secret gets the same placeholder, and no placeholder is a word the text already has.
    """
    secrets: dict[str, str] = {}
    placeholders: dict[str, str] = {}

    def hidden(secret: str, what: str = "secret") -> str:
        if secret not in placeholders:
            number = len(placeholders) + 1
            while f"[{what} {number}]" in text or f"[{what} {number}]" in secrets:
                number += 1
            placeholders[secret] = f"[{what} {number}]"
            secrets[placeholders[secret]] = secret
        return placeholders[secret]

    clean = _NO_TEXT.sub(lambda match: hidden(match[0], "bytes"), _hidden(text, hidden))
    return Redacted(text=clean, secrets=secrets)


def redacted(text: str) -> str:
    """The text with `[redacted]` where a credential stood; for what is written down and shown."""
    return _hidden(text, lambda secret: "[redacted]")


def redacted_in(value: object) -> object:
    """What `json.dumps` takes, tuples too, with every text in it redacted."""
    if isinstance(value, str):
        return redacted(value)
    if isinstance(value, list):
        return [redacted_in(item) for item in value]
    if isinstance(value, tuple):
        return tuple(redacted_in(item) for item in value)
    if isinstance(value, dict):
        return {key: redacted_in(item) for key, item in value.items()}
    return value


def added(before: str, after: str) -> tuple[str, ...]:
    """The credentials in the lines of `after` that `before` does not hold anywhere."""
    if before == after:
        return ()
    known = frozenset(before.split("\n"))
    lines = [line for line in after.split("\n") if line not in known]
    found = redact("\n".join(lines)).secrets.values() if lines else ()
    return tuple(secret for secret in found if secret not in before and not _NO_TEXT.fullmatch(secret))


def _hidden(text: str, hide: Callable[[str], str]) -> str:
    found: dict[str, str] = {}

    def put(secret: str) -> str:
        found[secret] = hide(secret)
        return found[secret]

    def key_line(match: re.Match[str]) -> str:
        # Code may stand behind a word that only looks like a block's beginning.
        is_key = " " not in match[0] or re.search(r"[A-Za-z0-9+/=]{16}", match[0])
        return put(match[0]) if is_key else match[0]

    def key_block(match: re.Match[str]) -> str:
        inside = re.sub(r"[^\s\"'\\,+()][^\n]*[^\s\"'\\,+()]", key_line, match[2])
        return match[1] + inside + match[3]

    clean = text
    for block in rules.KEY_BLOCKS if "PRIVATE KEY" in text or "Private-Lines" in text else ():
        clean = block.sub(key_block, clean)
    clean = _replaced(clean, rules.named(clean), put)
    clean = _replaced(clean, _tokens(clean), put)
    clean = _replaced(clean, _in_pieces(clean), put)
    clean = _replaced(clean, rules.cut_off(clean), put)
    for secret, instead in sorted(found.items(), key=lambda item: -len(item[0])):
        if len(secret) >= LONG_ENOUGH and secret in clean:
            clean = clean.replace(secret, instead)
    return clean


def _tokens(text: str) -> Iterator[tuple[int, int]]:
    """Where tokens stand, start and end of each."""
    for start, end in detector.stretches(text):
        line = text[start:end]
        for match in rules.TOKEN.finditer(line):
            yield start + match.start(), start + match.end()
        for value in detector.values(line):
            at = line.find(value)
            while at >= 0:
                yield start + at, start + at + len(value)
                at = line.find(value, at + len(value))


def _in_pieces(text: str) -> Iterator[tuple[int, int]]:
    """Where the pieces of tokens stand that go on in the next line, or in the next literal; whole ones are gone."""
    for start, end in rules.beginnings(text):
        pieces = [(start, end)]
        while (joint := rules.JOINT.match(text, end)) and len(pieces) < _MOST_PIECES:
            piece = _PIECE.match(text, joint.end())
            if piece is None:
                break
            pieces.append(piece.span())
            end = piece.end()
            whole = "".join(text[first:last] for first, last in pieces)
            if rules.TOKEN.fullmatch(whole):
                yield from pieces
                break


def _replaced(text: str, spans: Iterable[tuple[int, int]], put: Callable[[str], str]) -> str:
    """The text with what stands at these places taken out; of two that overlap, the first and longer."""
    pieces: list[str] = []
    at = 0
    for start, end in sorted(set(spans), key=lambda span: (span[0], -span[1])):
        if start >= at:
            pieces += [text[at:start], put(text[start:end])]
            at = end
    return "".join([*pieces, text[at:]]) if pieces else text
