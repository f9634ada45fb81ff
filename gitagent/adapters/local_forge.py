"""The stand-in for a hosting site: pull requests as refs and objects inside the repository.

`refs/gitagent/pulls/N` is a commit whose tree has `pull.json` and `body.md`; its parents are the state before, if
there is one, and the tip asked to be merged, so that neither history nor changes are lost with the branch.
"""

import json
from dataclasses import asdict, replace

from gitagent.adapters.git import GitBranches, GitRepository
from gitagent.adapters.git_merge import merge
from gitagent.adapters.git_objects import FOREIGN
from gitagent.adapters.git_runs import GitStates
from gitagent.errors import ForgeError, RepositoryError
from gitagent.records import PullRequest

_TEXTS = ("title", "branch", "base_branch", "base", "tip", "key")
_ATTEMPTS = 20


class LocalForge:
    """Pull requests inside the repository, for repositories that no hosting site knows."""

    name = "local"
    has_token = True  # none is needed

    def __init__(self, repository: GitRepository) -> None:
        self._repository = repository
        self._git = repository.git
        self._states = GitStates(repository, "refs/gitagent/pulls/")

    def issue(self, number: int) -> tuple[str, str]:
        raise ForgeError(
            f"issue {number}: this repository has no hosting site, so there are no issues to read",
            hint='gitagent fix "what is wrong, in a sentence"',
        )

    def publish(self, pull: PullRequest) -> PullRequest:
        """Open a pull request, or update the open one of its branch; nothing leaves the repository."""
        tip, base = self._repository.resolve(pull.tip), self._repository.resolve(pull.base)
        pull = replace(pull, tip=tip, base=base, state="open")
        opened = next((each for each in self.pulls() if each.branch == pull.branch), None)
        if opened:
            return self._record(replace(pull, number=opened.number), "Update")
        number = max((number for number, _ in self._all()), default=0)
        for _ in range(_ATTEMPTS):
            number += 1
            try:
                return self._record(replace(pull, number=number), "Open", first=True)
            except RepositoryError:
                # Another process may have taken the number in between; then the next one is tried.
                if self._states.tip(str(number)) is None:
                    raise
        raise ForgeError("no free number for the pull request was found. Nothing was opened")

    def pulls(self, state: str = "open") -> tuple[PullRequest, ...]:
        if state not in ("open", "merged", "closed", "all"):
            raise ForgeError(f"{state!r} is no state of a pull request; known are open, merged, closed and all")
        found = (self._read(number, tip) for number, tip in sorted(self._all(), reverse=True))
        return tuple(pull for pull in found if state in ("all", pull.state))

    def pull(self, number: int) -> PullRequest:
        tip = self._states.tip(str(number)) if number > 0 else None
        if tip is None:
            raise ForgeError(f"there is no pull request {number} here", hint="gitagent pr list --state all")
        return self._read(number, tip)

    def close(self, number: int) -> PullRequest:
        pull = self.pull(number)
        if pull.state != "open":
            raise ForgeError(f"pull request {number} is {pull.state} already", hint=f"gitagent pr show {number}")
        return self._record(replace(pull, state="closed"), "Close")

    def merge(self, number: int) -> PullRequest:
        """Merge into the base branch, by a human's command alone, with a merge commit.

        Raises RepositoryError, by file, if there are conflicts or changes in the way; nothing is changed then.
        """
        pull = self.pull(number)
        if pull.state != "open":
            raise ForgeError(f"pull request {number} is {pull.state} already", hint=f"gitagent pr show {number}")
        title = f"Merge pull request #{number} from {pull.branch}"
        merge(self._repository, pull.base_branch, pull.tip, f"{title}\n\n{pull.title}")
        return self._record(replace(pull, state="merged", draft=False), "Merge")

    def drop_branch(self, pull: PullRequest) -> None:
        """Delete the pull request's branch if it is still at its tip; the commits stay reachable."""
        GitBranches(self._repository).drop(pull.branch, pull.tip)

    def _all(self) -> list[tuple[int, str]]:
        numbers = [int(name) for name in self._states.names() if name.isascii() and name.isdigit()]
        return [(number, tip) for number in numbers if (tip := self._states.tip(str(number)))]

    def _record(self, pull: PullRequest, verb: str, *, first: bool = False) -> PullRequest:
        name = str(pull.number)
        pull = replace(pull, url=self._states.prefix + name)
        data = {key: value for key, value in asdict(pull).items() if key not in ("body", "number", "url")}
        files = {"pull.json": json.dumps(data, indent=2) + "\n", "body.md": pull.body}
        after = None if first else self._states.tip(name)
        message = f"{verb} pull request #{name}: {pull.title}"
        self._states.write(name, files, message, after=after, keep=(pull.tip,))
        return pull

    def _read(self, number: int, tip: str) -> PullRequest:
        files = self._states.read(tip)
        try:
            data = json.loads(files["pull.json"])
            texts = {name: data[name] for name in _TEXTS}
            state = data["state"]
            if not all(isinstance(text, str) for text in texts.values()) or state not in (
                "open",
                "merged",
                "closed",
            ):
                raise ValueError("a field is of the wrong kind")
        except (KeyError, TypeError, ValueError, RecursionError) as error:
            raise ForgeError(f"{self._states.prefix}{number} holds no pull request: {error}") from error
        pull = PullRequest(
            **texts,
            body=files.get("body.md", ""),
            number=number,
            url=f"{self._states.prefix}{number}",
            state=state,
            draft=bool(data.get("draft", True)),
        )
        return self._as_it_stands(pull) if state == "open" else pull

    def _as_it_stands(self, pull: PullRequest) -> PullRequest:
        """An open pull request follows its branch, and is merged once its base branch holds its tip."""
        try:
            branch = self._git.references.get(f"refs/heads/{pull.branch}")
            base = self._git.references.get(f"refs/heads/{pull.base_branch}")
            tip = str(branch.target) if branch is not None else pull.tip
            merged = tip != pull.base and base is not None
            merged = merged and (str(base.target) == tip or self._git.descendant_of(base.target, tip))
        except FOREIGN:
            return pull  # names that git does not take, or commits that are gone: shown as recorded
        return replace(pull, tip=tip, state="merged" if merged else "open")
