"""GitHub as the Action uses it: who may ask, one comment that is kept up to date, a status on a commit."""

from collections.abc import Container
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from gitagent.adapters.github import MOST_PAGES, GitHubForge
from gitagent.core.secrets import redacted
from gitagent.core.triggers import MARK, steering
from gitagent.errors import ForgeError
from gitagent.records import PullRequest

WRITERS = ("admin", "maintain", "write")
UNDER_WAY = ("queued", "in_progress", "waiting", "pending", "requested")
# GitHub takes 65,536 characters of a comment and 140 of a status.
MOST_COMMENT = 65_000
MOST_STATUS = 140


@dataclass(frozen=True, slots=True, kw_only=True)
class Comment:
    """A comment of ours; times are as the site writes them (ISO 8601, UTC), `edited_at` the last change."""

    id: int
    body: str
    made_at: str
    edited_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """What somebody said to a run that is under way."""

    id: int
    login: str
    text: str


class GitHubBot(GitHubForge):
    """What the jobs of the workflow need besides pull requests. Each method is safe to repeat."""

    def may_ask(self, login: str) -> bool:
        """Whether this user can write to the repository. A login that is none cannot."""
        if not login:
            return False
        what = f"the permission of {login!r}"
        try:
            found = self._ask("GET", f"collaborators/{quote(login, safe='')}/permission", what)
        except ForgeError as error:
            if "no such thing" in str(error):
                return False
            raise
        # `role_name` tells maintain and triage apart; `permission` calls them write and read.
        return isinstance(found, dict) and found.get("permission") in WRITERS

    def own_pull(self, number: int) -> PullRequest | None:
        """A pull request from a branch of ours in this repository, None if it is somebody else's."""
        found = self._ask("GET", f"pulls/{number}", f"pull request {number}")
        return self.pull(number) if self._is_ours(found) else None

    def say(self, number: int, key: str, body: str) -> None:
        """Write our comment about `key` on an issue or pull request: the one that is there is edited.

        Only comments written by this token's own user count; one that a stranger marked like ours is left alone.
        """
        mark = f"{MARK} {key} -->"
        text = redacted(f"{mark}\n{body}")[:MOST_COMMENT]
        what = f"the comment on {number}"
        for each in self._ours(self._comments(number), mark):
            if each.get("body") != text:
                self._ask("PATCH", f"issues/comments/{int(each['id'])}", what, {"body": text})
            return
        self._ask("POST", f"issues/{number}/comments", what, {"body": text})

    def answers(self, number: int, key: str) -> tuple[str, ...] | None:
        """What writers commented after our comment about `key`, in order, but for commands; None if we made none."""
        mark = f"{MARK} {key} -->"
        comments = self._comments(number)
        ours = self._ours(comments, mark)
        if not ours:
            return None
        said = []
        for each in comments[comments.index(ours[-1]) + 1 :]:
            body, user = str(each.get("body") or ""), each.get("user") or {}
            is_none = MARK in body or user.get("type") == "Bot" or body.lstrip().startswith("/gitagent")
            if body.strip() and not is_none and self.may_ask(str(user.get("login") or "")):
                said.append(body)
        return tuple(said)

    def comment(self, number: int, key: str) -> Comment | None:
        """Our newest comment about `key`, its mark taken off; None if there is none."""
        mark = f"{MARK} {key} -->"
        for each in reversed(self._ours(self._comments(number), mark)):
            made_at = str(each.get("created_at") or "")
            return Comment(
                id=int(each["id"]),
                body=str(each["body"]).removeprefix(mark),
                made_at=made_at,
                edited_at=max(made_at, str(each.get("updated_at") or "")),
            )
        return None

    def approver(self, comment: Comment) -> str:
        """The login of a writer who has put a thumbs-up on a comment as it is now, the first one; "" if none has."""
        path = f"issues/comments/{comment.id}/reactions?content=%2B1&per_page=100"
        for each in self._ask("GET", path, f"the reactions on comment {comment.id}"):
            user = each.get("user") or {}
            later = str(each.get("created_at") or "") >= comment.edited_at
            if later and each.get("content") == "+1" and user.get("type") != "Bot":
                login = str(user.get("login") or "")
                if self.may_ask(login):
                    return login
        return ""

    def corrections(self, number: int, since: str) -> tuple[Correction, ...]:
        """What was commented after this time to steer a run, oldest first, by whomever but bots: ask `may_ask`."""
        found = []
        for each in self._comments(number, since):
            user, text = each.get("user") or {}, steering(str(each.get("body") or ""))
            if text and user.get("type") != "Bot" and str(each.get("created_at") or "") > since:
                found.append(Correction(id=int(each["id"]), login=str(user.get("login") or ""), text=text))
        return tuple(found)

    def react(self, comment: int, content: str) -> None:
        """Put a reaction of ours on a comment; a second time changes nothing."""
        path = f"issues/comments/{comment}/reactions"
        self._ask("POST", path, f"the reaction on comment {comment}", {"content": content})

    def has_reacted(self, comment: int, content: str) -> bool:
        """Whether such a reaction is ours."""
        path = f"issues/comments/{comment}/reactions?content={quote(content, safe='')}&per_page=100"
        found = self._ask("GET", path, f"the reactions on comment {comment}")
        return any((each.get("user") or {}).get("type") == "Bot" or self._is_me(each) for each in found)

    def is_under_way(self, run: int) -> bool:
        """Whether a run of a workflow has not ended yet; False too where the token may not see that."""
        try:
            found = self._ask("GET", f"actions/runs/{run}", f"workflow run {run}")
        except ForgeError:
            return False
        return isinstance(found, dict) and found.get("status") in UNDER_WAY

    def is_open(self, number: int) -> bool:
        """Whether an issue or pull request is open; one that is gone is not."""
        try:
            found = self._ask("GET", f"issues/{number}", f"issue {number}")
        except ForgeError as error:
            if "no such thing" in str(error):
                return False
            raise
        return isinstance(found, dict) and found.get("state") == "open"

    def has_asked_to_stop(self, number: int, since: str) -> str:
        """The login of a writer who commented `/gitagent stop` after this time (ISO 8601, UTC), "" if none."""
        for each in self._comments(number, since):
            said = str(each.get("body") or "").strip()
            login = str((each.get("user") or {}).get("login") or "")
            later = str(each.get("created_at") or "") > since
            if later and said.split()[:2] == ["/gitagent", "stop"] and self.may_ask(login):
                return login
        return ""

    def review_comments(self, number: int, review: int) -> str:
        """What a review says about lines, each with its place."""
        what = f"the comments of review {review}"
        found = self._ask("GET", f"pulls/{number}/reviews/{review}/comments?per_page=100", what)
        told = []
        for each in found if isinstance(found, list) else []:
            line = each.get("line") or each.get("original_line") or each.get("original_position") or 1
            told.append(f"{each.get('path')}:{line}: {each.get('body')}")
        return "\n".join(told)

    def status(self, oid: str, *, state: str, description: str) -> None:
        """Set our status on a commit: pending, success, failure or error."""
        data = {"state": state, "description": description[:MOST_STATUS], "context": "gitagent"}
        self._ask("POST", f"statuses/{oid}", f"the status of {oid[:12]}", data)

    def delete_branch(self, branch: str) -> None:
        """Delete a branch of ours on the site; one that is gone already is fine."""
        what = f"the branch {branch}"
        if not branch.startswith("gitagent/"):
            raise ForgeError(f"{what} is none of gitagent's. It was not touched.")
        url = f"{self._base_url}/repos/{self._owner}/{self._name}/git/refs/heads/{quote(branch)}"
        answer = self._answer("DELETE", url, what, None, "It is still there.")
        if answer.status_code not in (204, 404, 422):
            raise self._refusal(answer, what, "It is still there.")

    def waiting(self, label: str, besides: Container[int] = ()) -> tuple[int, str] | None:
        """The oldest open issue with this label that has no pull request of ours, and who put the label on it.

        `besides` are issues that wait for something else.
        """
        path = f"issues?state=open&labels={quote(label, safe='')}&sort=created&direction=asc&per_page=100"
        begun = {pull.key for pull in self.pulls("all")}
        for each in self._ask("GET", path, "the list of issues"):
            number = int(each["number"])
            if "pull_request" in each or str(number) in begun or number in besides:
                continue
            events = self._ask("GET", f"issues/{number}/events?per_page=100", f"the events of issue {number}")
            who = [
                str((event.get("actor") or {}).get("login") or "")
                for event in events
                if event.get("event") == "labeled" and (event.get("label") or {}).get("name") == label
            ]
            return number, who[-1] if who else ""
        return None

    def _comments(self, number: int, since: str = "") -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        after = f"&since={quote(since, safe='')}" if since else ""
        for page in range(1, MOST_PAGES + 1):
            path = f"issues/{number}/comments?per_page=100&page={page}{after}"
            answer = self._ask("GET", path, f"the comments on {number}")
            found += [each for each in answer if isinstance(each, dict)]
            if len(answer) < 100:
                break
        return found

    def _ours(self, comments: list[dict[str, Any]], mark: str) -> list[dict[str, Any]]:
        """Those that begin with our mark and that a bot or this token's own user wrote."""
        return [
            each
            for each in comments
            if str(each.get("body") or "").startswith(mark)
            and ((each.get("user") or {}).get("type") == "Bot" or self._is_me(each))
        ]

    def _is_me(self, comment: dict[str, Any]) -> bool:
        """Whether the token's own user wrote it. GitHub's token of a workflow may not ask who it is; it is a Bot."""
        try:
            me = self._me()
        except ForgeError:
            return False
        return bool(me) and (comment.get("user") or {}).get("login") == me

    def _me(self) -> str:
        answer = self._answer("GET", f"{self._base_url}/user", "the token's user", None, "")
        return str(answer.json().get("login") or "") if answer.ok else ""
