"""Sampling several answers to one prompt at once, each held to a grammar by llguidance.

What the grammar forces is not sampled: it goes into the next batch together with the token that was. So a
step costs one evaluation for all answers, however many tokens it adds to each.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from gitagent.adapters.llama.engine import Engine, Logits
from gitagent.adapters.llama.installed import llguidance
from gitagent.core.grammar import Urge, fits
from gitagent.errors import ModelError

LEAST_LIKELY = 0.02
"""Tokens less likely than this share of the likeliest are not drawn: small models have long bad tails."""


@dataclass(slots=True, kw_only=True)
class Answer:
    """One answer while it is made and after. `chances` holds the log-probability of each token drawn.

    `tokens` counts all tokens, `drawn` those that had to be sampled. `finished` is false if it was cut at its
    budget. `said` is what the first `told` tokens spell.
    """

    sequence: int
    temperature: float
    seed: int
    matcher: Any
    random: np.random.Generator
    ids: list[int] = field(default_factory=list)
    chances: list[float] = field(default_factory=list)
    finished: bool = False
    said: bytearray = field(default_factory=bytearray)
    told: int = 0

    @property
    def drawn(self) -> int:
        """How many tokens were sampled."""
        return len(self.chances)

    @property
    def score(self) -> float:
        """The mean log-probability of what was drawn, among what the grammar allowed."""
        return sum(self.chances) / len(self.chances) if self.chances else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What the answers to one prompt cost: evaluations by the model, after the prompt's own."""

    evaluations: int
    tokens: int


class Sampler:
    """Draws answers from an engine whose sequence 0 holds the prompt, and goes on holding it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        words = (engine.tokens + 31) // 32
        self._mask: npt.NDArray[np.int32] = np.zeros(words, np.int32)

    def opening(self, matcher: Any) -> tuple[int, ...]:
        """The tokens every answer begins with. They belong behind the prompt, to be evaluated once for all."""
        forced: list[int] = []
        self._force(matcher, forced, len(self._mask) * 32)
        return tuple(forced)

    def answers(
        self,
        matcher: Any,
        first: Logits,
        position: int,
        *,
        opening: Sequence[int] = (),
        room: int,
        settings: Sequence[tuple[float, int]],
        urged: Callable[[bytes, int], Urge] = lambda said, left: "",
    ) -> tuple[tuple[Answer, ...], Work]:
        """One answer per (temperature, seed), all after the prompt and the opening, which end before `position`.

        `matcher` has taken the opening, and `first` are the logits after it. An answer takes at most `room`
        tokens, the opening's included. `urged` is told what an answer has said and how many tokens it has left,
        and names what it should do next, where the grammar has a token for it.
        """
        engine = self._engine
        position -= len(opening)
        answers = [
            Answer(
                sequence=number,
                ids=list(opening),
                temperature=temperature,
                seed=seed,
                matcher=matcher.deep_copy(),
                random=np.random.Generator(np.random.PCG64(seed)),
            )
            for number, (temperature, seed) in enumerate(settings, 1)
        ]
        engine.share([answer.sequence for answer in answers])
        evaluations = 0
        waiting = [(answer, first) for answer in answers]
        while waiting:
            rows: list[tuple[Answer, tuple[int, int, list[int]]]] = []
            for answer, logits in waiting:
                before = len(answer.ids)
                if self._step(answer, logits, room, urged) and len(answer.ids) > before:
                    rows.append((answer, (answer.sequence, position + before, answer.ids[before:])))
            if not rows:
                break
            results = engine.feed([row for _, row in rows])
            evaluations += 1
            waiting = [(answer, logits) for (answer, _), logits in zip(rows, results, strict=True)]
        for answer in answers:
            engine.drop(answer.sequence)
        return tuple(answers), Work(evaluations=evaluations, tokens=sum(len(answer.ids) for answer in answers))

    def matcher(self, grammar: str) -> Any:
        """A matcher of this grammar over the engine's vocabulary, at its beginning."""
        package = llguidance()
        limits = package.LLParserLimits(max_items_in_row=50_000, verbose_errors=False)
        matcher = package.LLMatcher(self._engine.tokenizer, grammar, log_level=0, limits=limits)
        if matcher.is_error():
            raise ModelError(f"llguidance cannot use the grammar: {matcher.get_error()[:300]}")
        return matcher

    def _step(self, answer: Answer, logits: Logits, room: int, urged: Callable[[bytes, int], Urge]) -> bool:
        """Add what is forced, or draw one token and what it forces. False when the answer is over."""
        matcher, ends = answer.matcher, self._engine.ends
        if matcher.is_stopped():
            answer.finished = True
            return False
        mask = self.allowed(matcher, urged(self._said(answer), room - len(answer.ids)))
        token, chance = draw(logits, mask, answer.temperature, answer.random)
        answer.chances.append(chance)
        if token in ends:
            answer.finished = True
            return False
        if not matcher.consume_token(token):
            raise ModelError(f"llguidance refused a token it had allowed: {matcher.get_error()[:300]}")
        answer.ids.append(token)
        self._force(matcher, answer.ids, room)
        if matcher.is_stopped():
            answer.finished = not matcher.is_error()
            return False
        return len(answer.ids) < room

    def allowed(self, matcher: Any, urge: Urge) -> npt.NDArray[np.int32]:
        """What the grammar allows, and of that only what is urged, where there is any: a mask good until the next."""
        if urge == "end the line":
            # The few tokens that do are asked about one by one, which is faster than to find out about all.
            ending = self._such(urge)
            self._mask[:] = 0
            for token in _tokens(ending, np.flatnonzero(ending), 1).tolist():
                if matcher.validate_tokens([token]):
                    self._mask.view(np.uint32)[token // 32] |= np.uint32(1 << token % 32)
            if self._mask.any():
                return self._mask
        matcher.unsafe_compute_mask_ptr(self._mask.ctypes.data, self._mask.nbytes)
        if urge:
            fitting = self._mask & self._such(urge)
            if fitting.any():
                np.copyto(self._mask, fitting)
        return self._mask

    def _such(self, urge: Urge) -> npt.NDArray[np.int32]:
        return self._engine.such(urge, lambda token: fits(urge, token))

    def _said(self, answer: Answer) -> bytes:
        answer.said += b"".join(map(self._engine.piece, answer.ids[answer.told :]))
        answer.told = len(answer.ids)
        return bytes(answer.said)

    def _force(self, matcher: Any, ids: list[int], room: int) -> None:
        forced = [token for token in matcher.compute_ff_tokens() if token not in self._engine.ends]
        if forced and not matcher.consume_tokens(forced):
            raise ModelError(f"llguidance refused tokens it had forced: {matcher.get_error()[:300]}")
        ids += forced[: max(room - len(ids), 0)]


def draw(
    logits: Logits, mask: npt.NDArray[np.int32], temperature: float, random: np.random.Generator
) -> tuple[int, float]:
    """A token among those allowed, and its log-probability among them (at temperature 1).

    A mask of a large vocabulary mostly allows nearly nothing or nearly everything; in both cases only the words
    of the mask that are out of the ordinary are taken apart.
    """
    some, lacking = np.flatnonzero(mask), np.flatnonzero(mask != -1)
    if len(some) <= len(lacking):
        allowed = _tokens(mask, some, 1)
        allowed = allowed[allowed < len(logits)]
        if not len(allowed):
            raise ModelError("the grammar allows no token of this model's vocabulary")
        scores = logits[allowed]
    else:
        allowed = None
        scores = logits.copy()
        barred = _tokens(mask, lacking, 0)
        scores[barred[barred < len(logits)]] = -np.inf
    best = int(scores.argmax())
    scores -= scores[best]
    weights = np.exp(scores, out=scores)
    total = float(weights.sum())
    if temperature > 0:
        near = np.flatnonzero(weights >= LEAST_LIKELY)
        shares = (weights[near].astype(np.float64) ** (1.0 / temperature)).cumsum()
        best = int(near[min(int(np.searchsorted(shares, random.random() * shares[-1])), len(near) - 1)])
    token = best if allowed is None else int(allowed[best])
    return token, float(np.log(weights[best] / total))


def _tokens(mask: npt.NDArray[np.int32], words: npt.NDArray[np.intp], bit: int) -> npt.NDArray[np.intp]:
    """The tokens in these words of a mask whose bit is this one, in order."""
    bits = np.unpackbits(mask[words].view(np.uint8), bitorder="little").reshape(-1, 32)
    rows, columns = np.nonzero(bits == bit)
    return words[rows] * 32 + columns
