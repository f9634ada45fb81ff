"""GitHub, through github3.py: issues in, draft pull requests out.

github3's session speaks HTTP, so its objects (which want every field GitHub ever sent) are not needed. A pull
request is looked for by its branch before one is opened, so that asking twice, or an answer that came too
late, makes no second one.
"""

import re
import subprocess
import time
from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import quote, urlsplit

import github3
import requests
from github3.exceptions import error_for
from github3.session import GitHubSession

from gitagent.adapters.git import GitRepository
from gitagent.adapters.git_push import push
from gitagent.errors import ForgeError
from gitagent.records import PullRequest

PUBLIC = "github.com"
MOST_BODY = 65_000
MOST_PAGES = 10

_REMOTE = re.compile(
    r"^(?:(?:https?|ssh|git)://(?:[^@/]+@)?(?P<host>[^/:]+)(?::\d+)?/|(?:[^@/]+@)?(?P<scp>[^/:]+):)"
    r"(?P<owner>[A-Za-z0-9][A-Za-z0-9-]*)/(?P<name>[A-Za-z0-9._-]+?)(?:\.git)?/?$"
)


def parse_remote(url: str) -> tuple[str, str, str] | None:
    """`(host, owner, name)` of a remote's address in any of git's forms, None if it is none of a hosting site."""
    match = _REMOTE.match(url)
    return (match["host"] or match["scp"], match["owner"], match["name"]) if match else None


def token_from(environment: Mapping[str, str], host: str = PUBLIC) -> str:
    """The user's token: GITHUB_TOKEN or GH_TOKEN, else what `gh auth token` prints, else ""."""
    for name in ("GITHUB_TOKEN", "GH_TOKEN"):
        if environment.get(name):
            return environment[name]
    try:
        said = subprocess.run(
            ["gh", "auth", "token", "--hostname", host],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
            env=dict(environment),
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return said.stdout.strip() if said.returncode == 0 else ""


class GitHubForge:
    """Issues and pull requests of one repository on GitHub or GitHub Enterprise (`base_url`)."""

    name = "github"

    def __init__(
        self,
        repository: GitRepository,
        owner: str,
        name: str,
        *,
        token: str,
        base_url: str = "",
        remote: str = "origin",
        timeout_seconds: float = 30.0,
    ) -> None:
        self._repository, self._remote, self._token = repository, remote, token
        self._owner, self._name = owner, name
        self._session = GitHubSession(default_connect_timeout=10, default_read_timeout=timeout_seconds)
        if base_url:
            self._session.base_url = base_url.rstrip("/")
        if token:
            self._session.token_auth(token)
        self._session.headers["X-GitHub-Api-Version"] = "2022-11-28"
        self._session.headers["User-Agent"] = f"gitagent github3.py/{github3.__version__}"

    def issue(self, number: int) -> tuple[str, str]:
        found = self._ask("GET", f"issues/{number}", f"issue {number}")
        if "pull_request" in found:
            raise ForgeError(f"{number} is a pull request, expected an issue. Nothing was run.")
        author = found.get("user") or {}
        return f"{found.get('title') or ''}\n\n{found.get('body') or ''}", str(author.get("login") or "")

    def publish(self, pull: PullRequest) -> PullRequest:
        """Push the branch, then open a draft or update the open pull request of the branch."""
        if not self._token:
            raise ForgeError(
                f"no GitHub token was found, so {pull.branch} was not pushed. The work is on that local branch.",
                hint="export GITHUB_TOKEN=…, or gh auth login",
            )
        push(self._repository, self._remote, pull.branch, pull.tip, token=self._token)
        what = f"the pull request of {pull.branch} (the branch is pushed)"
        opened = self._open_pull_of(pull.branch)
        if opened is None:
            try:
                opened = self._open(pull, what)
            except _NoAnswerError:
                # GitHub may have opened it all the same, and answered too late.
                opened = self._open_pull_of(pull.branch)
                if opened is None:
                    raise
        else:
            wanted = {"title": pull.title, "body": _bounded(pull.body)}
            opened = self._ask("PATCH", f"pulls/{opened['number']}", what, wanted)
        return self._record(opened)

    def pulls(self, state: str = "open") -> tuple[PullRequest, ...]:
        asked = {"open": "open", "merged": "closed", "closed": "closed", "all": "all"}.get(state)
        if asked is None:
            raise ForgeError(f"{state!r} is no state of a pull request; known are open, merged, closed and all")
        found: list[PullRequest] = []
        for page in range(1, MOST_PAGES + 1):
            answer = self._ask("GET", f"pulls?state={asked}&per_page=100&page={page}", "the pull requests")
            records = [self._record(each) for each in answer if each["head"]["ref"].startswith("gitagent/")]
            found += [record for record in records if state in ("all", record.state)]
            if len(answer) < 100:
                break
        return tuple(found)

    def pull(self, number: int) -> PullRequest:
        return self._record(self._ask("GET", f"pulls/{number}", f"pull request {number}"))

    def close(self, number: int) -> PullRequest:
        return self._record(self._ask("PATCH", f"pulls/{number}", f"pull request {number}", {"state": "closed"}))

    def _open(self, pull: PullRequest, what: str) -> Any:
        wanted = {
            "title": pull.title[:250],
            "body": _bounded(pull.body),
            "head": pull.branch,
            "base": pull.base_branch,
            "draft": True,
        }
        try:
            return self._ask("POST", "pulls", what, wanted)
        except ForgeError as error:
            # Private repositories of some plans have no drafts.
            if "draft" not in str(error).lower():
                raise
            return self._ask("POST", "pulls", what, wanted | {"draft": False})

    def _open_pull_of(self, branch: str) -> Any:
        head = quote(f"{self._owner}:{branch}", safe="")
        found = self._ask("GET", f"pulls?state=open&head={head}", f"the pull request of {branch}")
        return found[0] if found else None

    def _ask(self, method: str, path: str, what: str, data: Mapping[str, object] | None = None) -> Any:
        url = f"{self._session.base_url}/repos/{self._owner}/{self._name}/{path}"
        try:
            answer = self._session.request(method, url, json=data, allow_redirects=method == "GET")
        except requests.exceptions.Timeout as error:
            raise _NoAnswerError(f"{what}: GitHub did not answer in time", hint="try again in a minute") from error
        except requests.exceptions.RequestException as error:
            host = urlsplit(url).netloc
            raise _NoAnswerError(
                f"{what}: {host} cannot be reached ({type(error).__name__})", hint=f"ping {host}"
            ) from error
        if not answer.ok or answer.status_code >= 300:
            raise self._refusal(answer, what)
        try:
            return answer.json()
        except ValueError as error:
            raise ForgeError(f"{what}: GitHub's answer is not JSON. Is forge.base_url right?") from error

    def _refusal(self, answer: requests.Response, what: str) -> ForgeError:
        said = _said(answer)
        where = f"{self._owner}/{self._name}"
        if answer.status_code == 401:
            return ForgeError(f"{what}: GitHub does not accept the token: {said}", hint="gh auth login")
        if answer.status_code in (403, 429):
            if answer.headers.get("X-RateLimit-Remaining") == "0" or "rate limit" in said.lower():
                return ForgeError(f"{what}: GitHub's rate limit is used up: {said}", hint=_when(answer.headers))
            return ForgeError(
                f"{what}: the token may not do this in {where}: {said}",
                hint="give the token contents: write and pull requests: write",
            )
        if answer.status_code == 404:
            seen = "" if self._token else " without a token"
            return ForgeError(f"{what}: there is no such thing in {where}, or it cannot be seen{seen}",
                              hint="gh auth status")  # fmt: skip
        if answer.status_code == 422:
            return ForgeError(f"{what}: GitHub refuses it: {said}")
        kind = type(error_for(answer)).__name__
        return ForgeError(
            f"{what}: GitHub answered {answer.status_code} ({kind}): {said}", hint="try again in a minute"
        )

    def _record(self, answer: Mapping[str, Any]) -> PullRequest:
        head, base = answer["head"], answer["base"]
        key = head["ref"].removeprefix("gitagent/").partition("-")[0]
        state: Literal["open", "merged", "closed"] = "open"
        if answer["state"] != "open":
            state = "merged" if answer.get("merged_at") else "closed"
        return PullRequest(
            title=answer["title"],
            body=answer.get("body") or "",
            branch=head["ref"],
            base_branch=base["ref"],
            base=base["sha"],
            tip=head["sha"],
            key=key,
            number=answer["number"],
            url=answer["html_url"],
            state=state,
            draft=bool(answer.get("draft")),
        )


class _NoAnswerError(ForgeError):
    """Nothing came back, so what was asked may have been done or not."""


def _bounded(body: str) -> str:
    if len(body) <= MOST_BODY:
        return body
    return (
        body[:MOST_BODY].rsplit("\n", 1)[0] + "\n\n[cut here: GitHub takes no longer texts; see `gitagent show`]\n"
    )


def _said(answer: requests.Response) -> str:
    """GitHub's own words, in one line."""
    try:
        found = answer.json()
        details = [each.get("message") or each.get("code") or "" for each in found.get("errors") or []
                   if isinstance(each, dict)]  # fmt: skip
        words = "; ".join(str(part) for part in [found.get("message"), *details] if part)
    except (ValueError, AttributeError, TypeError):
        words = answer.reason or "no reason given"
    return " ".join(words.split())[:300]


def _when(headers: Mapping[str, str]) -> str:
    seconds = headers.get("Retry-After", "")
    if not seconds.isdigit():
        reset = headers.get("X-RateLimit-Reset", "")
        seconds = str(max(0, int(reset) - int(time.time()))) if reset.isdigit() else "60"
    return f"try again in {int(seconds) // 60 + 1} minutes"
