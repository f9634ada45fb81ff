"""A GGUF model in this process, as a `ports.Model` to chat with."""

import json
import time
from collections.abc import Mapping, Sequence
from functools import cached_property
from importlib.metadata import version
from pathlib import Path

from gitagent.adapters.llama.chatting import Chat, Prompted
from gitagent.adapters.llama.decoding import Sampler
from gitagent.adapters.llama.engine import Engine, Logits, chance
from gitagent.adapters.llama.header import read_header
from gitagent.adapters.llama.installed import llguidance
from gitagent.adapters.llama.prefixes import Prefixes
from gitagent.adapters.llama.resident import digest_of, resident
from gitagent.errors import ModelError
from gitagent.events import StepStarted
from gitagent.ports import Listener
from gitagent.records import Message, Reply, Spending

SPARE = 1024
"""Cache cells beside the window's: answers sampled together share the prompt's cells, and each needs its own."""


class LlamaModel:
    """A model file with a window. It is loaded when first asked something, and `name` is its file's."""

    def __init__(
        self,
        model_path: str,
        *,
        window: int = 4096,
        listener: Listener | None = None,
        threads: int | None = None,
        parallel: int = 8,
    ) -> None:
        if not model_path:
            raise ModelError(
                "no local model is set up", hint="gitagent models pull REPOSITORY FILE && gitagent models use FILE"
            )
        self.path, self.window, self.parallel = model_path, window, parallel
        self.name = Path(model_path).name
        self._listener = listener
        self._threads = threads
        self._loaded: tuple[Engine, Chat, Prefixes] | None = None
        self._evaluated: tuple[int, Prompted, Logits] | None = None

    @cached_property
    def digest(self) -> str:
        """The sha256 hex of the model file."""
        read_header(self.path)  # says what is wrong with the file, in words
        return digest_of(self.path)

    @property
    def build(self) -> str:
        """The programs that decode, with their versions: others may come to other answers."""
        return f"llama.cpp {self.engine.build}, llguidance {version('llguidance')}"

    def count(self, messages: Sequence[Message]) -> int:
        """Tokens these messages take, chat template included."""
        return len(self.chat.prompt(messages).tokens)

    def takes_grammar(self) -> bool:
        """No: the worker beside this holds answers to grammars token by token, without GBNF."""
        return False

    def reply(
        self,
        messages: Sequence[Message],
        *,
        answer_tokens: int,
        temperature: float = 0.0,
        seed: int = 0,
        schema: Mapping[str, object] | None = None,
        grammar: str = "",
    ) -> Reply:
        """Ask. With a `schema` the answer is held to it token by token; a `grammar` is not looked at."""
        start = time.monotonic()
        prompted = self.chat.prompt(messages)
        if len(prompted.tokens) + answer_tokens > self.window:
            raise ModelError(
                f"{self.name}: the prompt takes {len(prompted.tokens)} tokens and its answer {answer_tokens}; "
                f"the window has {self.window}. Nothing was asked.",
                hint="ask for less at once, or set a larger window",
            )
        if schema is not None:
            grammar = llguidance().LLMatcher.grammar_from_json_schema(
                json.dumps(schema), overrides={"whitespace_flexible": False}
            )
        else:
            grammar = llguidance().LLMatcher.grammar_from_lark("start: /(?s:.*)/")
        sampler = Sampler(self.engine)
        (answer,), work = sampler.answers(
            sampler.matcher(grammar),
            self.evaluate(prompted),
            len(prompted.tokens),
            room=answer_tokens,
            settings=[(temperature, seed)],
        )
        text = self.text_of(answer.ids)
        if not text.strip():
            raise ModelError(f"{self.name}: the model answered nothing", hint="gitagent models list")
        return Reply(
            text=text,
            spending=Spending(
                worker="local",
                calls=1,
                prompt_tokens=len(prompted.tokens),
                answer_tokens=work.tokens,
                seconds=time.monotonic() - start,
                stays_here=True,
            ),
            finish="stop" if answer.finished else "length",
        )

    def log_probabilities(self, before: str, texts: Sequence[str]) -> list[float]:
        """How likely each of these texts is to follow `before`: the sum of its tokens' log-probabilities.

        `before` is evaluated once for all, and many texts at a time. No chat template is put around them. Raises
        ModelError if `before` and the longest text do not fit the window.
        """
        engine = self.engine
        head = engine.tokenize(before, first=True) or [max(engine.bos, 0)]
        said = [engine.tokenize(text) for text in texts]
        longest = max(map(len, said), default=0)
        if len(head) + longest > self.window:
            raise ModelError(
                f"{self.name}: {len(head)} tokens and a text of {longest} after them are to be judged; "
                f"the window has {self.window}. Nothing was asked."
            )
        first = self.evaluate(Prompted(tokens=tuple(head), head=0))
        scores = [chance(first, tokens[0]) if tokens else 0.0 for tokens in said]
        waiting = [number for number, tokens in enumerate(said) if len(tokens) > 1]
        while waiting:
            group: list[int] = []
            room = engine.cells - len(head)
            while waiting and len(group) < engine.parallel and len(said[waiting[0]]) <= room:
                group.append(waiting.pop(0))
                room -= len(said[group[-1]])
            sequences = range(1, len(group) + 1)
            engine.share(sequences)
            rows = [(sequence, len(head), said[number][:-1]) for sequence, number in enumerate(group, 1)]
            for number, found in zip(group, engine.chances(rows, [said[n][1:] for n in group]), strict=True):
                scores[number] += sum(found)
            for sequence in sequences:
                engine.drop(sequence)
        return scores

    def evaluate(self, prompted: Prompted) -> Logits:
        """Put a prompt into sequence 0 of an empty cache, its head from a saved one, and return its logits.

        A prompt that is still there from the last time is not evaluated again.
        """
        engine, _, prefixes = self._engine()
        if self._evaluated is None or self._evaluated[:2] != (engine.epoch, prompted):
            prefixes.begin(prompted.tokens[: prompted.head])
            logits = engine.feed([(0, prompted.head, prompted.tokens[prompted.head :])])[0]
            self._evaluated = (engine.epoch, prompted, logits)
        return self._evaluated[2]

    def text_of(self, tokens: Sequence[int]) -> str:
        """What tokens spell; a character left half said at the end is left out."""
        return b"".join(map(self.engine.piece, tokens)).decode("utf-8", "ignore")

    @property
    def engine(self) -> Engine:
        """The loaded model."""
        return self._engine()[0]

    @property
    def chat(self) -> Chat:
        """How this model is talked to."""
        return self._engine()[1]

    def _engine(self) -> tuple[Engine, Chat, Prefixes]:
        engine = resident(
            self.path,
            window=self.window,
            spare=SPARE if self.parallel > 1 else 0,
            parallel=self.parallel,
            threads=self._threads,
            starting=self._starting,
        )
        if self._loaded is None or self._loaded[0] is not engine:
            self._loaded = (engine, Chat(engine), Prefixes(engine, self.digest))
            self._evaluated = None
        return self._loaded

    def _starting(self) -> None:
        if self._listener is not None:
            self._listener(StepStarted(step="load model", detail=self.name))
