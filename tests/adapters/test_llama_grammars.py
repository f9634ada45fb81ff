"""The grammar as it is sent to servers lets through what the one used in-process does: asked of llama.cpp itself."""

import random
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("llama_cpp", reason="needs the extra `local`")
pytest.importorskip("llguidance", reason="needs the extra `local`")

from gitagent.adapters.llama.engine import Engine
from gitagent.adapters.llama.installed import llama_cpp, llguidance
from gitagent.core.grammar import Bounds, Ground, as_gbnf, as_lark, grammar_of, replay
from gitagent.errors import DiffError
from tests.core.test_grammar import any_answer, ground_of
from tests.gguf_maker import write_model

pytestmark = pytest.mark.local_model

TEXTS = [
    "a\nb\nc\nd\ne\n",
    "a\r\nb\r\n\r\nc\r\n",
    "a\nb",
    "x",
    "",
    "\x0c\n\x7f\n\té\ne\u0301 \u2028\n😀\n@@ -1 +1 @@\n\\ No newline at end of file\n```\n+\n",
    'a "quoted\\" line\n[^x]\n/y/\n',
]


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    path = write_model(tmp_path_factory.mktemp("models") / "random.gguf", width=32)
    engine = Engine(str(path), window=512, cells=512, parallel=1, threads=1)
    yield engine
    engine.close()


def llama_accepts(engine: Engine, gbnf: str, answer: str) -> bool:
    """Whether llama.cpp's own grammar sampler lets each token of an answer through, and then its end."""
    lib = llama_cpp()
    sampler = lib.llama_sampler_init_grammar(engine.vocab, gbnf.encode(), b"root")
    assert sampler, gbnf
    data = np.zeros(1, [("id", np.int32), ("logit", np.float32), ("p", np.float32)])
    array = lib.llama_token_data_array()
    try:
        for token in [*engine.tokenize(answer), min(engine.ends)]:
            data["id"], data["logit"] = token, 0.0
            array.data = data.ctypes.data_as(type(array.data))
            array.size, array.selected, array.sorted = 1, -1, False
            lib.llama_sampler_apply(sampler, array)
            if not np.isfinite(data["logit"][0]):
                return False
            if token not in engine.ends:
                lib.llama_sampler_accept(sampler, token)
        return True
    finally:
        lib.llama_sampler_free(sampler)


def llguidance_accepts(engine: Engine, lark: str, answer: str) -> bool:
    """Whether the matcher used in-process lets an answer through."""
    matcher = llguidance().LLMatcher(engine.tokenizer, lark, log_level=0)
    tokens = engine.tokenize(answer)
    return (
        matcher.validate_tokens(tokens) == len(tokens)
        and matcher.consume_tokens(tokens)
        and matcher.is_accepting()
    )


def mutated(answer: str, rng: random.Random) -> str:
    """An answer with one character left out, doubled or replaced, or one line left out, doubled or moved."""
    at = rng.randrange(len(answer))
    lines = answer.split("\n")
    line = rng.randrange(len(lines))
    return rng.choice(
        [
            answer[:at] + answer[at + 1 :],
            answer[:at] + answer[at] + answer[at:],
            answer[:at] + rng.choice("+- @\n\\x\x07é\r") + answer[at + 1 :],
            "\n".join(lines[:line] + lines[line + 1 :]),
            "\n".join(lines[: line + 1] + lines[line:]),
            "\n".join([*lines[line:], *lines[:line]]),
        ]
    )


def replayed(ground: Ground, answer: str) -> str:
    """Why an answer is refused, "" if it is not or if only its outcome is the same text."""
    try:
        replay(ground, answer)
    except DiffError as error:
        return "" if "the diff changes nothing" in str(error) else str(error)
    return ""


@settings(max_examples=120, deadline=None)
@given(text=st.sampled_from(TEXTS), seed=st.integers(0, 10**6), small=st.booleans())
def test_llama_cpp_lets_through_the_answers_that_llguidance_does_and_no_others(
    engine: Engine, text: str, seed: int, small: bool
) -> None:
    rng = random.Random(seed)
    ground = ground_of(text, bounds=Bounds(hunks=2, added_lines=2, line_characters=12) if small else None)
    grammar = grammar_of(ground)
    lark, gbnf = as_lark(grammar), as_gbnf(grammar)
    answer = any_answer(grammar, rng, ground.newline, most=20)
    assert llguidance_accepts(engine, lark, answer)
    assert llama_accepts(engine, gbnf, answer)
    other = mutated(answer, rng)
    accepted = llguidance_accepts(engine, lark, other)
    assert llama_accepts(engine, gbnf, other) == accepted
    assert not (accepted and replayed(ground, other)), "what replay refuses, neither lets through"
