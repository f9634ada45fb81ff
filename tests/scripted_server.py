"""A real HTTP server that speaks OpenAI's chat completions and answers by a script.

Used by the tests, and by hand or by the benchmark as `python -m tests.scripted_server --script FILE`: it prints
its base URL and serves until it is ended. FILE is JSON: a list of answers, each a string or an object with the
fields of `Answer`, given one after the other (the last one again and again); an answer with `match` is given
whenever that text stands in the prompt, before any other.
"""

import argparse
import http.server
import json
import re
import socket
import struct
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self


def outward_address() -> str:
    """This machine's address as others see it, "" if it has none; an endpoint there counts as one elsewhere."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        try:
            asking.connect(("198.51.100.1", 9))  # nothing is sent
        except OSError:
            return ""
        found = str(asking.getsockname()[0])
    return "" if found.startswith("127.") else found


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the server does with one request.

    `status` other than 200 answers `error` (a text becomes the usual error object). `drop_after` breaks the
    connection after so many characters of the answer. `hang` answers nothing until the server stops. `usage` False
    leaves the counts out, else `prompt_tokens` is what it claims, None for what it counts. `raw` is sent as the
    whole body as it is. `stream` False answers whole even if a stream was asked for. `refuses` are fields of
    the request that make it answer 400 naming them.
    """

    text: str = ""
    status: int = 200
    error: object = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    finish: str | None = "stop"
    drop_after: int | None = None
    hang: bool = False
    usage: bool = True
    prompt_tokens: int | None = None
    raw: str | None = None
    stream: bool = True
    refuses: Sequence[str] = ()
    refusal: str = ""
    match: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request the server got. `body` is None if it was no JSON."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: Any

    @property
    def prompt(self) -> str:
        """The contents of all messages."""
        return "\n".join(str(message["content"]) for message in self.body["messages"])


class Played(Protocol):
    """A server that is passed for: its pages by path, and what it makes of a request before the script does."""

    models: Sequence[Mapping[str, object]]
    tokenize: str | None
    pages: Mapping[str, object]

    def minded(self, asked: Asked) -> Answer | None:
        """The answer its fields lead to, None where the script is to answer."""


Script = Sequence[Answer | str] | Callable[[Asked], Answer | str]


def tokens_of(text: str) -> int:
    """The server's own simple tokenizer: words, digits, marks and lines."""
    return len(re.findall(r"[A-Za-z_]{1,8}|\d|\n|[^\sA-Za-z_\d]", text))


class ScriptedServer:
    """Serves on `host` while it is entered; `url` is the base URL and `asked` every request so far.

    `models` is what `/v1/models` lists. `tokenize` is None (no such page, 404), "vllm" or "llama". `playing` is a
    server that it passes for, with its own pages, and its own mind about fields it knows or does not.
    """

    def __init__(
        self,
        script: Script = (),
        *,
        models: Sequence[Mapping[str, object]] = ({"id": "scripted", "object": "model"},),
        tokenize: str | None = None,
        port: int = 0,
        playing: "Played | None" = None,
        host: str = "127.0.0.1",
    ) -> None:
        self.playing, self._host = playing, host
        if playing is not None:
            models, tokenize = playing.models, playing.tokenize
        self.asked: list[Asked] = []
        self._script = script
        self._given = 0
        self._models = models
        self._tokenize = tokenize
        self._lock = threading.Lock()
        self._ending = threading.Event()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True  # else every answer waits 40 ms for an acknowledgement

            def do_GET(self) -> None:
                outer._serve(self)

            def do_POST(self) -> None:
                outer._serve(self)

            def log_request(self, code: object = "-", size: object = "-") -> None:
                pass  # the tests read `asked`

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: object, client_address: object) -> None:
                if not isinstance(sys.exc_info()[1], OSError):  # a client that hung up is no news
                    super().handle_error(request, client_address)

        self._server = Server((host, port), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://{self._host}:{self._server.server_address[1]}/v1"

    @property
    def chats(self) -> list[Asked]:
        """The requests that asked for an answer."""
        return [asked for asked in self.asked if asked.path == "/v1/chat/completions"]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None
    ) -> None:
        self._ending.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def serve(self) -> None:
        """Serve until interrupted."""
        with self:
            self._ending.wait()

    def _serve(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        size = int(handler.headers.get("Content-Length") or 0)
        raw = handler.rfile.read(size)
        try:
            body = json.loads(raw) if raw else None
        except ValueError:
            body = None
        headers = {name.lower(): value for name, value in handler.headers.items()}
        asked = Asked(method=handler.command, path=handler.path, headers=headers, body=body)
        with self._lock:
            self.asked.append(asked)
        pages = self.playing.pages if self.playing is not None else {}
        if handler.path in pages:
            _send(handler, 200, pages[handler.path])
        elif handler.path == "/v1/models":
            _send(handler, 200, {"object": "list", "data": list(self._models)})
        elif handler.path == "/tokenize" and self._tokenize and body is not None:
            _send(handler, 200, self._tokenized(body))
        elif handler.path == "/v1/chat/completions" and body is not None:
            self._answer(handler, asked)
        else:
            _send(handler, 404, {"error": {"message": f"no such page: {handler.path}"}})

    def _tokenized(self, body: Mapping[str, Any]) -> dict[str, object]:
        if self._tokenize == "vllm":
            number = sum(tokens_of(message["content"]) + 4 for message in body["messages"])
            return {"count": number, "max_model_len": 4096, "tokens": list(range(number))}
        return {"tokens": list(range(tokens_of(body["content"])))}

    def _next(self, asked: Asked) -> Answer:
        with self._lock:
            if callable(self._script):
                answer = self._script(asked)
            else:
                script = [Answer(text=item) if isinstance(item, str) else item for item in self._script]
                matching = [item for item in script if item.match and item.match in asked.prompt]
                plain = [item for item in script if not item.match]
                if matching:
                    answer = matching[0]
                elif plain:
                    answer = plain[min(self._given, len(plain) - 1)]
                    self._given += 1
                else:
                    answer = Answer(status=500, error="the script is empty")
        return Answer(text=answer) if isinstance(answer, str) else answer

    def _answer(self, handler: http.server.BaseHTTPRequestHandler, asked: Asked) -> None:
        answer = (self.playing.minded(asked) if self.playing is not None else None) or self._next(asked)
        refused = [name for name in answer.refuses if name in asked.body]
        if answer.hang:
            self._ending.wait()
            _hang_up(handler)
        elif refused:
            message = f"Unsupported parameter: '{refused[0]}' is not supported with this model."
            if refused[0] == "max_tokens":
                message += " Use 'max_completion_tokens' instead."
            _send(handler, 400, {"error": {"message": message, "param": refused[0]}})
        elif answer.status != 200:
            error = {"message": answer.error} if isinstance(answer.error, str) else answer.error
            _send(handler, answer.status, {"error": error}, answer.headers)
        elif answer.raw is not None:
            _send_raw(handler, 200, answer.raw.encode(), {"Content-Type": "application/json", **answer.headers})
        elif asked.body.get("stream") and answer.stream:
            self._stream(handler, asked, answer)
        else:
            message = {"role": "assistant", "content": answer.text, "refusal": answer.refusal or None}
            choice = {"index": 0, "message": message, "finish_reason": answer.finish}
            usage = {"usage": _usage(asked, answer)} if answer.usage else {}
            _send(handler, 200, _completion("chat.completion", [choice], asked) | usage)

    def _stream(self, handler: http.server.BaseHTTPRequestHandler, asked: Asked, answer: Answer) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "text/event-stream")
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()

        def event(data: str) -> None:
            piece = f"data: {data}\n\n".encode()
            handler.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
            handler.wfile.flush()

        def choice(delta: Mapping[str, object], finish: str | None = None) -> str:
            choices = [{"index": 0, "delta": delta, "finish_reason": finish}]
            return json.dumps(_completion("chat.completion.chunk", choices, asked))

        event(choice({"role": "assistant", "content": ""}))
        sent = 0
        for piece in re.findall(r".{1,24}", answer.text, re.DOTALL):
            if answer.drop_after is not None and sent + len(piece) > answer.drop_after:
                _hang_up(handler)
                return
            event(choice({"content": piece}))
            sent += len(piece)
        if answer.refusal:
            event(choice({"refusal": answer.refusal}))
        if answer.finish is not None:
            event(choice({}, answer.finish))
        options = asked.body.get("stream_options") or {}
        if answer.usage and options.get("include_usage"):
            event(json.dumps(_completion("chat.completion.chunk", [], asked) | {"usage": _usage(asked, answer)}))
        if answer.finish is not None:
            event("[DONE]")
        handler.wfile.write(b"0\r\n\r\n")


def _completion(kind: str, choices: list[dict[str, object]], asked: Asked) -> dict[str, object]:
    model = asked.body.get("model", "")
    return {"id": "chatcmpl-1", "object": kind, "created": 1, "model": model, "choices": choices}


def _usage(asked: Asked, answer: Answer) -> dict[str, int]:
    told = tokens_of(asked.prompt) + 8 if answer.prompt_tokens is None else answer.prompt_tokens
    given = tokens_of(answer.text)
    return {"prompt_tokens": told, "completion_tokens": given, "total_tokens": told + given}


def _send(
    handler: http.server.BaseHTTPRequestHandler,
    status: int,
    body: object,
    headers: Mapping[str, str] | None = None,
) -> None:
    _send_raw(handler, status, json.dumps(body).encode(), {"Content-Type": "application/json", **(headers or {})})


def _send_raw(
    handler: http.server.BaseHTTPRequestHandler, status: int, body: bytes, headers: Mapping[str, str]
) -> None:
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


def _hang_up(handler: http.server.BaseHTTPRequestHandler) -> None:
    """Break the connection at once, without the polite end a closed file would send."""
    handler.close_connection = True
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()


def script_of(text: str) -> list[Answer | str]:
    """A script out of JSON. Raises ValueError, naming the field, if an answer has one that there is not."""
    known = {item.name for item in fields(Answer)}
    script: list[Answer | str] = []
    for item in json.loads(text):
        if not isinstance(item, str) and (unknown := set(item) - known):
            raise ValueError(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(sorted(known))}")
        script.append(item if isinstance(item, str) else Answer(**item))
    return script


def main(argv: Sequence[str] | None = None) -> None:
    """Serve a script until interrupted."""
    parser = argparse.ArgumentParser(prog="python -m tests.scripted_server")
    parser.add_argument("--script", type=Path, required=True)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--tokenize", choices=["vllm", "llama"])
    parsed = parser.parse_args(argv)
    server = ScriptedServer(script_of(parsed.script.read_text()), tokenize=parsed.tokenize, port=parsed.port)
    print(server.url, flush=True)  # noqa: T201
    try:
        server.serve()
    except KeyboardInterrupt:
        return


if __name__ == "__main__":
    main()
