"""GitHub, through github3.py: issues in, draft pull requests out.

github3's session speaks HTTP, so its objects (which want every field GitHub ever sent) are not needed. A pull
request is looked for by its branch before one is opened and after an answer that did not come, so that asking
twice makes no second one.
"""

import re
import subprocess
import time
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote, urljoin, urlsplit

from gitagent.adapters.git import GitRepository
from gitagent.adapters.git_push import push, pushed_to
from gitagent.errors import ForgeError
from gitagent.records import PullRequest

if TYPE_CHECKING:
    import requests
    from github3.session import GitHubSession

PUBLIC = "github.com"
# GitHub takes 256 characters of a title and 65,536 of a body.
MOST_TITLE = 250
MOST_BODY = 65_000
MOST_PAGES = 30

_REMOTE = re.compile(
    r"(?:(?:(?P<web>https?)|ssh|git|git\+ssh|ssh\+git)://(?:[^@/]+@)?(?P<host>[A-Za-z0-9.-]+)(?::(?P<port>\d+))?/"
    r"|(?:[^@/:]+@)?(?P<scp>[A-Za-z0-9.-]+):/?)"
    r"(?P<owner>[A-Za-z0-9][A-Za-z0-9_-]*)/(?P<name>[A-Za-z0-9._-]+?)(?:\.git)?/?"
)
# The first is for ssh where only port 443 is open.
_ALIASES = {"ssh.github.com": PUBLIC, "www.github.com": PUBLIC}
_STANDARD_PORTS = {"http": "80", "https": "443"}


def parse_remote(url: str) -> tuple[str, str, str] | None:
    """`(host, owner, name)` of a remote's address in any of git's forms, None if it is none of a hosting site.

    `host` is in lower case and has a port only where a web address names an unusual one.
    """
    match = _REMOTE.fullmatch(url)
    if not match or match["name"] in (".", ".."):
        return None
    host = (match["host"] or match["scp"]).lower()
    if match["web"] and match["port"] not in (None, _STANDARD_PORTS[match["web"]]):
        host = f"{host}:{match['port']}"
    return _ALIASES.get(host, host), match["owner"], match["name"]


def host_of(base_url: str) -> str:
    """The host in remotes' addresses that belongs to an API address; "" is the public site's."""
    parts = urlsplit(base_url)
    host = (parts.hostname or PUBLIC) + (f":{parts.port}" if parts.port else "")
    # GitHub Enterprise Cloud has its API on a host of its own, GitHub Enterprise Server below /api/v3.
    return host if parts.path.strip("/") else host.removeprefix("api.")


def token_from(environment: Mapping[str, str], host: str = PUBLIC) -> str:
    """The user's token for a host: from the environment as the gh command reads it, else gh's own, else ""."""
    names = ["GH_TOKEN", "GITHUB_TOKEN"]
    if host != PUBLIC:
        names = ["GH_ENTERPRISE_TOKEN", "GITHUB_ENTERPRISE_TOKEN", *names]
    for name in names:
        if token := environment.get(name, "").strip():
            return token
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
    """Issues and pull requests of one repository on GitHub or GitHub Enterprise (`base_url`, the API's address).

    Nothing is sent before the first question. What can be asked twice without harm is asked again after each of
    `retry_seconds` when no answer came.
    """

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
        retry_seconds: Sequence[float] = (2.0,),
    ) -> None:
        self._repository, self._remote, self._token = repository, remote, token
        self._owner, self._name = owner, name
        self._base_url = base_url.rstrip("/") or f"https://api.{PUBLIC}"
        self._host = host_of(base_url)
        self._timeout_seconds, self._retry_seconds = timeout_seconds, tuple(retry_seconds)

    @property
    def has_token(self) -> bool:
        """Whether a token was found; without one, public issues can be read and nothing be published."""
        return bool(self._token)

    def issue(self, number: int) -> tuple[str, str]:
        what = f"issue {number}"
        found = self._ask("GET", f"issues/{number}", what, kept="Nothing was run.")
        try:
            author = str((found["user"] or {}).get("login") or "")
            text, is_pull = f"{found['title']}\n\n{found['body'] or ''}", "pull_request" in found
        except (KeyError, TypeError, AttributeError) as error:
            raise _odd(what, "Nothing was run.") from error
        if is_pull:
            raise ForgeError(
                f"{number} is a pull request, expected an issue. Nothing was run.", hint="gh issue list"
            )
        return text, author

    def publish(self, pull: PullRequest) -> PullRequest:
        """Push the branch, then open a draft or update the open pull request of the branch."""
        if not self._token:
            raise ForgeError(
                f"no token for {self._host} was found, so {pull.branch} was not pushed. "
                "The work is on that local branch.",
                hint=f"export GITHUB_TOKEN=…, or gh auth login --hostname {self._host}",
            )
        target = parse_remote(pushed_to(self._repository, self._remote))
        # A remote may be read from one repository and pushed to a fork of it.
        owner = target[1] if target and target[0] == self._host else self._owner
        push(self._repository, self._remote, pull.branch, pull.tip, token=self._token, host=self._host)
        publishing = _Publishing(
            pull=pull,
            head=f"{owner}:{pull.branch}",
            what=f"the pull request of {pull.branch}",
            kept="The branch is pushed; the work is on it and on the local branch of that name.",
        )
        try:
            return _record(self._opened_or_updated(publishing), publishing.what, publishing.kept)
        except ForgeError as error:
            by_hand = f"gh pr create --draft --head {publishing.head} --base {pull.base_branch}"
            error.hint = f"{error.hint}; then: {by_hand}" if error.hint else by_hand
            raise

    def pulls(self, state: str = "open") -> tuple[PullRequest, ...]:
        """Ours, newest first: on a branch `gitagent/…` that is not in a stranger's fork."""
        asked = {"open": "open", "merged": "closed", "closed": "closed", "all": "all"}.get(state)
        if asked is None:
            raise ForgeError(f"{state!r} is no state of a pull request; known are open, merged, closed and all")
        what = "the list of pull requests"
        found: list[PullRequest] = []
        for page in range(1, MOST_PAGES + 1):
            answer = self._ask("GET", f"pulls?state={asked}&per_page=100&page={page}", what)
            records = [_record(each, what) for each in _listed(answer, what) if self._is_ours(each)]
            found += [record for record in records if state in ("all", record.state)]
            if len(answer) < 100:
                break
        return tuple(found)

    def pull(self, number: int) -> PullRequest:
        what = f"pull request {number}"
        return _record(self._ask("GET", f"pulls/{number}", what), what)

    def close(self, number: int) -> PullRequest:
        state = self.pull(number).state
        if state != "open":
            raise ForgeError(f"pull request {number} is {state} already", hint=f"gitagent pr show {number}")
        what = f"pull request {number}"
        return _record(self._ask("PATCH", f"pulls/{number}", what, {"state": "closed"}), what)

    def _opened_or_updated(self, publishing: "_Publishing") -> Any:
        opened = self._open_pull_of(publishing)
        if opened is None:
            return self._open(publishing)
        wanted = {"title": publishing.pull.title[:MOST_TITLE], "body": _bounded(publishing.pull.body)}
        return self._ask("PATCH", f"pulls/{opened['number']}", publishing.what, wanted, kept=publishing.kept)

    def _is_ours(self, answer: Any) -> bool:
        try:
            head, base = answer["head"], answer["base"]
            # A fork that was deleted leaves null.
            inside = (head["repo"] or {}).get("id") == base["repo"]["id"]
            return bool(inside and head["ref"].startswith("gitagent/"))
        except (KeyError, TypeError, AttributeError):
            return False

    def _open(self, publishing: "_Publishing") -> Any:
        """Open it. An answer that did not come may still have opened it, so then it is looked for."""
        pull = publishing.pull
        wanted: dict[str, object] = {
            "title": pull.title[:MOST_TITLE],
            "body": _bounded(pull.body),
            "head": publishing.head,
            "base": pull.base_branch,
            "draft": True,
        }
        delays = list(self._retry_seconds)
        while True:
            try:
                return self._ask("POST", "pulls", publishing.what, wanted, kept=publishing.kept)
            except _RefusedError as error:
                # Private repositories of some plans have no drafts.
                if wanted["draft"] and "draft" in error.said.lower():
                    wanted["draft"] = False
                    continue
                opened = self._open_pull_of(publishing) if "already exists" in error.said else None
                if opened is None:
                    if "base: invalid" in error.said:
                        error.hint = f"git push {self._remote} {pull.base_branch}"
                    raise
                return opened
            except _UnsureError:
                opened = self._open_pull_of(publishing)
                if opened is not None:
                    return opened
                if not delays:
                    raise
                time.sleep(delays.pop(0))

    def _open_pull_of(self, publishing: "_Publishing") -> Any:
        """The open pull request of the branch, None if there is none."""
        path = f"pulls?state=open&per_page=100&head={quote(publishing.head, safe='')}"
        answer = self._ask("GET", path, publishing.what, kept=publishing.kept)
        # A filter that the site does not understand is ignored, and then the list holds others'.
        found = [each for each in _listed(answer, publishing.what, publishing.kept) if publishing.is_of(each)]
        wanted = publishing.pull.base_branch
        return next((each for each in found if each["base"]["ref"] == wanted), found[0] if found else None)

    @cached_property
    def _session(self) -> "GitHubSession":
        import github3
        from github3.session import GitHubSession

        session = GitHubSession(default_connect_timeout=10, default_read_timeout=self._timeout_seconds)
        if self._token:
            session.token_auth(self._token)
        session.headers["Accept"] = "application/vnd.github+json"
        session.headers["X-GitHub-Api-Version"] = "2022-11-28"
        session.headers["User-Agent"] = f"gitagent github3.py/{github3.__version__}"
        return session

    def _ask(
        self, method: str, path: str, what: str, data: Mapping[str, object] | None = None, *, kept: str = ""
    ) -> Any:
        """GitHub's answer as plain data. `what` is asked about, `kept` says what is untouched when it fails."""
        url = f"{self._base_url}/repos/{self._owner}/{self._name}/{path}"
        delays = list(self._retry_seconds) if method != "POST" else []
        while True:
            try:
                answer = self._answer(method, url, what, data, kept)
                if not answer.ok:
                    raise self._refusal(answer, what, kept)
                break
            except _UnsureError:
                if not delays:
                    raise
                time.sleep(delays.pop(0))
        try:
            return answer.json()
        except ValueError as error:
            raise _odd(what, kept) from error

    def _answer(
        self, method: str, url: str, what: str, data: Mapping[str, object] | None, kept: str
    ) -> "requests.Response":
        """One answer; a repository that was renamed is followed, another host never (it would get the token)."""
        from requests.exceptions import RequestException, Timeout

        host = urlsplit(url).netloc
        for _ in range(3):
            try:
                answer: requests.Response = self._session.request(method, url, json=data, allow_redirects=False)
            except Timeout as error:
                raise _UnsureError(
                    _sentence(what, f"{host} did not answer in time", kept), hint="try again in a minute"
                ) from error
            except RequestException as error:
                raise _UnsureError(
                    _sentence(what, f"{host} cannot be reached ({type(error).__name__})", kept),
                    hint=f"curl -sS {self._base_url}",
                ) from error
            if not 300 <= answer.status_code < 400:
                return answer
            url = urljoin(url, answer.headers.get("Location", ""))
            if urlsplit(url)[:2] != urlsplit(self._base_url)[:2]:
                break
        where = urlsplit(url).netloc
        raise ForgeError(
            _sentence(what, f"{host} sends us on to {where}, which is not followed", kept), hint="git remote -v"
        )

    def _refusal(self, answer: "requests.Response", what: str, kept: str) -> ForgeError:
        said, status = _said(answer), answer.status_code
        where = f"{self._owner}/{self._name}"
        if status == 401:
            return ForgeError(
                _sentence(what, f"GitHub does not accept the token: {said}", kept),
                hint=f"gh auth login --hostname {self._host}, or export GITHUB_TOKEN=…",
            )
        if status == 429 or (status == 403 and _is_limit(answer.headers, said)):
            return ForgeError(
                _sentence(what, f"GitHub's rate limit is used up: {said}", kept), hint=_when(answer.headers)
            )
        if status == 403:
            return ForgeError(
                _sentence(what, f"the token may not do this in {where}: {said}", kept),
                hint="gh auth refresh -s repo, or a token with contents: write and pull requests: write",
            )
        if status in (404, 410):
            seen = "" if self._token else " without a token"
            return ForgeError(
                _sentence(what, f"there is no such thing in {where}, or it cannot be seen{seen}", kept),
                hint=f"gh auth status --hostname {self._host}",
            )
        if status == 422:
            return _RefusedError(_sentence(what, f"GitHub refuses it: {said}", kept), said)
        if status < 500:
            return ForgeError(_sentence(what, f"GitHub answered {status}: {said}", kept))
        return _UnsureError(
            _sentence(what, f"GitHub answered {status}: {said}", kept), hint="see https://www.githubstatus.com"
        )


class _Publishing:
    """One pull request on its way: `head` is `owner:branch`, `what` and `kept` are for errors."""

    def __init__(self, *, pull: PullRequest, head: str, what: str, kept: str) -> None:
        self.pull, self.head, self.what, self.kept = pull, head, what, kept

    def is_of(self, answer: Any) -> bool:
        try:
            # The owner's login, which GitHub writes in its own case.
            label = f"{answer['head']['user']['login']}:{answer['head']['ref']}"
            return label.lower() == self.head.lower() and isinstance(answer["base"]["ref"], str)
        except (KeyError, TypeError):
            return False


class _UnsureError(ForgeError):
    """No answer came, so what was asked may have been done or not."""


class _RefusedError(ForgeError):
    """GitHub understood and says no, in its own words."""

    def __init__(self, message: str, said: str) -> None:
        super().__init__(message)
        self.said = said


def _record(answer: Any, what: str, kept: str = "") -> PullRequest:
    try:
        head, base = answer["head"], answer["base"]
        state: Literal["open", "merged", "closed"] = "open"
        if answer["state"] != "open":
            state = "merged" if answer.get("merged_at") else "closed"
        return PullRequest(
            title=str(answer["title"]),
            body=str(answer.get("body") or ""),
            branch=str(head["ref"]),
            base_branch=str(base["ref"]),
            base=str(base["sha"]),
            tip=str(head["sha"]),
            key=str(head["ref"]).removeprefix("gitagent/").partition("-")[0],
            number=int(answer["number"]),
            url=str(answer["html_url"]),
            state=state,
            draft=bool(answer.get("draft")),
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise _odd(what, kept) from error


def _listed(answer: Any, what: str, kept: str = "") -> list[Any]:
    if not isinstance(answer, list):
        raise _odd(what, kept)
    return answer


def _odd(what: str, kept: str) -> ForgeError:
    return ForgeError(
        _sentence(what, "the answer is not GitHub's. Is a login page or a wrong forge.base_url in between?", kept),
        hint="gitagent config",
    )


def _sentence(what: str, problem: str, kept: str) -> str:
    stop = "" if problem.endswith((".", "?", "!")) else "."
    return f"{what}: {problem}{stop if kept else ''}{' ' if kept else ''}{kept}"


def _bounded(body: str) -> str:
    if len(body) <= MOST_BODY:
        return body
    return (
        body[:MOST_BODY].rsplit("\n", 1)[0] + "\n\n[cut here: GitHub takes no longer texts; see `gitagent show`]\n"
    )


def _said(answer: "requests.Response") -> str:
    """GitHub's own words, in one line."""
    try:
        found = answer.json()
        details = [_detail(each) for each in found.get("errors") or []]
        words = "; ".join(str(part) for part in [found.get("message"), *details] if part)
    except (ValueError, AttributeError, TypeError):
        words = ""
    words = words or answer.reason or "no reason given"
    return "".join(letter for letter in " ".join(words.split()) if letter.isprintable())[:300]


def _detail(error: Any) -> str:
    """One of `errors`: a text, a message of its own, or a field and a code such as `invalid`."""
    if not isinstance(error, dict):
        return str(error)
    return str(error.get("message") or ": ".join(str(error[name]) for name in ("field", "code") if name in error))


def _is_limit(headers: Mapping[str, str], said: str) -> bool:
    return headers.get("X-RateLimit-Remaining") == "0" or "Retry-After" in headers or "rate limit" in said.lower()


def _when(headers: Mapping[str, str]) -> str:
    seconds = headers.get("Retry-After", "")
    if not seconds.isdecimal():
        reset = headers.get("X-RateLimit-Reset", "")
        seconds = str(max(0, int(reset) - int(time.time()))) if reset.isdecimal() else "60"
    minutes = int(seconds) // 60 + 1
    return f"try again in {minutes} minute{'s' if minutes > 1 else ''}"
