"""A scripted model server: real sockets, the two OpenAI dialects, streamed or not, answers at once.

It looks for the bug that a prompt is about and answers what a good model would, in the way the asking program
expects: a unified diff, aider's search-and-replace block, a shell command through a tool.
"""

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from bench.repositories import Bug

# A rough measure, but the same one for everybody, whatever tokenizer they believe in.
CHARACTERS_PER_TOKEN = 4
DONE = "COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT"


@dataclass(frozen=True, slots=True)
class Call:
    """One request: monotonic times of its arrival and of its last byte, and how long the prompt was."""

    arrived: float
    answered: float
    prompt_tokens: int


class ScriptedServer:
    """Serves on a free port of this machine until it is left."""

    def __init__(self, bugs: list[Bug]) -> None:
        self.bugs = bugs
        self.calls: list[Call] = []
        self._http = _Server(("127.0.0.1", 0), _Handler)
        self._http.scripted = self
        self._thread = threading.Thread(
            target=self._http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )

    def __enter__(self) -> "ScriptedServer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}/v1"

    def taken(self) -> list[Call]:
        """The calls since the last time this was asked."""
        calls, self.calls = self.calls, []
        return calls


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64
    scripted: ScriptedServer


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, *_: object) -> None:
        """Nothing: what matters is counted."""

    def do_GET(self) -> None:
        self._send(200, {"object": "list", "data": [{"id": "scripted", "object": "model", "owned_by": "bench"}]})

    def do_POST(self) -> None:
        arrived = time.monotonic()
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
        path = self.path.partition("?")[0]
        prompt = body.get("messages") or [body.get("instructions"), body.get("input")]
        tokens = len(json.dumps([prompt, body.get("tools")], ensure_ascii=False)) // CHARACTERS_PER_TOKEN
        usage = {"prompt_tokens": tokens, "completion_tokens": 60, "total_tokens": tokens + 60}
        if path.endswith("/chat/completions"):
            events, whole = _chat(body, _answer(body, self.server.scripted.bugs), usage)
        elif path.endswith("/responses"):
            events, whole = _responses(body, _answer(body, self.server.scripted.bugs), usage)
        else:
            self._send(404, {"error": {"message": f"no such endpoint: {path}", "type": "not_found"}})
            return
        if body.get("stream"):
            self._stream(events)
        else:
            self._send(200, whole)
        self.server.scripted.calls.append(Call(arrived, time.monotonic(), tokens))

    def _send(self, status: int, value: object) -> None:
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _stream(self, events: Iterator[tuple[str, object]]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for name, value in events:
            data = value if isinstance(value, str) else json.dumps(value)
            line = (f"event: {name}\n" if name else "") + f"data: {data}\n\n"
            piece = line.encode()
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        self.wfile.write(b"0\r\n\r\n")


@dataclass(frozen=True, slots=True)
class Answer:
    """Words, or a call of one tool with its arguments."""

    text: str
    tool: str = ""
    arguments: str = "{}"


def _answer(body: dict[str, Any], bugs: list[Bug]) -> Answer:
    whole = json.dumps(body, ensure_ascii=False)
    bug = max(bugs, key=lambda each: whole.count(f"{each.name} in {each.path}"))
    tools = [tool.get("function", tool) for tool in body.get("tools") or []]
    shell = next(
        (tool for tool in tools if tool.get("name") in ("bash", "shell", "exec_command", "local_shell")), None
    )
    if shell is not None:
        return _through_a_shell(shell, _tool_results(body), bug)
    if "commit message" in whole and "SEARCH/REPLACE" not in whole:
        return Answer("fix: take the rate off")
    if "SEARCH/REPLACE" in whole:
        if any(
            bug.right in str(each.get("content")) for each in body["messages"] if each.get("role") == "assistant"
        ):
            return Answer("The rate is taken off again.")
        return Answer(
            f"{bug.path}\n```python\n<<<<<<< SEARCH\n{bug.wrong}\n=======\n{bug.right}\n>>>>>>> REPLACE\n```\n"
        )
    if "```mswea_bash_command" in whole or "```bash" in whole:
        turns = sum(message.get("role") == "assistant" for message in body.get("messages", []))
        fence = "mswea_bash_command" if "mswea_bash_command" in whole else "bash"
        return Answer(f"THOUGHT: one line is wrong.\n\n```{fence}\n{_steps(bug)[min(turns, 1)]}\n```\n")
    if "depends_on" in whole and "priority" in whole:
        task = {"id": "t1", "path": bug.path, "symbol": bug.name, "lines": None, "new": False, "depends_on": []}
        task |= {"instruction": "Take the rate off the amount.", "priority": 1}
        return Answer(json.dumps({"summary": "One sign is wrong.", "tasks": [task]}))
    return Answer(f"The sign is wrong.\n\n```diff\n{bug.diff}```\n")


def _steps(bug: Bug) -> tuple[str, str]:
    edit = f"sed -i 's/{bug.wrong.strip()}/{bug.right.strip()}/' {bug.path}".replace("*", "\\*")
    return f"{edit} && git commit -qam 'settle: take the rate off'", f"echo {DONE}"


def _tool_results(body: dict[str, Any]) -> int:
    messages = body.get("messages") or body.get("input") or []
    return sum(
        message.get("role") == "tool" or str(message.get("type", "")).endswith("call_output")
        for message in messages
        if isinstance(message, dict)
    )


def _through_a_shell(shell: dict[str, Any], done: int, bug: Bug) -> Answer:
    wants = shell.get("parameters", {}).get("properties", {})
    finished = done >= (2 if shell["name"] == "bash" else 1)
    if finished:
        return Answer("The rate is taken off again, and the change is committed.")
    step = _steps(bug)[done]
    key = "cmd" if "cmd" in wants else "command"
    as_list = wants.get(key, {}).get("type") == "array"
    value: object = ["bash", "-lc", step] if as_list else step
    return Answer("One line is wrong.", tool=shell["name"], arguments=json.dumps({key: value}))


def _chat(
    body: dict[str, Any], answer: Answer, usage: dict[str, int]
) -> tuple[Iterator[tuple[str, object]], dict[str, object]]:
    base: dict[str, object] = {"id": "chatcmpl-1", "created": 1700000000, "model": body.get("model", "scripted")}
    calls = (
        [{"id": "call_1", "type": "function", "function": {"name": answer.tool, "arguments": answer.arguments}}]
        if answer.tool
        else []
    )
    finish = "tool_calls" if calls else "stop"

    def events() -> Iterator[tuple[str, object]]:
        chunk = base | {"object": "chat.completion.chunk"}
        pieces = [answer.text[at : at + 24] for at in range(0, len(answer.text), 24)]
        for number, piece in enumerate(pieces):
            delta = ({"role": "assistant"} if number == 0 else {}) | {"content": piece}
            yield "", chunk | {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
        if calls:
            indexed = [call | {"index": number} for number, call in enumerate(calls)]
            yield "", chunk | {"choices": [{"index": 0, "delta": {"tool_calls": indexed}, "finish_reason": None}]}
        yield "", chunk | {"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]}
        if (body.get("stream_options") or {}).get("include_usage"):
            yield "", chunk | {"choices": [], "usage": usage}
        yield "", "[DONE]"

    message = {"role": "assistant", "content": answer.text} | ({"tool_calls": calls} if calls else {})
    choice = {"index": 0, "message": message, "finish_reason": finish}
    return events(), base | {"object": "chat.completion", "choices": [choice], "usage": usage}


def _responses(
    body: dict[str, Any], answer: Answer, usage: dict[str, int]
) -> tuple[Iterator[tuple[str, object]], dict[str, object]]:
    if answer.tool:
        item: dict[str, object] = {
            "type": "function_call",
            "id": "fc_1",
            "call_id": "call_1",
            "name": answer.tool,
            "arguments": answer.arguments,
            "status": "completed",
        }
    else:
        content = [{"type": "output_text", "text": answer.text, "annotations": []}]
        item = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": content}
    counted = {
        "input_tokens": usage["prompt_tokens"],
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": usage["completion_tokens"],
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": usage["total_tokens"],
    }
    whole: dict[str, object] = {
        "id": "resp_1",
        "object": "response",
        "created_at": 1700000000,
        "model": body.get("model", "scripted"),
        "status": "completed",
        "output": [item],
        "usage": counted,
    }

    def events() -> Iterator[tuple[str, object]]:
        begun = whole | {"status": "in_progress", "output": [], "usage": None}
        yield "response.created", {"type": "response.created", "response": begun}
        yield "response.output_item.added", {"type": "response.output_item.added", "output_index": 0, "item": item}
        yield "response.output_item.done", {"type": "response.output_item.done", "output_index": 0, "item": item}
        yield "response.completed", {"type": "response.completed", "response": whole}

    return events(), whole
