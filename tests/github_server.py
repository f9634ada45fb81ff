"""A small stateful GitHub over real HTTP: issues, pull requests, and the failures of a hosting site.

It stands before a bare git repository, so that a pull request's head is what was really pushed. `shapes` are
whole example answers (the contract test takes them from GitHub's OpenAPI description); without them an answer
has the few fields that are needed.
"""

import json
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

Answer = tuple[int, Mapping[str, str], Any]


class GitHubServer:
    """State and script of the fake; `url` is where it listens."""

    def __init__(self, remote: str, shapes: Mapping[str, Any] | None = None) -> None:
        self.remote, self.shapes = remote, dict(shapes or {})
        self.issues: dict[int, dict[str, Any]] = {}
        self.pulls: dict[int, dict[str, Any]] = {}
        self.requests: list[tuple[str, str, Any, Mapping[str, str]]] = []
        # Each is asked before the ordinary answer; one that returns None lets the next have its turn.
        self.script: list[Callable[[str, str, Any], Answer | None]] = []
        self.after: Callable[[str, str], None] = lambda method, path: None
        self.url = ""

    @contextmanager
    def listening(self) -> Iterator["GitHubServer"]:
        """Serve on a free port of this machine until the block ends."""
        state = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                pass

            def answer(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                data = json.loads(self.rfile.read(length)) if length else None
                state.requests.append((self.command, self.path, data, dict(self.headers)))
                status, headers, body = state.answer(self.command, self.path, data)
                raw = body.encode() if isinstance(body, str) else json.dumps(body).encode()
                state.after(self.command, self.path)
                self.send_response(status)
                for name, value in {"Content-Type": "application/json; charset=utf-8", **headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            do_GET = do_POST = do_PATCH = answer  # noqa: N815

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: object, client_address: object) -> None:
                """A client that went away is what some tests are about."""

        server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()
            thread.join()

    def add_issue(self, number: int, title: str, body: str | None, login: str = "ada") -> None:
        """File an issue."""
        self.issues[number] = {"number": number, "title": title, "body": body, "user": login}

    def answer(self, method: str, path: str, data: Any) -> Answer:
        """What GitHub would say, after the script has had its chance."""
        for step in list(self.script):
            scripted = step(method, path, data)
            if scripted is not None:
                self.script.remove(step)
                return scripted
        parts = urlsplit(path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        match [method, *parts.path.removeprefix("/api/v3").strip("/").split("/")[3:]]:
            case ["GET", "issues", number] if int(number) in self.issues:
                return 200, {}, self._issue(self.issues[int(number)])
            case ["GET", "pulls"]:
                found = [pull for pull in self.pulls.values() if self._asked_for(pull, query)]
                page = int(query.get("page", "1"))
                some = sorted(found, key=lambda pull: -int(pull["number"]))[100 * (page - 1) : 100 * page]
                return 200, {}, [self._pull(pull, "pull-request-simple") for pull in some]
            case ["POST", "pulls"]:
                return self._opened(data)
            case [_, "pulls", number] if int(number) in self.pulls:
                pull = self.pulls[int(number)]
                if method == "PATCH":
                    pull |= {name: data[name] for name in ("title", "body", "state") if name in data}
                return 200, {}, self._pull(pull, "pull-request")
        return 404, {}, {"message": "Not Found", "documentation_url": "https://docs.github.com/rest"}

    def _opened(self, data: Mapping[str, Any]) -> Answer:
        if self._tip(data["head"]) is None or self._tip(data["base"]) is None:
            return _refused("head" if self._tip(data["head"]) is None else "base", "invalid")
        if any(pull["head"] == data["head"] and pull["state"] == "open" for pull in self.pulls.values()):
            return _refused("", "custom", f"A pull request already exists for ada:{data['head']}.")
        number = max([*self.issues, *self.pulls, 0]) + 1
        self.pulls[number] = {"number": number, "state": "open", "merged_at": None, "draft": False, **data}
        return 201, {}, self._pull(self.pulls[number], "pull-request")

    def _asked_for(self, pull: Mapping[str, Any], query: Mapping[str, str]) -> bool:
        head = query.get("head", "").partition(":")[2]
        return query.get("state", "open") in ("all", pull["state"]) and head in ("", pull["head"])

    def _tip(self, branch: str) -> str | None:
        said = subprocess.run(
            ["git", "-C", self.remote, "rev-parse", "--verify", "--quiet", f"refs/heads/{branch}"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        return said.stdout.strip() or None

    def _issue(self, issue: Mapping[str, Any]) -> dict[str, Any]:
        shape = json.loads(json.dumps(self.shapes.get("issue", {})))
        shape.pop("pull_request", None)
        shape |= {name: issue[name] for name in ("number", "title", "body")}
        shape["user"] = {**shape.get("user", {}), "login": issue["user"]}
        return dict(shape)

    def _pull(self, pull: Mapping[str, Any], kind: str) -> dict[str, Any]:
        shape = json.loads(json.dumps(self.shapes.get(kind, {})))
        shape |= {name: pull[name] for name in ("number", "title", "body", "state", "draft", "merged_at")}
        shape["html_url"] = f"https://github.com/ada/shop/pull/{pull['number']}"
        for end in ("head", "base"):
            shape[end] = {**shape.get(end, {}), "ref": pull[end], "sha": self._tip(pull[end]) or "0" * 40}
        return dict(shape)


def _refused(field: str, code: str, message: str = "") -> Answer:
    error = {"resource": "PullRequest", "code": code} | ({"field": field} if field else {})
    said = {"message": "Validation Failed", "errors": [error | ({"message": message} if message else {})],
            "documentation_url": "https://docs.github.com/rest"}  # fmt: skip
    return 422, {}, said


def once(method: str, status: int, body: Any, **headers: str) -> Callable[[str, str, Any], Answer | None]:
    """A step of the script: answer the next request of this method so."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda asked, path, data: (status, named, body) if asked == method else None


def late(seconds: float) -> Callable[[str, str], None]:
    """Do what was asked, but answer a POST too late."""

    def wait(method: str, path: str) -> None:
        if method == "POST":
            time.sleep(seconds)

    return wait
