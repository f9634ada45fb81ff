"""What an OpenAI-compatible server is and can do: told by its own pages, else found out once and remembered.

Pages are asked for only where the server's list of models says that it is one that has them, so that a hosted
provider gets nothing unusual. What takes a question of a few tokens is kept on disk for a week.
"""

import hashlib
import ipaddress
import json
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal

WORD = "[gitagent]"
"""What a probe's answer can only be if the server keeps to what it was told: no model says it by itself."""

QUESTION = [{"role": "user", "content": "Answer with one word: yes."}]
GRAMMAR = f'root ::= "{WORD}"\n'
SCHEMA: Mapping[str, object] = {
    "type": "object",
    "properties": {"word": {"type": "string", "enum": [WORD]}},
    "required": ["word"],
    "additionalProperties": False,
}
KEPT_SECONDS = 7 * 24 * 3600.0
# Who a list of models says its entries are owned by. Only the first two of these servers document a grammar.
_OWNERS = {"llamacpp": "llama-server", "vllm": "vLLM", "library": "Ollama", "organization_owner": "LM Studio"}
GRAMMAR_FIELDS: Mapping[str, Literal["grammar", "structured_outputs"]] = {
    "llama-server": "grammar",
    "vLLM": "structured_outputs",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What is known of one model behind one endpoint.

    `server` and `version` are "" and `window` 0 where nothing told them. `grammar` is the field a grammar goes into,
    "" if none is understood, None if nobody has asked; `schema` and `usage` (counts at the end of a stream) are
    likewise None until somebody asked. `tokens` is what asking cost, `probed_at` its time in seconds since 1970.
    """

    server: str = ""
    version: str = ""
    window: int = 0
    tokenizer: bool | None = None
    grammar: Literal["", "grammar", "structured_outputs"] | None = None
    schema: bool | None = None
    usage: bool | None = None
    tokens: int = 0
    probed_at: float = 0.0

    def with_memories(self, kept: "Capabilities | None") -> "Capabilities":
        """These facts, and from an earlier probe of the same server what only a question can tell."""
        if kept is None or (kept.server, kept.version) != (self.server, self.version):
            return self
        return replace(
            self,
            grammar=kept.grammar if self.grammar is None else self.grammar,
            schema=kept.schema if self.schema is None else self.schema,
            usage=kept.usage if self.usage is None else self.usage,
            tokenizer=kept.tokenizer if self.tokenizer is None else self.tokenizer,
            tokens=kept.tokens,
            probed_at=kept.probed_at,
        )


def grammar_field(field: str | None, grammar: str) -> dict[str, Any]:
    """A grammar as vLLM takes it, or as llama-server does."""
    return {"structured_outputs": {"grammar": grammar}} if field == "structured_outputs" else {"grammar": grammar}


Ask = Callable[[str, Mapping[str, object] | None], object]
"""GET a page of the server's root, or POST to it; its JSON, or None if there is no such page."""


def introduced(entry: Mapping[str, Any], model: str, ask: Ask) -> Capabilities:
    """What a server says about itself without answering any question. `entry` is its model in `/v1/models`."""
    server = _OWNERS.get(str(entry.get("owned_by")), "")
    windows = list(windows_of(entry))
    version: object = ""
    if server == "llama-server":
        props = _mapping(ask("/props", None))
        version = props.get("build_info")
        windows = list(_sizes(_mapping(props.get("default_generation_settings")).get("n_ctx"))) or windows
    elif server == "vLLM":
        version = _mapping(ask("/version", None)).get("version")
    elif server == "Ollama":
        version = _mapping(ask("/api/version", None)).get("version")
        windows = list(_of_ollama(model, ask))
    elif server == "LM Studio":
        listed = _mapping(ask("/api/v0/models", None)).get("data")
        for item in _mappings(listed):
            if item.get("id") == model:
                told = item.get("loaded_context_length"), item.get("max_context_length")
                windows = list(_sizes(*told))[:1] or windows
    return Capabilities(server=server, version=_word(version), window=min(windows, default=0))


def _of_ollama(model: str, ask: Ask) -> Iterator[int]:
    """The window Ollama has loaded a model with, or is told to; at most what the model was trained for."""
    running = _mapping(ask("/api/ps", None)).get("models")
    loaded = [
        size
        for item in _mappings(running)
        if model in (item.get("name"), item.get("model"), str(item.get("name")).removesuffix(":latest"))
        for size in _sizes(item.get("context_length"))
    ]
    shown = _mapping(ask("/api/show", {"model": model}))
    trained = [
        size
        for name, value in _mapping(shown.get("model_info")).items()
        if str(name).endswith(".context_length")
        for size in _sizes(value)
    ]
    told = re.search(r"^num_ctx\s+(\d{1,9})\s*$", str(shown.get("parameters") or ""), re.MULTILINE)
    yield from loaded or _sizes(int(told[1]) if told else 0)
    yield from trained


def windows_of(entry: Mapping[str, object]) -> Iterator[int]:
    """What an entry of `/models` says about the window: vLLM, OpenRouter, Groq, LM Studio, llama-server."""
    names = ("max_model_len", "context_length", "context_window", "max_context_length")
    yield from _sizes(*(entry.get(name) for name in names))
    meta = _mapping(entry.get("meta"))
    yield from _sizes(meta.get("n_ctx"), meta.get("n_ctx_train"))


def understood(answer: str) -> bool:
    """Whether an answer to the probe's question is what only a constraint makes of it."""
    return answer.strip() == WORD


def follows_schema(answer: str) -> bool:
    """Whether an answer to the probe's question follows its schema."""
    try:
        return bool(json.loads(answer) == {"word": WORD})
    except (ValueError, RecursionError):
        return False


class Memory:
    """What was found out about endpoints, a small file for each model; one that cannot be written is no matter."""

    def __init__(self, directory: str, base_url: str, model: str, now: Callable[[], float] = time.time) -> None:
        name = hashlib.sha256(f"{base_url}\n{model}".encode()).hexdigest()
        self._file = Path(directory) / "endpoints" / f"{name}.json"
        self._now = now

    def recall(self) -> Capabilities | None:
        """What was found out, None if nothing was, or too long ago."""
        try:
            told = json.loads(self._file.read_text(encoding="utf-8"))
            known = Capabilities(**{one.name: told[one.name] for one in fields(Capabilities)})
            fresh = 0 <= self._now() - known.probed_at < KEPT_SECONDS
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return known if fresh else None

    def keep(self, known: Capabilities) -> Capabilities:
        """Write down what was found out just now; the same with its time."""
        known = replace(known, probed_at=round(self._now(), 3))
        part = self._file.with_suffix(f".{os.getpid()}.part")
        try:
            part.parent.mkdir(parents=True, exist_ok=True)
            part.write_text(json.dumps(asdict(known)), encoding="utf-8")
            part.replace(self._file)
        except OSError:
            pass  # it is found out again next time
        return known


def is_this_machine(host: str) -> bool:
    """Whether a host, with or without port, is this machine itself."""
    name = host.rpartition(":")[0] if re.search(r":\d+$", host) else host
    if name.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False


def _sizes(*values: object) -> Iterator[int]:
    for value in values:
        if isinstance(value, (int, float)) and not isinstance(value, bool) and 256 <= value < 2**31:
            yield int(value)


def _word(value: object) -> str:
    """A version as a server writes it, bounded, with nothing in it that could steer a terminal."""
    return "".join(c for c in value if c.isprintable())[:60] if isinstance(value, str) else ""


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _mappings(values: object) -> Sequence[Mapping[str, Any]]:
    return [value for value in values if isinstance(value, Mapping)] if isinstance(values, list) else []
