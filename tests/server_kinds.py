"""The five kinds of server gitagent meets, each with the pages its documentation describes.

A field a server does not know is passed over, but by the hosted provider, which refuses the request. A grammar of
one literal and a schema of one word are kept to; `decoder` keeps to any other grammar.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from tests.scripted_server import Answer, Asked

MODEL = "scripted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A server by its pages. `grammar` is the field it takes one in, "" if none."""

    owner: str
    about: Mapping[str, object] = field(default_factory=dict)
    pages: Mapping[str, object] = field(default_factory=dict)
    tokenize: str | None = None
    grammar: str = ""
    schema: bool = True
    strict: bool = False
    decoder: Callable[[str, Asked], Answer] | None = None

    @property
    def models(self) -> Sequence[Mapping[str, object]]:
        return ({"id": MODEL, "object": "model", "owned_by": self.owner, **self.about},)

    def minded(self, asked: Asked) -> Answer | None:
        body = asked.body
        unknown = {"grammar", "structured_outputs"} & set(body)
        if self.strict and unknown:
            return Answer(status=400, error=f"Unrecognized request argument supplied: {min(unknown)}")
        if self.grammar and self.grammar in body:
            held = body[self.grammar]
            grammar = held["grammar"] if isinstance(held, Mapping) else held
            if literal := re.fullmatch(r'root ::= "([^"\\]*)"\n?', grammar):
                return Answer(text=literal[1])
            return self.decoder(grammar, asked) if self.decoder is not None else None
        if self.schema and "response_format" in body:
            wanted = body["response_format"]["json_schema"]["schema"]["properties"]
            if all("enum" in one for one in wanted.values()):
                return Answer(text=json.dumps({name: one["enum"][0] for name, one in wanted.items()}))
        return None


def llama_server(decoder: Callable[[str, Asked], Answer] | None = None, *, window: int = 2048) -> Kind:
    """llama.cpp's server: tools/server/README.md, "GET /props" and "POST /completion"."""
    return Kind(
        owner="llamacpp",
        about={"meta": {"n_ctx_train": 32768, "n_vocab": 4096}},
        pages={"/props": {"default_generation_settings": {"n_ctx": window}, "build_info": "b8681-0badc0de"}},
        tokenize="llama",
        grammar="grammar",
        decoder=decoder,
    )


VLLM = Kind(
    owner="vllm",
    about={"max_model_len": 3072, "root": "org/model"},
    pages={"/version": {"version": "0.12.0"}},
    tokenize="vllm",
    grammar="structured_outputs",
)
OLLAMA = Kind(
    owner="library",
    pages={
        "/api/version": {"version": "0.13.1"},
        "/api/ps": {"models": []},
        "/api/show": {
            "parameters": 'stop    "<|im_end|>"\nnum_ctx    2560',
            "model_info": {"general.architecture": "qwen2", "qwen2.context_length": 32768},
        },
    },
)
OLLAMA_LOADED = Kind(
    owner="library",
    pages={
        "/api/version": {"version": "0.13.1"},
        "/api/ps": {"models": [{"name": f"{MODEL}:latest", "model": f"{MODEL}:latest", "context_length": 3584}]},
        "/api/show": {"parameters": "", "model_info": {"qwen2.context_length": 32768}},
    },
)
LM_STUDIO = Kind(
    owner="organization_owner",
    pages={
        "/api/v0/models": {
            "object": "list",
            "data": [
                {"id": "other", "state": "not-loaded", "max_context_length": 1024},
                {"id": MODEL, "state": "loaded", "max_context_length": 32768, "loaded_context_length": 3328},
            ],
        }
    },
)
HOSTED = Kind(owner="openai", strict=True)
