"""Messages as the tokens a model was trained to see, by the chat template in its own GGUF file."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gitagent.adapters.llama.engine import Engine
from gitagent.adapters.llama.installed import chat_formatter
from gitagent.records import Message

# Private-use characters stand for the contents while the template is rendered.
_MARK = "\ue0f0{}\ue0f1"


@dataclass(frozen=True, slots=True)
class Prompted:
    """A prompt in tokens. The first `head` of them do not depend on what the last message says."""

    tokens: tuple[int, ...]
    head: int

    def followed_by(self, opening: Sequence[int]) -> "Prompted":
        """The same prompt with the beginning of the answer already said."""
        return Prompted((*self.tokens, *opening), self.head)


class Chat:
    """Turns messages into tokens. What a message says never becomes a control token, whatever it spells."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._formatter: Any = None
        template = engine.chat_template()
        if template:
            eos = min(engine.ends, default=-1)
            self._formatter = chat_formatter(template, bos=engine.spoken(engine.bos), eos=engine.spoken(eos))

    def prompt(self, messages: Sequence[Message]) -> Prompted:
        """The tokens of a conversation, up to where the model is to speak."""
        pieces = self._pieces(messages)
        tokens: list[int] = []
        head = 0
        last = max((at for at, (_, ours) in enumerate(pieces) if ours), default=0)
        bos = self._formatter is None
        for at, (text, ours) in enumerate(pieces):
            if at == last:
                head = len(tokens)
            if text:
                tokens += self._engine.tokenize(text, special=not ours, first=bos)
                bos = False
        return Prompted(tokens=tuple(tokens), head=head)

    def _pieces(self, messages: Sequence[Message]) -> list[tuple[str, bool]]:
        """The rendered conversation cut into the template's own text and (true) what the messages say."""
        marks = [_MARK.format(number) for number in range(len(messages))]
        shown = self._rendered([(message.role, mark) for message, mark in zip(messages, marks, strict=True)])
        if shown is None and messages and messages[0].role == "system":
            # Some templates know no system role; then its text goes before the first question.
            first, rest = messages[1:2], messages[2:]
            joined = [Message(role="user", content="\n\n".join(m.content for m in (messages[0], *first))), *rest]
            return self._pieces(joined)
        if shown is None:
            return [("\n\n".join(message.content for message in messages) + "\n\n", True)]
        pieces: list[tuple[str, bool]] = []
        for mark, message in zip(marks, messages, strict=True):
            before, found, after = shown.partition(mark)
            if not found:
                continue  # the template leaves this message out
            pieces += [(before, False), (message.content, True)]
            shown = after
        return [*pieces, (shown, False)]

    def _rendered(self, turns: Sequence[tuple[str, str]]) -> str | None:
        if self._formatter is None:
            return None
        messages = [{"role": role, "content": mark} for role, mark in turns]
        try:
            shown: str = self._formatter(messages=messages, enable_thinking=False).prompt
        except Exception:  # noqa: BLE001 - a stranger's template: whatever it raises, it cannot show these turns
            return None
        return shown
