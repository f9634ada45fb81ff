"""Plans that wait for approval, on the remote: each a commit of a few files under `refs/gitagent/plans/<number>`.

No branch and no tag, so nothing shows them and no workflow starts. They are written by the job that may push, and read
by those that may only read.
"""

import re
from collections.abc import Mapping

from gitagent.adapters.git import GitRepository, identity
from gitagent.adapters.git_objects import FILE as REGULAR
from gitagent.adapters.git_objects import edited_tree, refusals
from gitagent.adapters.git_push import pushed_to, sent, settings_for
from gitagent.adapters.git_worktrees import run_git
from gitagent.errors import ForgeError, RepositoryError, RequestError

PREFIX = "refs/gitagent/plans/"
MOST_BYTES = 2**20
_LISTED = re.compile(rf"^([0-9a-f]{{40}})\t{PREFIX}([1-9][0-9]{{0,9}})$", re.MULTILINE)


class GitPlans:
    """The plans on one remote; `token` is for an https address on `host` that has no credentials of its own."""

    def __init__(
        self, repository: GitRepository, *, remote: str = "origin", token: str = "", host: str = ""
    ) -> None:
        self._repository, self._remote = repository, remote
        self._token, self._host = token, host

    def waiting(self) -> dict[int, str]:
        """The commit of each plan there is, by the number of its issue or pull request."""
        said = self._run("ls-remote", "--", self._remote, f"{PREFIX}*")
        return {int(number): oid for oid, number in _LISTED.findall(said)}

    def files(self, number: int) -> tuple[str, dict[str, str]]:
        """The commit of a plan and its files by name; ("", {}) if none waits. Raises RequestError for others' files."""
        oid = self.waiting().get(number, "")
        if not oid:
            return "", {}
        ref = f"{PREFIX}{number}"
        self._run("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--", self._remote, f"+{ref}:{ref}")
        oid = self._repository.tip_of(ref)
        found = dict[str, str]()
        for entry in self._repository.entries(oid):
            data = self._repository.read(entry.oid) if entry.mode == REGULAR else b""
            if not data or len(data) > MOST_BYTES:
                raise RequestError(f"{ref}: {entry.path!r} is no plan of gitagent's. Nothing was run.")
            found[entry.path] = data.decode("utf-8", "replace")
        return oid, found

    def put(self, number: int, files: Mapping[str, str]) -> None:
        """Make this the plan for a number, in place of an earlier one. Raises ForgeError if the remote refuses."""
        git, texts = self._repository.git, {name: text.encode() for name, text in files.items()}
        tree = edited_tree(git, None, texts)
        with refusals("the plan cannot be written", git):
            bot = identity(git)
            oid = git.create_commit(None, bot, bot, f"A plan for {number} that waits for approval\n", tree, [])
        self._push(number, str(oid), self.waiting().get(number, ""))

    def drop(self, number: int, oid: str) -> None:
        """Forget a plan that was carried out, unless there is another one by now."""
        if self.waiting().get(number) == oid:
            self._push(number, "", oid)

    def _push(self, number: int, oid: str, before: str) -> None:
        ref = f"{PREFIX}{number}"
        settings = settings_for(pushed_to(self._repository, self._remote), self._token, self._host)
        lease = f"--force-with-lease={ref}:{before}"
        reason = sent(self._repository, self._remote, f"{oid}:{ref}", settings, lease)
        if reason:
            raise ForgeError(f"{self._remote} did not take the plan for {number}: {reason}. Nothing was run.")

    def _run(self, *arguments: str) -> str:
        address = self._repository.remote_url(self._remote)
        if not address:
            raise ForgeError(f"there is no remote {self._remote!r}. Nothing was run.", hint="git remote -v")
        settings = settings_for(address, self._token, self._host)
        said = run_git(self._repository.directory, *arguments, **settings)
        if said.returncode:
            lines = [line for line in said.stderr.split("\n") if line.startswith(("fatal:", "error:"))]
            reason = re.sub(r"//[^/@\s]+@", "//", " ".join((lines or ["no reason given"])[0].split()))[:300]
            raise RepositoryError(f"git {arguments[0]} of plans: {reason}. Nothing was run", hint="git remote -v")
        return said.stdout
