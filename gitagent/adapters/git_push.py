"""Pushing a scratch branch with the user's own git, which knows their keys and credential helpers."""

import base64
import os
import re
from urllib.parse import urlsplit

from gitagent.adapters.git import GitRepository
from gitagent.adapters.git_worktrees import run_git
from gitagent.errors import ForgeError


def pushed_to(repository: GitRepository, remote: str) -> str:
    """The address a push to the remote goes to. Raises ForgeError if there is no such remote."""
    # Settings name the remote: what is no remote's name must not reach git, which takes options and addresses too.
    if not repository.remote_url(remote):
        raise ForgeError(f"there is no remote {remote!r}. Nothing was pushed.", hint="git remote -v")
    said = run_git(repository.directory, "remote", "get-url", "--push", "--", remote)
    return said.stdout.removesuffix("\n")


def push(
    repository: GitRepository, remote: str, branch: str, tip: str, *, token: str = "", host: str = ""
) -> None:
    """Make the remote's branch `tip`, forward, or in place of commits of our own that were started anew.

    Others' commits on the branch are never overwritten. No hook of the user runs. `token` is used only for an
    https address on `host` that has no credentials of its own. Raises ForgeError if the remote refuses or has
    moved on.
    """
    address = pushed_to(repository, remote)
    settings = settings_for(address, token, host)
    refspec = f"{tip}:refs/heads/{branch}"
    reason = sent(repository, remote, refspec, settings)
    if _has_moved_on(reason):
        old = _replaced(repository, address, branch, settings)
        if old:
            lease = f"--force-with-lease=refs/heads/{branch}:{old}"
            reason = sent(repository, remote, refspec, settings, lease)
    if not reason:
        return
    if _has_moved_on(reason):
        raise ForgeError(
            f"{remote} has commits on {branch} that are not ours. Nothing was pushed; the work is on "
            "the local branch.",
            hint=f"git fetch {remote} {branch} && git log {tip[:12]}..FETCH_HEAD",
        )
    is_key = re.search(r"could not read|uthentication failed|ermission|denied|\b40[13]\b", reason)
    raise ForgeError(
        f"{remote} did not take {branch}: {reason}. The work is on the local branch.",
        hint="gh auth login && gh auth setup-git" if is_key else f"git push {remote} {branch}",
    )


def sent(repository: GitRepository, remote: str, refspec: str, settings: dict[str, str], *more: str) -> str:
    """Push; why it did not work, "" if it did."""
    said = run_git(
        repository.directory,
        "push",
        "--porcelain",
        "--no-verify",
        "--no-follow-tags",
        "--no-signed",
        "--no-recurse-submodules",
        *more,
        "--",
        remote,
        refspec,
        **settings,
    )
    return _reason(said.stdout, said.stderr) if said.returncode else ""


def _has_moved_on(reason: str) -> bool:
    return any(words in reason for words in ("(non-fast-forward)", "(fetch first)", "(stale info)"))


def _replaced(repository: GitRepository, address: str, branch: str, settings: dict[str, str]) -> str:
    """The commit on the remote's branch if it is one of our own that `--again` put aside here, else ""."""
    said = run_git(repository.directory, "ls-remote", "--", address, f"refs/heads/{branch}", **settings)
    old = said.stdout.partition("\t")[0]
    if not re.fullmatch(r"[0-9a-f]{40,64}", old):
        return ""
    kept = f"refs/gitagent/replaced/{branch}/"
    # A commit that was never here makes this fail, which is an answer too.
    return old if run_git(repository.directory, "for-each-ref", f"--contains={old}", kept).stdout else ""


def settings_for(url: str, token: str, host: str) -> dict[str, str]:
    """Git settings for one remote, through the environment, so that the token is in no argument and no file."""
    settings = [
        ("core.hooksPath", os.devnull),
        # A server that has stopped answering is given up after a minute.
        ("http.lowSpeedLimit", "1"),
        ("http.lowSpeedTime", "60"),
    ]
    parts = urlsplit(url)
    if token and parts.scheme == "https" and parts.netloc.lower() in (host, f"{host}:443"):
        basic = base64.b64encode(f"x-access-token:{token}".encode()).decode()
        header = f"http.https://{parts.netloc}/.extraHeader"
        # The empty one takes back what a CI checkout left in the configuration: GitHub refuses two.
        settings += [(header, ""), (header, f"Authorization: basic {basic}")]
    environment = {"GIT_CONFIG_COUNT": str(len(settings))}
    for number, (name, value) in enumerate(settings):
        environment |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": value}
    return environment


def _reason(output: str, errors: str) -> str:
    """Git's most telling lines, without what looks like a credential in an address."""
    lines = [" ".join(line.split()) for line in [*output.split("\n"), *errors.split("\n")]]
    refused = [line for line in lines if re.match(r"!|fatal:|error:(?! failed to push)", line)][:1]
    remote = [line for line in lines if re.match(r"remote: *\S", line)][:3]
    told = "; ".join([*refused, *remote]) or next((line for line in lines if line), "no reason given")
    told = "".join(letter for letter in told if letter.isprintable())
    return re.sub(r"//[^/@\s]+@", "//", told)[:400].rstrip(".")
