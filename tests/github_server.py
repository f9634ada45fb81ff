"""A small stateful GitHub over real HTTP: issues, pull requests, git, and the failures of a hosting site.

It is the site of one repository, `ada/shop`, and stands before a bare git repository, so that a pull request's
head is what was really pushed: in any way, or to `/ada/shop.git` here. `shapes` are whole example answers (the
contract test takes them from GitHub's OpenAPI description); without them an answer has the few fields that are
needed.
"""

import base64
import json
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests import git_http

Answer = tuple[int, Mapping[str, str], Any]
Step = Callable[[str, str, Any], Answer | None]
REPOSITORY = 77


class GitHubServer:
    """State and script of the fake; `url` is where it listens.

    Each of `requests` is method, path, data and headers. Git is served to those who have `git_token`, from the
    bare repositories in `hosted`, by path.
    """

    def __init__(self, remote: str, shapes: Mapping[str, Any] | None = None) -> None:
        self.remote, self.shapes = remote, dict(shapes or {})
        self.issues: dict[int, dict[str, Any]] = {}
        self.pulls: dict[int, dict[str, Any]] = {}
        self.comments: dict[int, list[dict[str, Any]]] = {}
        self.reactions: dict[int, list[dict[str, Any]]] = {}
        # The state of each workflow run that is known, by its id; a token may be kept from asking.
        self.runs: dict[int, str] = {}
        # When what we write is written, as far as the site is concerned.
        self.now = "2030-01-01T00:00:00Z"
        self.review_comments: dict[int, list[dict[str, Any]]] = {}
        self.statuses: list[dict[str, Any]] = []
        self.permissions: dict[str, str] = {"ada": "admin"}
        # Who the token belongs to: a workflow's is a bot's.
        self.me = {"login": "github-actions[bot]", "type": "Bot"}
        self.labelled: dict[int, tuple[str, str]] = {}
        self.requests: list[tuple[str, str, Any, Mapping[str, str]]] = []
        # Each is asked before the ordinary answer, and is used up by answering; None lets the next have its turn.
        self.script: list[Step] = []
        # Called when a request was done, before it is answered.
        self.after: Callable[[str, str], None] = lambda method, path: None
        self.hosted = {"/ada/shop.git": remote}
        self.git_token = ""
        self.git_headers: list[str] = []
        self.url = ""

    @contextmanager
    def listening(self, tls: ssl.SSLContext | None = None) -> Iterator["GitHubServer"]:
        """Serve on a free port of this machine until the block ends."""
        state = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                pass

            def answer(self) -> None:
                told = {name: ", ".join(self.headers.get_all(name, [])) for name in self.headers}
                sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if ".git/" in self.path:
                    status, headers, raw = state.git(self.command, self.path, told, sent)
                else:
                    data = json.loads(sent) if sent else None
                    state.requests.append((self.command, self.path, data, told))
                    status, headers, body = state.answer(self.command, self.path, data)
                    raw = body.encode() if isinstance(body, str) else json.dumps(body).encode()
                    state.after(self.command, self.path)
                self.send_response(status)
                for name, value in {"Content-Type": "application/json; charset=utf-8", **headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            do_GET = do_POST = do_PATCH = do_DELETE = answer  # noqa: N815

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: object, client_address: object) -> None:
                """A client that went away is what some tests are about."""

        server = Server(("127.0.0.1", 0), Handler)
        if tls:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        self.url = f"{'https://localhost' if tls else 'http://127.0.0.1'}:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()
            thread.join()

    def add_issue(self, number: int, title: str, body: str | None, login: str | None = "ada") -> None:
        """File an issue; without a login its author has left GitHub."""
        self.issues[number] = {"number": number, "title": title, "body": body, "state": "open", "user": login}

    def add_pull(self, number: int, head: str, *, owner: str = "ada", repository: int | None = REPOSITORY,
                 **more: Any) -> None:  # fmt: skip
        """A pull request that somebody opened; `repository` is the one of its head."""
        self.pulls[number] = {
            "number": number,
            "title": f"pull {number}",
            "body": None,
            "state": "open",
            "merged_at": None,
            "draft": True,
            "head": head,
            "base": "main",
            "owner": owner,
            "repository": repository,
            **more,
        }

    def asked(self, method: str) -> list[Any]:
        """The data of every request of this method so far."""
        return [data for verb, _, data, _ in self.requests if verb == method]

    def answer(self, method: str, path: str, data: Any) -> Answer:
        """What GitHub would say, after the script has had its chance."""
        for step in list(self.script):
            scripted = step(method, path, data)
            if scripted is not None:
                self.script.remove(step)
                return scripted
        parts = urlsplit(path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        match [method, *parts.path.removeprefix("/api/v3").strip("/").split("/")]:
            case ["GET", "repos", "ada", "shop", "issues", number] if int(number) in self.issues:
                return 200, {}, self._issue(self.issues[int(number)])
            case ["GET", "repos", "ada", "shop", "issues", number] if int(number) in self.pulls:
                told = {name: self.pulls[int(number)][name] for name in ("number", "title", "body", "state")}
                return 200, {}, {**self._issue({**told, "user": "ada"}), "pull_request": {}}
            case ["GET", "repos", "ada", "shop", "pulls"]:
                found = [pull for pull in self.pulls.values() if self._asked_for(pull, query)]
                page, size = int(query.get("page", "1")), int(query.get("per_page", "30"))
                some = sorted(found, key=lambda pull: -int(pull["number"]))[size * (page - 1) : size * page]
                return 200, {}, [self._pull(pull, "pull-request-simple") for pull in some]
            case ["POST", "repos", "ada", "shop", "pulls"]:
                return self._opened(data)
            case [_, "repos", "ada", "shop", "pulls", number] if int(number) in self.pulls:
                pull = self.pulls[int(number)]
                if method == "PATCH":
                    pull |= {name: data[name] for name in ("title", "body", "state") if name in data}
                return 200, {}, self._pull(pull, "pull-request")
        talked = self._talked(method, parts.path, query, data)
        if talked is not None:
            return talked
        return (
            404,
            {},
            {"message": "Not Found", "documentation_url": "https://docs.github.com/rest", "status": "404"},
        )

    def add_comment(self, number: int, login: str, body: str, at: str, kind: str = "User") -> None:
        """Somebody's comment on an issue or pull request."""
        number_of_all = 1 + sum(map(len, self.comments.values()))
        comment = self._shaped("comment", id=number_of_all, body=body, created_at=at, updated_at=at)
        comment["user"] = {**comment.get("user", {}), "login": login, "type": kind}
        self.comments.setdefault(number, []).append(comment)

    def add_reaction(self, comment: int, login: str, at: str, content: str = "+1", kind: str = "User") -> None:
        """Somebody's reaction on a comment."""
        reaction = self._shaped("reaction", content=content, created_at=at)
        reaction["user"] = {**reaction.get("user", {}), "login": login, "type": kind}
        self.reactions.setdefault(comment, []).append(reaction)

    def _shaped(self, kind: str, **fields: Any) -> dict[str, Any]:
        """A whole example answer with these fields in it."""
        return {**json.loads(json.dumps(self.shapes.get(kind, {}))), **fields}

    def _talked(self, method: str, path: str, query: Mapping[str, str], data: Any) -> Answer | None:
        """What the jobs of the workflow ask besides pull requests."""
        match [method, *path.removeprefix("/api/v3").strip("/").split("/")]:
            case ["GET", "user"]:
                return (403, {}, {"message": "Resource not accessible by integration"}) if self.me["type"] == "Bot" \
                    else (200, {}, self._shaped("user", **self.me))  # fmt: skip
            case ["GET", "repos", "ada", "shop", "collaborators", login, "permission"]:
                known = self.permissions.get(login)
                shaped = self._shaped("permission", permission=known, role_name=known)
                return (200, {}, shaped) if known else None
            case ["GET", "repos", "ada", "shop", "issues"]:
                wanted = query.get("labels", "")
                numbers = [number for number, (label, _) in sorted(self.labelled.items()) if label == wanted]
                return 200, {}, [self._issue(self.issues[number]) for number in numbers]
            case ["GET", "repos", "ada", "shop", "issues", number, "events"]:
                label, login = self.labelled[int(number)]
                event = self._shaped("event", event="labeled", label={"name": label, "color": "ff0000"})
                event["actor"] = {**event.get("actor", {}), "login": login}
                return 200, {}, [event]
            case ["GET", "repos", "ada", "shop", "issues", number, "comments"]:
                since = query.get("since", "")
                return 200, {}, [one for one in self.comments.get(int(number), []) if one["created_at"] >= since]
            case ["POST", "repos", "ada", "shop", "issues", number, "comments"]:
                self.add_comment(int(number), self.me["login"], data["body"], self.now, self.me["type"])
                return 201, {}, self.comments[int(number)][-1]
            case ["PATCH", "repos", "ada", "shop", "issues", "comments", wanted]:
                all_of_them = [one for some in self.comments.values() for one in some]
                comment = next(one for one in all_of_them if one["id"] == int(wanted))
                comment |= {"body": data["body"], "updated_at": self.now}
                return 200, {}, comment
            case ["GET", "repos", "ada", "shop", "issues", "comments", wanted, "reactions"]:
                content = query.get("content", "")
                some = self.reactions.get(int(wanted), [])
                return 200, {}, [one for one in some if content in ("", one["content"])]
            case ["POST", "repos", "ada", "shop", "issues", "comments", wanted, "reactions"]:
                self.add_reaction(int(wanted), self.me["login"], self.now, data["content"], self.me["type"])
                return 201, {}, self.reactions[int(wanted)][-1]
            case ["GET", "repos", "ada", "shop", "actions", "runs", run] if int(run) in self.runs:
                return 200, {}, self._shaped("run", id=int(run), status=self.runs[int(run)])
            case ["GET", "repos", "ada", "shop", "pulls", _, "reviews", review, "comments"]:
                found = self.review_comments.get(int(review), [])
                return 200, {}, [self._shaped("review-comment", **one) for one in found]
            case ["POST", "repos", "ada", "shop", "statuses", oid]:
                self.statuses.append(self._shaped("status", oid=oid, **data))
                return 201, {}, self.statuses[-1]
            case ["DELETE", "repos", "ada", "shop", "git", "refs", "heads", *names]:
                ref = "refs/heads/" + "/".join(names)
                subprocess.run(["git", "-C", self.remote, "update-ref", "-d", ref], check=True)
                return 204, {}, ""
        return None

    def git(
        self, method: str, path: str, headers: Mapping[str, str], sent: bytes
    ) -> tuple[int, Mapping[str, str], bytes]:
        """What GitHub's git side answers: two Authorization headers it refuses, and one of strangers."""
        parts = urlsplit(path)
        address = parts.path[: parts.path.index(".git/") + 4]
        said = headers.get("Authorization", "")
        self.git_headers.append(said)
        wanted = "Basic " + base64.b64encode(f"x-access-token:{self.git_token}".encode()).decode()
        if self.git_token and said.lower() != wanted.lower():
            return 401, {"WWW-Authenticate": 'Basic realm="GitHub"'}, b""
        if address not in self.hosted:
            return 404, {}, b"Not Found"
        rest = parts.path.removeprefix(address)
        return git_http.answer(self.hosted[address], method, rest, parts.query, headers, sent)

    def _opened(self, data: Mapping[str, Any]) -> Answer:
        owner, _, head = data["head"].rpartition(":")
        owner = owner or "ada"
        for field, place, branch in (("head", owner, head), ("base", "ada", data["base"])):
            if self.tip(branch, place) is None:
                return refused({"resource": "PullRequest", "field": field, "code": "invalid"})
        if any(
            (pull["owner"], pull["head"], pull["state"]) == (owner, head, "open") for pull in self.pulls.values()
        ):
            message = f"A pull request already exists for {owner}:{head}."
            return refused({"resource": "PullRequest", "code": "custom", "message": message})
        number = max([*self.issues, *self.pulls, 0]) + 1
        self.add_pull(number, **{"owner": owner, "draft": False, **data, "head": head})
        return 201, {}, self._pull(self.pulls[number], "pull-request")

    def _asked_for(self, pull: Mapping[str, Any], query: Mapping[str, str]) -> bool:
        # A head that is no `owner:branch` is ignored, as GitHub does.
        owner, _, head = query.get("head", "").partition(":")
        wanted = not head or (owner.lower(), head) == (pull["owner"].lower(), pull["head"])
        return wanted and query.get("state", "open") in ("all", pull["state"])

    def tip(self, branch: str, owner: str = "ada") -> str | None:
        """The commit that is on a branch of the remote, or of somebody's fork."""
        directory = self.hosted.get(f"/{owner}/shop.git", self.remote)
        said = subprocess.run(
            ["git", "-C", directory, "rev-parse", "--verify", "--quiet", f"refs/heads/{branch}"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        return said.stdout.strip() or None

    def _issue(self, issue: Mapping[str, Any]) -> dict[str, Any]:
        shape = json.loads(json.dumps(self.shapes.get("issue", {})))
        shape.pop("pull_request", None)
        login = issue["user"]
        user = None if login is None else {**shape.get("user", {}), "login": login}
        return {**shape, **issue, "user": user}

    def _pull(self, pull: Mapping[str, Any], kind: str) -> dict[str, Any]:
        shape = json.loads(json.dumps(self.shapes.get(kind, {})))
        shape |= {name: pull[name] for name in ("number", "title", "body", "state", "draft", "merged_at")}
        shape["html_url"] = f"https://github.com/ada/shop/pull/{pull['number']}"
        for end, login, repository in (("head", pull["owner"], pull["repository"]), ("base", "ada", REPOSITORY)):
            old = shape.get(end, {})
            shape[end] = {
                **old,
                "label": f"{login}:{pull[end]}",
                "ref": pull[end],
                "sha": self.tip(pull[end], login) or "0" * 40,
                "user": {**old.get("user", {}), "login": login},
                "repo": None if repository is None else {**old.get("repo", {}), "id": repository},
            }
        return dict(shape)


def certificate(directory: Path) -> tuple[ssl.SSLContext, str]:
    """TLS for `localhost` with a certificate made for the occasion, and the file by which clients trust it."""
    key, file = directory / "key.pem", directory / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
         "-keyout", str(key), "-out", str(file), "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost"],
        capture_output=True, check=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file, key)
    return context, str(file)


def refused(*errors: Mapping[str, str], message: str = "Validation Failed") -> Answer:
    """A 422 as GitHub writes it."""
    documentation = "https://docs.github.com/rest/pulls/pulls#create-a-pull-request"
    return (
        422,
        {},
        {"message": message, "errors": list(errors), "documentation_url": documentation, "status": "422"},
    )


def once(method: str, status: int, body: Any, **headers: str) -> Step:
    """A step of the script: answer the next request of this method so."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda asked, path, data: (status, named, body) if asked == method else None


def late(until: threading.Event, verb: str = "POST") -> Callable[[str, str], None]:
    """Do what a request of this method asks, but keep the answer back until the event, or half a minute."""

    def wait(method: str, path: str) -> None:
        if method == verb:
            until.wait(30)

    return wait
