"""Going on with the branch of an earlier run: its proof, a base that has moved on, a pull request that was closed."""

import re

from gitagent.core import certificates, diffs
from gitagent.errors import ForgeError, RepositoryError, RequestError
from gitagent.events import Noted
from gitagent.ports import Forge, Ports, Repository, Scratch
from gitagent.records import Candidate, Commit, PullRequest, Request
from gitagent.tree import Tree

SHOWN = 5
_TRAILER = re.compile(r"^Gitagent-([A-Z][a-z]+): (.*)$", re.MULTILINE)


def trailers(message: str) -> dict[str, str]:
    """What a commit of ours says of itself; {} for anybody else's."""
    found = dict(_TRAILER.findall(message))
    return found if "Run" in found else {}


def refuse_closed(forge: Forge, key: str) -> None:
    """Raise ForgeError if the newest pull request of a request was closed: somebody said no."""
    found = [pull for pull in forge.pulls("all") if pull.key == key]
    if found and found[0].state == "closed" and not any(pull.state == "open" for pull in found):
        raise ForgeError(
            f"pull request {found[0].number} of this request was closed. Nothing was run.",
            hint=f"gitagent fix --again … to start anew, or gitagent pr show {found[0].number}",
        )


def open_pull(forge: Forge, branch: str, tip: str) -> PullRequest | None:
    """The open pull request of the branch if it shows this tip."""
    return next((pull for pull in forge.pulls("open") if (pull.branch, pull.tip) == (branch, tip)), None)


def is_same_request(repository: Repository, commits: tuple[str, ...], request: Request) -> bool:
    """Whether the newest commit of ours was made for these very words; an edited issue asks for more."""
    for commit in commits:
        if told := trailers(repository.message(commit)):
            return told.get("Asked", "") in ("", request.digest)
    return False


def proof_holds(ports: Ports, base: str, tip: str) -> bool:
    """Whether the tip has a certificate that it is proven against just this base."""
    text = ports.notes.read(tip) if ports.notes is not None else None
    if text is None:
        return False
    try:
        found = certificates.read(text)
    except RequestError:
        return False
    problems = certificates.problems(
        found,
        commit=tip,
        tree=ports.repository.tree(tip),
        base_tree=ports.repository.tree(base),
        environment=found.environment,
        command=found.command,
    )
    return not problems


def bring_base(ports: Ports, scratch: Scratch, request: Request, tip: str, *, run: str) -> Commit | None:
    """Merge the base that has moved on into the branch; the merge, None if there is nothing to merge.

    Files that both have changed become the base's: what the earlier run did to them is to be done anew. Raises
    RepositoryError if that would take back what somebody else committed on the branch.
    """
    repository, base = ports.repository, request.base
    if repository.is_ancestor(base, tip):
        return None
    tree, conflicts = repository.joined(tip, base)
    if not tree:
        words = f"{base[:12]} and {scratch.branch} have no history in common here, so the branch is taken as it is"
        ports.stream(Noted(level="warning", text=words))
        return None
    for commit in repository.between(base, tip):
        theirs = sorted(repository.paths_of(commit) & set(conflicts))
        if theirs and not trailers(repository.message(commit)):
            raise RepositoryError(
                f"base {base[:12]} and commit {commit[:12]} on {scratch.branch}, which is not gitagent's, both changed "
                f"{_some(theirs)}. Nothing was changed",
                hint=f"git switch {scratch.branch} && git merge {base[:12]} (and resolve by hand)",
            )
    words = f"Merge {base[:12]} into {scratch.branch}\n\n"
    if conflicts:
        told = f"{_some(conflicts)} changed on both sides: taken from the base, and worked on anew"
        words += f"{told[0].upper()}{told[1:]}.\n\n"
        ports.stream(Noted(level="info", text=told))
    words += f"Gitagent-Request: {request.source} {request.key}\nGitagent-Run: {run}\n"
    words += f"Gitagent-Asked: {request.digest}\n"
    return scratch.join(tree, base, words)


def earlier_changes(
    repository: Repository, base: str, tip: Commit, commits: tuple[str, ...]
) -> list[tuple[Commit, Candidate]]:
    """What the branch had before this run, file by file, as a pull request shows changes."""
    before, after = Tree(repository, base), Tree(repository, tip.oid)
    by_path = dict[str, list[str]]()
    for commit in commits:
        for path in repository.paths_of(commit):
            by_path.setdefault(path, []).append(repository.message(commit))
    changes = []
    for path in sorted(before.entries.keys() | after.entries.keys()):
        if before.entries.get(path) == after.entries.get(path):
            continue
        messages = [message for message in by_path.get(path, []) if not message.startswith("Merge ")]
        makers = dict.fromkeys(trailers(message).get("Worker", "somebody else") for message in messages)
        texts = {path: after.on_base(path)}
        candidate = Candidate(
            task="",
            worker=", ".join(makers) or "an earlier run",
            diff=diffs.between({path: (before.on_base(path), texts[path])}),
            texts=texts,
            pattern="; ".join(message.partition("\n")[0] for message in messages[:SHOWN]),
        )
        if candidate.diff.text:
            changes.append((tip, candidate))
    return changes


def _some(paths: "tuple[str, ...] | list[str]") -> str:
    shown = ", ".join(path.encode("utf-8", "backslashreplace").decode() for path in paths[:SHOWN])
    return shown + (f" and {len(paths) - SHOWN} more" if len(paths) > SHOWN else "")
