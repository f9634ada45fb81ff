"""Reading JSON out of a model's reply, where its meaning is certain.

Accepted beside strict JSON: prose and fences around it, comments, trailing commas, single quotes, Python's
None, True and False, names without quotes, raw newlines in strings, keys in other words or with a slip of the
pen, and envelopes (`{"plan": {…}}`, a tool call with its arguments as a string). Two answers that differ, and an
answer that breaks off, are refused with a reason the model can act on. Nothing is ever evaluated.
"""

import difflib
import json
import re
from collections.abc import Collection, Mapping

from gitagent.errors import ModelError

LONGEST = 50_000
DEEPEST = 40
MOST_BRACKETS = 200  # that begin no JSON, before the rest is taken for prose
_WORDS = {"true": True, "false": False, "null": None, "none": None, "nan": None, "undefined": None}
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "0": "\0"}
_BRACKET = re.compile(r"[{\[]")
_SPACE = re.compile(r"(?:\s|//[^\n]*|#[^\n]*|/\*.*?\*/)*", re.DOTALL)
_NUMBER = re.compile(r"[+-]?(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?![\w.])")
_NAME = re.compile(r"[A-Za-z_$][\w$-]*")


class _WrongError(Exception):
    """What is not JSON; `broken_off` if only the rest of it is missing."""

    def __init__(self, reason: str, *, broken_off: bool = False) -> None:
        super().__init__(reason)
        self.broken_off = broken_off


def without_thoughts(text: str) -> str:
    """A reply without the `<think>…</think>` some models begin with."""
    match = re.match(r"\s*<(think|thinking|reasoning)>.*?(?:</\1>|\Z)", text, re.DOTALL)
    return text[match.end() :].lstrip("\n") if match else text


def read_object(
    text: str,
    keys: Mapping[str, Collection[str]],
    *,
    wanted: str,
    inside: Mapping[str, Collection[str]] | None = None,
) -> dict[str, object]:
    """The one object in a reply that has the key `wanted`, its keys put into our words.

    `keys` holds our keys and other words for them; `inside` the same for objects in the list under `wanted`, and
    a reply that is only such a list, or one object of it, is put under `wanted`. Unknown keys are dropped.
    Raises ModelError, worded for the model, if there is none, there are two that differ, or it breaks off.
    """
    found, problem = _values(without_thoughts(text))
    answers: list[dict[str, object]] = []
    for value in found:
        answer = _answer(value, keys, wanted, inside or {}, 0)
        if answer is not None and answer not in answers:
            answers.append(answer)
    if len(answers) > 1:
        raise ModelError(f"the reply holds {len(answers)} different answers; give one JSON object")
    if problem is not None and (not answers or problem.broken_off):
        raise ModelError(f"the JSON {problem}")
    if not answers:
        said = "no JSON object" if not found else f'no JSON object with "{wanted}"'
        raise ModelError(f"the reply holds {said}")
    return answers[0]


def renamed(value: Mapping[str, object], keys: Mapping[str, Collection[str]]) -> dict[str, object]:
    """An object with its keys put into our words; the exact word wins over another word for the same."""
    plain = {_plain(word): ours for ours, others in keys.items() for word in others}
    plain |= {_plain(ours): ours for ours in keys}
    out: dict[str, object] = {}
    certain: set[str] = set()
    for key, item in value.items():
        bare = _plain(str(key))
        ours = plain.get(bare)
        if ours is None:
            near = difflib.get_close_matches(bare, plain, n=1, cutoff=0.84)
            ours = plain[near[0]] if near else None
        exact = ours is not None and _plain(ours) == bare
        if ours is not None and (ours not in out or (exact and ours not in certain)):
            out[ours] = item
            if exact:
                certain.add(ours)
    return out


def _plain(word: str) -> str:
    return re.sub(r"[^a-z0-9]", "", word.lower())


def _answer(
    value: object,
    keys: Mapping[str, Collection[str]],
    wanted: str,
    inside: Mapping[str, Collection[str]],
    depth: int,
) -> dict[str, object] | None:
    if isinstance(value, str) and depth and value.lstrip()[:1] in ("{", "["):
        strings, problem = _values(value)
        value = strings[0] if len(strings) == 1 and problem is None else None
    if isinstance(value, list):
        objects = [item for item in value if isinstance(item, dict)]
        if objects and len(objects) == len(value) and all(len(renamed(item, inside)) > 1 for item in objects):
            return {wanted: [renamed(item, inside) for item in objects]}
        return _answer(objects[0], keys, wanted, inside, depth + 1) if len(value) == len(objects) == 1 else None
    if not isinstance(value, dict) or depth > 4:
        return None
    ours = renamed(value, keys)
    held = ours.get(wanted)
    if isinstance(held, str) and held.lstrip()[:1] in ("{", "["):
        strings, problem = _values(held)
        held = strings[0] if len(strings) == 1 and problem is None else held
    if isinstance(held, dict):
        # One object where a list of one was meant, or the list keyed by number or name.
        if len(renamed(held, inside)) > 1:
            held = [held]
        elif held and all(isinstance(item, dict) for item in held.values()):
            held = list(held.values())
    if isinstance(held, list):
        ours[wanted] = [renamed(item, inside) if isinstance(item, dict) else item for item in held]
        return ours
    deeper = [_answer(item, keys, wanted, inside, depth + 1) for item in value.values()]
    nested = [item for item in deeper if item is not None]
    if len(nested) == 1:
        return nested[0]
    if inside and len(renamed(value, inside)) > 1 and wanted not in ours:
        return {wanted: [renamed(value, inside)]}
    return ours if wanted in ours else None


def _values(text: str) -> tuple[list[object], _WrongError | None]:
    """Every object and array that stands in a text by itself, and what was wrong with the last that is none."""
    if len(text) > LONGEST:
        raise ModelError(f"the reply has {len(text)} characters; answer with one short JSON object")
    found: list[object] = []
    problem: _WrongError | None = None
    at = starts = 0
    while (match := _BRACKET.search(text, at)) is not None and starts < MOST_BRACKETS:
        starts += 1
        try:
            value, at = _strictly(text, match.start())
        except ValueError:
            try:
                value, at = _Reader(text).value(match.start(), 0)
            except _WrongError as wrong:
                # A bracket in prose is none of ours; an object that has begun is.
                begun = re.match(r"\{\s*(?:[\"'\w#/]|\})|\[\s*[\[{\"]", text[match.start() : match.start() + 200])
                if begun:
                    problem = wrong
                    if wrong.broken_off:
                        break
                at = match.start() + 1
                continue
        if isinstance(value, (dict, list)) and value:
            found.append(value)
    return found, problem


def _strictly(text: str, at: int) -> tuple[object, int]:
    try:
        value, end = json.JSONDecoder(strict=False).raw_decode(text, at)
    except RecursionError:
        raise ValueError("too deep") from None
    return value, end


class _Reader:
    """A forgiving JSON reader: position in, value and next position out."""

    def __init__(self, text: str) -> None:
        self.text = text

    def value(self, at: int, depth: int) -> tuple[object, int]:
        if depth > DEEPEST:
            raise _WrongError(f"is nested more than {DEEPEST} deep")
        at = self._skip(at)
        sign = self.text[at]
        if sign == "{":
            return self._object(at + 1, depth)
        if sign == "[":
            return self._array(at + 1, depth)
        if sign in "\"'`“‘":
            return self._string(at)
        if number := _NUMBER.match(self.text, at):
            digits = number[0].replace("_", "")
            return (int(digits) if re.fullmatch(r"[+-]?\d{1,18}", digits) else float(digits)), number.end()
        if word := _NAME.match(self.text, at):
            if word[0].lower() in _WORDS:
                return _WORDS[word[0].lower()], word.end()
            raise _WrongError(f'has a value without quotes: "{word[0][:40]}"')
        raise _WrongError(f'has "{self.text[at : at + 20]}" where a value was expected')

    def _skip(self, at: int) -> int:
        match = _SPACE.match(self.text, at)
        at = match.end() if match else at
        if at >= len(self.text):
            raise _WrongError("breaks off before its end; answer shorter", broken_off=True)
        return at

    def _object(self, at: int, depth: int) -> tuple[object, int]:
        out: dict[str, object] = {}
        while True:
            at = self._skip(at)
            if self.text[at] == "}":
                return out, at + 1
            if self.text[at] == ",":
                at += 1
                continue
            if self.text[at] in "\"'`“‘":
                key, at = self._string(at)
            elif name := _NAME.match(self.text, at):
                key, at = name[0], name.end()
            else:
                raise _WrongError(f'has "{self.text[at : at + 20]}" where a key was expected')
            at = self._skip(at)
            if self.text[at] not in ":=":
                raise _WrongError(f'has no ":" after the key "{key[:40]}"')
            at += 2 if self.text[at : at + 2] == "=>" else 1
            out[key], at = self.value(at, depth + 1)

    def _array(self, at: int, depth: int) -> tuple[object, int]:
        out: list[object] = []
        while True:
            at = self._skip(at)
            if self.text[at] == "]":
                return out, at + 1
            if self.text[at] == ",":
                at += 1
                continue
            item, at = self.value(at, depth + 1)
            out.append(item)

    def _string(self, at: int) -> tuple[str, int]:
        mark = {"“": "”", "‘": "’"}.get(self.text[at], self.text[at])
        if self.text.startswith(mark * 3, at):
            mark *= 3
        out: list[str] = []
        at += len(mark)
        while at < len(self.text):
            if self.text.startswith(mark, at):
                return "".join(out), at + len(mark)
            sign = self.text[at]
            at += 1
            if sign == "\\" and at < len(self.text):
                sign = self.text[at]
                at += 1
                code = {"u": 4, "x": 2}.get(sign, 0)
                if code and re.fullmatch(rf"[0-9a-fA-F]{{{code}}}", digits := self.text[at : at + code]):
                    out.append(chr(int(digits, 16)))
                    at += code
                else:
                    out.append(_ESCAPES.get(sign, sign))
            else:
                out.append(sign)
        raise _WrongError("breaks off inside a string; answer shorter", broken_off=True)
