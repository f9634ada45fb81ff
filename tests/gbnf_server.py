"""What a real llama-server does with a grammar: llama.cpp's own GBNF sampler over a model with random weights."""

import threading
from pathlib import Path

import numpy as np

from gitagent.adapters.llama.engine import Engine
from gitagent.adapters.llama.installed import llama_cpp
from tests.scripted_server import Answer, Asked


class GbnfDecoder:
    """Decodes an answer token by token, each held to the request's grammar; `grammars` were all it was sent."""

    def __init__(self, model: Path) -> None:
        self._engine = Engine(str(model), window=4096, cells=4096, parallel=1, threads=1)
        self._lock = threading.Lock()
        self.grammars: list[str] = []

    def __call__(self, grammar: str, asked: Asked) -> Answer:
        with self._lock:
            self.grammars.append(grammar)
            return self._decoded(grammar, asked)

    def close(self) -> None:
        self._engine.close()

    def _decoded(self, grammar: str, asked: Asked) -> Answer:
        engine, lib = self._engine, llama_cpp()
        sampler = lib.llama_sampler_init_grammar(engine.vocab, grammar.encode(), b"root")
        if not sampler:
            return Answer(status=400, error="failed to parse grammar")
        data = np.zeros(engine.tokens, [("id", np.int32), ("logit", np.float32), ("p", np.float32)])
        array = lib.llama_token_data_array()
        random = np.random.default_rng(asked.body.get("seed", 0))
        prompt = engine.tokenize(asked.prompt)
        engine.forget()
        logits = engine.feed([(0, 0, prompt)])[0]
        said: list[int] = []
        finish = "length"
        while len(said) < asked.body["max_tokens"]:
            data["id"] = np.arange(engine.tokens)
            data["logit"] = logits
            array.data = data.ctypes.data_as(type(array.data))
            array.size, array.selected, array.sorted = engine.tokens, -1, False
            lib.llama_sampler_apply(sampler, array)
            scores = data["logit"].astype(np.float64)
            if asked.body.get("temperature"):
                scores = scores / asked.body["temperature"] + random.gumbel(size=len(scores))
            token = int(scores.argmax())
            if token in engine.ends:
                finish = "stop"
                break
            lib.llama_sampler_accept(sampler, token)
            said.append(token)
            logits = engine.feed([(0, len(prompt) + len(said) - 1, [token])])[0]
        lib.llama_sampler_free(sampler)
        return Answer(text=b"".join(map(engine.piece, said)).decode("utf-8", "ignore"), finish=finish)
