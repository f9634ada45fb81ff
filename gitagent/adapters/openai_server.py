"""Any endpoint that speaks OpenAI's chat completions: a hosted one, vLLM, Ollama, llama-server, LM Studio."""

import contextlib
import hashlib
import json
import math
import os
import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from gitagent.adapters import openai_probe as probe
from gitagent.adapters.openai_answers import Answer, items, whole_characters
from gitagent.adapters.openai_errors import Endpoint, clean, never_connected, out_of_money, retry_after
from gitagent.config import user_cache_path
from gitagent.core.ledger import Price, price_of
from gitagent.core.microtasks import estimate, redact
from gitagent.errors import ModelError
from gitagent.records import Message, Reply, Spending

if TYPE_CHECKING:
    import openai

# What a chat template puts around the messages, and around each of them; docs/models.md says how it was measured.
TEMPLATE_TOKENS, MESSAGE_TOKENS = 16, 8
# An endpoint did not read all of a prompt if it counts less than this share of what its own tokenizer counted, or,
# where it has none, fewer tokens than one per so many signs: the densest text measured has 8 in a token.
LEAST_SHARE, MOST_SIGNS = 0.7, 12
LONGEST_WAIT_SECONDS = 60.0
LEAST_KEY = 16
_GRAMMARS = ("grammar", "structured_outputs")
_OPTIONAL = ("stream_options", "response_format", "seed", "temperature", "max_tokens", *_GRAMMARS)


class OpenAIServer:
    """A model behind an OpenAI-compatible endpoint, as in `ports.Model`.

    `base_url` usually ends in `/v1`. `window` is lowered to what the endpoint says it has. The prices are dollars
    per million prompt and answer tokens; `prices` holds pairs of them by the beginning of a model's name, and
    wins. `key_name` is the environment variable the key came from, for hints; the key itself is in no message.
    `timeout_seconds` is for a whole answer, `left` says what there is of time for it. Requests that met a limit or a
    broken server are sent at most `tries` times, after at most `longest_wait_seconds`.
    """

    def __init__(
        self,
        base_url: str,
        model: str,
        *,
        api_key: str = "",
        key_name: str = "GITAGENT_API_KEY",
        window: int = 4096,
        timeout_seconds: float = 300.0,
        tries: int = 4,
        prompt_price: float = 0.0,
        answer_price: float = 0.0,
        prices: Mapping[str, tuple[float, float]] | None = None,
        worker: str = "api",
        longest_wait_seconds: float = LONGEST_WAIT_SECONDS,
        left: Callable[[], float] = lambda: math.inf,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        scheme, host, path = _address(base_url)
        if not host:
            raise ModelError(
                f'the model\'s base URL "{clean(base_url, api_key)}" is no http(s) address. Nothing was sent.',
                hint="set it like https://api.openai.com/v1 or http://localhost:8080/v1",
            )
        self.name = model
        self.window = window
        self.digest = hashlib.sha256(f"{scheme}://{host}{path}\n{model}".encode()).hexdigest()
        self._endpoint = Endpoint(
            name=model,
            host=host,
            base_url=f"{scheme}://{host}{path}",
            key=api_key,
            key_name=key_name,
            timeout_seconds=timeout_seconds,
            tries=tries,
        )
        self.key = api_key  # for another model behind the same endpoint
        self._base_url, self._host, self._key = base_url.rstrip("/"), host, api_key
        self._timeout_seconds, self._tries, self._sleep = timeout_seconds, tries, sleep
        self._price = price_of(prices or {}, model) or Price(prompt_price, answer_price)
        self._worker, self._longest_wait_seconds = worker, longest_wait_seconds
        self.stays_here = probe.is_this_machine(host)
        self._left = left
        self._client: openai.OpenAI | None = None
        self._lock = threading.Lock()
        self._refused: set[str] = set()
        self._streams = True
        self._tokenizes = True
        self._correction = 1.0
        self._counted: dict[tuple[Message, ...], int] = {}
        self._about = probe.Capabilities()
        self._memory = probe.Memory(user_cache_path(os.environ), self._endpoint.base_url, model)
        self._probing = (0, 0)  # tokens of probes, booked with the next answer

    def preload(self) -> threading.Thread:
        """Begin, on a thread of its own, what takes time before the first question; others go on meanwhile."""
        thread = threading.Thread(target=self._ready, name="gitagent-openai", daemon=True)
        thread.start()
        return thread

    def count(self, messages: Sequence[Message]) -> int:
        """Tokens of these messages: by the endpoint's own tokenizer where it has one, else an upper estimate."""
        self._ready()
        key = tuple(messages)
        if key not in self._counted:
            if len(self._counted) > 256:
                self._counted.clear()
            exact = self._tokenized(messages) if self._tokenizes else None
            self._counted[key] = _estimated(messages) if exact is None else exact
        return -int(-self._counted[key] * self._correction // 1)

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
        """Ask, streaming, as in `ports.Model`. Raises ModelError if the prompt and answer exceed the window."""
        counted = self.count(messages)
        if counted + answer_tokens > self.window:
            raise ModelError(
                f"a prompt of {counted} tokens and an answer of {answer_tokens} do not fit the window of "
                f"{self.window}. Nothing was sent.",
                hint="split the task, or set a larger window",
            )
        fields: dict[str, Any] = {
            "model": self.name,
            "messages": _plain(messages),
            "max_tokens": answer_tokens,
            "temperature": temperature,
            "seed": seed,
            "stream_options": {"include_usage": True},
        }
        if schema is not None:
            form = {"name": "answer", "strict": True, "schema": dict(schema)}
            fields["response_format"] = {"type": "json_schema", "json_schema": form}
        if grammar and self.takes_grammar():
            fields |= probe.grammar_field(self._about.grammar, grammar)
        began = time.monotonic()
        answer = self._asked(fields, answer_tokens)
        seconds = time.monotonic() - began
        self._check_read(answer, counted, messages)
        # Who asks for an object asks again with more room; a model may think longer than its answer is.
        if not answer.text.strip() and (schema is None or answer.finish != "length"):
            self._complain_of_nothing(answer, answer_tokens)
        prompt_tokens = (answer.prompt_tokens or counted) + self._probing[0]
        given_tokens = (answer.answer_tokens or estimate(answer.text)) + self._probing[1]
        self._probing = (0, 0)
        dollars = (prompt_tokens * self._price.prompt + given_tokens * self._price.answer) / 1_000_000
        spending = Spending(
            worker=self._worker,
            calls=answer.calls,
            prompt_tokens=prompt_tokens,
            answer_tokens=given_tokens,
            dollars=answer.dollars or dollars,
            seconds=seconds,
            stays_here=self.stays_here,
        )
        # Some servers say back what they were sent; shorter keys are words that mean none.
        text = answer.text.replace(self._key, "[key]") if len(self._key) >= LEAST_KEY else answer.text
        return Reply(text=text, spending=spending, finish="length" if answer.finish == "length" else "stop")

    # The client, and what the endpoint tells about itself

    def _ready(self) -> "openai.OpenAI":
        with self._lock:
            if self._client is None:
                import openai

                client = openai.OpenAI(
                    base_url=self._base_url,
                    api_key=self._key or "none",
                    max_retries=0,
                    timeout=openai.Timeout(self._timeout_seconds, connect=min(10.0, self._timeout_seconds)),
                )
                client.chat.completions.create  # noqa: B018 - loads what the first question would wait for
                self._learn(client)
                self._client = client
            return self._client

    def _learn(self, client: "openai.OpenAI") -> None:
        """Lower the window to what the endpoint offers, where it says; being told nothing is fine."""
        import openai

        with contextlib.suppress(openai.OpenAIError, ValueError):
            listed = client.get(f"{self._base_url}/models", cast_to=object, options={"timeout": 5.0})
            for entry in items(listed, "data"):
                if entry.get("id") in (self.name, f"{self.name}:latest"):
                    self._about = probe.introduced(
                        entry, self.name, lambda path, body: self._page(client, path, body)
                    )
                    self.window = min(self.window, self._about.window or self.window)
        self._about = self._about.with_memories(self._memory.recall())

    def _page(self, client: "openai.OpenAI", path: str, body: Mapping[str, object] | None) -> object:
        """A page beside the endpoint that only some servers have; None if this one has it not."""
        import openai

        address = re.sub(r"/v\d+$", "", self._base_url) + path
        try:
            if body is None:
                return client.get(address, cast_to=object, options={"timeout": 5.0})
            return client.post(address, cast_to=object, body=body, options={"timeout": 5.0})
        except (openai.OpenAIError, ValueError):
            return None

    # What only a question tells

    def takes_grammar(self) -> bool:
        """Whether answers can be held to a GBNF grammar.

        A server that documents it is asked once, in a few tokens; one that does not is believed.
        """
        self._ready()
        if self._about.grammar is None:
            field = probe.GRAMMAR_FIELDS.get(self._about.server)
            if field is None:
                return False
            self._about = self._memory.keep(self._with_grammar(self._about, (field,)))
        return bool(self._about.grammar) and self._about.grammar not in self._refused

    def probed(self) -> probe.Capabilities:
        """What this endpoint can do, all of it asked anew, in some dozen tokens; the answers are remembered.

        Every way to send a grammar is tried here. Raises ModelError if the endpoint is out of reach.
        """
        self._ready()
        first = self._asked(
            {
                "model": self.name,
                "messages": probe.QUESTION,
                "max_tokens": 16,
                "stream_options": {"include_usage": True},
            },
            16,
        )
        self._book(first)
        found = self._with_grammar(self._about, _GRAMMARS)
        form = {"name": "answer", "strict": True, "schema": dict(probe.SCHEMA)}
        answer = self._probe({"response_format": {"type": "json_schema", "json_schema": form}})
        self.count((Message(role="user", content="a"),))
        self._about = self._memory.keep(
            replace(
                found,
                schema=answer is not None and probe.follows_schema(answer.text),
                usage=first.prompt_tokens > 0 and self._streams,
                tokenizer=self._tokenizes,
                tokens=sum(self._probing),
            )
        )
        return self._about

    def known(self) -> probe.Capabilities | None:
        """What an earlier run found out about this endpoint, None if none did; nothing is sent."""
        return self._memory.recall()

    def _with_grammar(self, known: probe.Capabilities, ways: Sequence[Any]) -> probe.Capabilities:
        for field in ways:
            answer = self._probe(probe.grammar_field(field, probe.GRAMMAR))
            if answer is not None and probe.understood(answer.text):
                return replace(known, grammar=field)
        return replace(known, grammar="")

    def _probe(self, fields: Mapping[str, Any]) -> Answer | None:
        """The answer to one small question, None if the endpoint has none with these fields."""
        import openai

        sent = {"model": self.name, "messages": probe.QUESTION, "max_tokens": 16, "temperature": 0.0, **fields}
        try:
            answer = self._once(self._ready(), sent, 16)
        except (openai.OpenAIError, ModelError, ValueError):
            return None
        if answer is not None:
            self._book(answer)
        return answer

    def _book(self, answer: Answer) -> None:
        given = answer.answer_tokens or estimate(answer.text)
        self._probing = (self._probing[0] + (answer.prompt_tokens or 16), self._probing[1] + given)

    def _tokenized(self, messages: Sequence[Message]) -> int | None:
        """The endpoint's own count: vLLM counts messages, llama-server a text, both at `/tokenize` of the root."""
        import openai

        root = re.sub(r"/v\d+$", "", self._base_url)
        # What is only counted may be a file's own text; it leaves the machine as a question would.
        plain = _plain([replace(message, content=redact(message.content).text) for message in messages])
        text = "\n".join(message["content"] for message in plain)
        body = {"model": self.name, "messages": plain, "content": text, "add_special": True}
        try:
            told = self._ready().post(f"{root}/tokenize", cast_to=object, body=body, options={"timeout": 10.0})
        except (openai.OpenAIError, ValueError):
            self._tokenizes = False
            return None
        if isinstance(told, Mapping):
            number, tokens = told.get("count"), told.get("tokens")
            self.window = min([self.window, *probe.windows_of(told)])
            if isinstance(number, int) and not isinstance(number, bool) and number > 0:
                return number
            # A tokenizer makes at least one token of 128 characters; fewer is no answer to our question.
            if isinstance(tokens, list) and len(tokens) * 128 >= len(text):
                return len(tokens) + TEMPLATE_TOKENS + MESSAGE_TOKENS * len(messages)
        self._tokenizes = False
        return None

    # Asking, until there is an answer or none can come

    def _asked(self, fields: dict[str, Any], answer_tokens: int) -> Answer:
        import openai

        client, calls, waits = self._ready(), 0, 0
        unfinished: str | None = None
        while True:
            calls += 1
            try:
                answer = self._once(client, fields, answer_tokens)
            except openai.APITimeoutError:
                raise self._endpoint.out_of_time() from None
            except openai.APIStatusError as error:
                status, wait = error.status_code, retry_after(error.response.headers)
                if status in (400, 422) and self._drop_refused_field(fields, error):
                    continue
                if status in (400, 404, 422, 500, 501) and self._drops_schema(fields):
                    continue
                again = status in (408, 409, 429) or status >= 500
                patient = wait is None or wait <= min(self._longest_wait_seconds, self._left())
                if not again or calls >= self._tries or not patient or out_of_money(error):
                    raise self._endpoint.told(error, wait) from None
            except openai.APIConnectionError as error:
                # Nobody there stays so; a connection that broke may hold next time.
                if never_connected(error) or calls >= self._tries:
                    raise self._endpoint.unreachable(error) from None
                wait = None
            except openai.APIError as error:
                # An error told inside the stream, after status 200.
                if calls >= self._tries:
                    raise self._endpoint.told(error, None) from None
                wait = None
            except ValueError as error:
                if calls >= self._tries:
                    raise self._endpoint.nonsense(error) from None
                wait = None
            else:
                if answer is None:
                    self._streams = False  # it answered, but not as a stream
                    continue
                answer.text = whole_characters(answer.text)
                # A stream without its last piece broke off, unless this server never sends one.
                if answer.finish or answer.text == unfinished:
                    answer.calls = calls
                    return answer
                if calls >= self._tries:
                    raise self._endpoint.broke_off()
                unfinished, wait = answer.text, None
            self._sleep(min(0.5 * 2**waits, 8.0) if wait is None else wait)
            waits += 1

    def _once(self, client: "openai.OpenAI", fields: Mapping[str, Any], answer_tokens: int) -> Answer | None:
        """One request; None if a stream was asked for and none came."""
        import openai

        sent = {name: value for name, value in fields.items() if name not in self._refused}
        if "max_tokens" in self._refused:
            sent["max_completion_tokens"] = fields["max_tokens"]
        seconds = min(self._timeout_seconds, max(self._left(), 1.0))
        ends = time.monotonic() + seconds
        timeout = openai.Timeout(seconds, connect=min(10.0, seconds))
        answer = Answer()
        if not self._streams:
            sent.pop("stream_options", None)
            whole = client.post("/chat/completions", cast_to=object, body=sent, options={"timeout": timeout})
            answer.take(whole)
            answer.finish = answer.finish or "stop"
            return answer
        create: Any = client.chat.completions.create
        unusual = {name: sent.pop(name) for name in _GRAMMARS if name in sent}
        with create(**sent, stream=True, extra_body=unusual or None, timeout=timeout) as stream:
            told = False
            for chunk in stream:
                told = True
                answer.take(chunk.to_dict(mode="json", warnings=False))
                if time.monotonic() > ends:
                    raise self._endpoint.out_of_time()
                if len(answer.text) > 64 * answer_tokens + 4096:
                    answer.finish = "length"  # it does not keep to max_tokens
                    break
            kind = stream.response.headers.get("content-type", "")
        return answer if told or "event-stream" in kind else None

    def _drop_refused_field(self, fields: dict[str, Any], error: "openai.APIStatusError") -> bool:
        """Whether the endpoint complained of a field it can do without, which is left out from now on."""
        said = json.dumps(error.body, default=str).lower() if error.body else str(error).lower()
        for name in _OPTIONAL:
            hinted = name in said or (name == "response_format" and "json_schema" in said)
            hinted = hinted or (name in _GRAMMARS and "grammar" in said)
            if hinted and name in fields and name not in self._refused:
                if name == "max_tokens" and "max_completion_tokens" not in said:
                    continue
                self._refused.add(name)
                return True
        return False

    def _drops_schema(self, fields: dict[str, Any]) -> bool:
        """Whether there is a schema to leave out from now on: servers that take none do not always say so."""
        if "response_format" not in fields or "response_format" in self._refused:
            return False
        self._refused.add("response_format")
        return True

    # What is wrong, in one line

    def _check_read(self, answer: Answer, counted: int, messages: Sequence[Message]) -> None:
        """Learn from the endpoint's own count, and refuse an answer to half a question."""
        if not answer.prompt_tokens:
            return
        if answer.prompt_tokens > counted:
            self._correction *= answer.prompt_tokens / counted
        signs = sum(len("".join(message.content.split())) for message in messages)
        least = counted * LEAST_SHARE if self._tokenizes else signs / MOST_SIGNS
        if counted > 400 and answer.prompt_tokens < least:
            raise self._endpoint.half_read(answer.prompt_tokens, counted)

    def _complain_of_nothing(self, answer: Answer, answer_tokens: int) -> None:
        if answer.finish == "content_filter":
            raise ModelError(f"the content filter of {self._host} withheld the answer.", hint="set another model")
        if answer.refusal:
            raise ModelError(
                f"{self.name} refused: {self._endpoint.clean(answer.refusal)}", hint="set another model"
            )
        if answer.finish == "length":
            raise ModelError(
                f"{self.name} used up its {answer_tokens} answer tokens without a word of answer.",
                hint="set a larger window, or a model that thinks less before it answers",
            )
        raise ModelError(f"{self.name} at {self._host} answered nothing.", hint="ask again, or set another model")


def _plain(messages: Sequence[Message]) -> list[dict[str, str]]:
    return [{"role": message.role, "content": whole_characters(message.content)} for message in messages]


def _estimated(messages: Sequence[Message]) -> int:
    return TEMPLATE_TOKENS + sum(MESSAGE_TOKENS + estimate(message.content) for message in messages)


def _address(base_url: str) -> tuple[str, str, str]:
    """Scheme, host with port and path of an http(s) address, without user or password; the host "" for none."""
    try:
        address = urlsplit(base_url)
        port = address.port
    except ValueError:
        return "", "", ""
    if address.scheme not in ("http", "https") or not address.hostname:
        return "", "", ""
    host = f"[{address.hostname}]" if ":" in address.hostname else address.hostname
    return address.scheme, f"{host}:{port}" if port else host, address.path.rstrip("/")
