"""Pushing a scratch branch with the user's own git, which knows their keys and credential helpers."""

import base64
import re
from urllib.parse import urlsplit

from gitagent.adapters.git import GitRepository
from gitagent.adapters.git_worktrees import run_git
from gitagent.errors import ForgeError


def push(repository: GitRepository, remote: str, branch: str, tip: str, *, token: str = "") -> None:
    """Make the remote's branch `tip`, only forward: commits that are there and not ours are never overwritten.

    No hook of the user runs. `token` is used for an https remote without credentials of its own. Raises
    ForgeError if the remote refuses or has moved on.
    """
    url = repository.remote_url(remote)
    if not url:
        raise ForgeError(f"there is no remote {remote!r}. Nothing was pushed.", hint="git remote -v")
    said = run_git(
        repository.directory,
        "push",
        "--no-verify",
        "--porcelain",
        "--no-follow-tags",
        remote,
        f"{tip}:refs/heads/{branch}",
        **_credentials(url, token),
    )
    if said.returncode == 0:
        return
    reason = _reason(said.stdout + said.stderr)
    if "non-fast-forward" in reason or "fetch first" in reason:
        raise ForgeError(
            f"{remote} has commits on {branch} that are not ours. Nothing was pushed; the work is on "
            "the local branch.",
            hint=f"git fetch {remote} {branch} && git log {tip[:12]}..FETCH_HEAD",
        )
    raise ForgeError(
        f"{remote} did not take {branch}: {reason}. The work is on the local branch.",
        hint=f"git push {remote} {branch}",
    )


def _credentials(url: str, token: str) -> dict[str, str]:
    """Environment that gives git the token for this host alone; it appears in no argument and no file."""
    parts = urlsplit(url)
    if not token or parts.scheme != "https" or "@" in parts.netloc:
        return {}
    basic = base64.b64encode(f"x-access-token:{token}".encode()).decode()
    return {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"http.https://{parts.netloc}/.extraheader",
        "GIT_CONFIG_VALUE_0": f"AUTHORIZATION: basic {basic}",
    }


def _reason(output: str) -> str:
    """The most telling line of git's, without what looks like a credential in an address."""
    lines = [line.strip() for line in output.split("\n") if line.strip() and not line.startswith(("To ", "Done"))]
    telling = (
        [line for line in lines if re.match(r"!|error:|fatal:|remote:", line)] or lines or ["no reason given"]
    )
    return re.sub(r"//[^/@\s]+@", "//", " ".join(telling[0].split()))[:300]
