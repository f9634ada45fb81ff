"""What an endpoint answers, put together piece by piece; shapes are a stranger's, and looked at with care."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any


class Answer:
    """An answer as it comes in. `calls` is how often it was asked for."""

    def __init__(self) -> None:
        self.text = ""
        self.finish = ""
        self.refusal = ""
        self.prompt_tokens = 0
        self.answer_tokens = 0
        self.dollars = 0.0
        self.calls = 1

    def take(self, piece: object) -> None:
        if not isinstance(piece, Mapping):
            raise ValueError(str(piece)[:80])
        for choice in list(items(piece, "choices"))[:1]:
            said = choice.get("delta") or choice.get("message")
            if isinstance(said, Mapping):
                content, refusal = said.get("content"), said.get("refusal")
                if isinstance(content, list):
                    content = "".join(str(part.get("text") or "") for part in _mappings(content))
                self.text += content if isinstance(content, str) else ""
                self.refusal += refusal if isinstance(refusal, str) else ""
            self.finish = str(choice.get("finish_reason") or self.finish)
        usage = piece.get("usage")
        if isinstance(usage, Mapping):
            self.prompt_tokens = int(_number(usage.get("prompt_tokens"))) or self.prompt_tokens
            self.answer_tokens = int(_number(usage.get("completion_tokens"))) or self.answer_tokens
            self.dollars = _number(usage.get("cost")) or self.dollars  # what OpenRouter charges


def whole_characters(text: str) -> str:
    """A text that can be sent and stored: halves of a character are put together, or marked as lost."""
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def items(value: object, name: str) -> Iterator[Mapping[str, Any]]:
    held = value.get(name) if isinstance(value, Mapping) else None
    yield from _mappings(held if isinstance(held, list) else [])


def _mappings(values: Sequence[object]) -> Iterator[Mapping[str, Any]]:
    yield from (value for value in values if isinstance(value, Mapping))


def _number(value: object) -> float:
    return (
        float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) and value == value else 0.0
    )
