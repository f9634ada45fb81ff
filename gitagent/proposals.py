"""What one job proposes and another publishes: data in a directory, checked as a stranger's.

The proposing job runs models and the project's code, so nothing it says is believed: the publishing job reads the
commits themselves, and holds base, paths, size, the tamper gate and the certificate against its own policy.
"""

import json
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gitagent.core import certificates, diffs, secrets, tampering, testing
from gitagent.core.paths import check_path, folded
from gitagent.errors import DiffError, RequestError
from gitagent.ports import Repository
from gitagent.records import FileEntry
from gitagent.tree import REGULAR, Tree

FILE, BUNDLE = "proposal.json", "proposal.bundle"
MOST_CHARACTERS = 8 * 2**20
MOST_COMMITS = 100
MOST_FILES = 200
BRANCH = re.compile(r"gitagent/[0-9a-z]+(?:-[0-9a-z]+)*")
_OID = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A branch to publish, or the reason why there is none (`tip` is ""). `certificate` is its text or "".

    `plan` is the TOML of a plan that is to wait for approval, and `digests` JSON of the texts it was made for.
    `steered` are the ids of the comments that the run took up.
    """

    run: str
    state: str
    reason: str
    title: str = ""
    body: str = ""
    branch: str = ""
    base: str = ""
    tip: str = ""
    certificate: str = ""
    plan: str = ""
    digests: str = ""
    steered: str = ""

    @property
    def key(self) -> str:
        """The request's key in the branch's name."""
        return self.branch.removeprefix("gitagent/").partition("-")[0]


def write(directory: Path, proposal: Proposal) -> None:
    """Write `proposal.json`; the bundle is the caller's."""
    (directory / FILE).write_text(json.dumps(asdict(proposal), indent=1) + "\n", encoding="utf-8")


def read(directory: Path) -> Proposal:
    """The proposal in a directory. Raises RequestError, naming what is wrong, if it is none."""
    file = directory / FILE
    try:
        if file.stat().st_size > MOST_CHARACTERS:
            raise ValueError(f"more than {MOST_CHARACTERS // 2**20} MiB")
        found = json.loads(file.read_text(encoding="utf-8"))
        return _proposal(found)
    except (OSError, ValueError, TypeError, RecursionError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise RequestError(f"{file}: no proposal ({why}). Nothing was published.") from error


def _proposal(found: Any) -> Proposal:
    names = set(Proposal.__dataclass_fields__)
    if not isinstance(found, dict) or set(found) != names:
        raise ValueError(f"expected the fields {', '.join(sorted(names))}")
    if wrong := [name for name, value in found.items() if not isinstance(value, str)]:
        raise TypeError(f"{wrong[0]} is no text")
    proposal = Proposal(**found)
    if proposal.tip:
        for name in ("base", "tip"):
            if not _OID.fullmatch(found[name]):
                raise ValueError(f"{name} is no commit's oid")
        if not BRANCH.fullmatch(proposal.branch) or len(proposal.branch) > 120:
            raise ValueError("branch is none of gitagent's")
    return proposal


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What may be published. With `proven_only` a branch whose certificate does not hold is not pushed at all.

    With `approved_only` nothing is that is not of a plan somebody approved.
    """

    diff_lines: int = 400
    proven_only: bool = False
    allow_test_changes: bool = False
    approved_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """`refused` are reasons not to publish, [] if it may be; `unproven` says why the certificate does not count."""

    refused: tuple[str, ...]
    unproven: str


def check(
    proposal: Proposal,
    repository: Repository,
    *,
    key: str,
    tip: str,
    commits: Sequence[str],
    on_base: bool,
    builds_on: Callable[[str], bool],
    remote_tip: str,
    policy: Policy,
    planned: Collection[str] | None = None,
) -> Checked:
    """Hold a proposal against the commits that came with it.

    `key` is what the event asks for, `tip` what the bundle holds, `commits` those above base. `on_base` says whether
    the proposal's base is part of the branch it is for; `builds_on(commit)` whether the tip has a commit in its
    history; `remote_tip` is the branch's tip on the remote, "" if it is not there. `planned` are the paths of the plan
    that was approved, None if none was.
    """
    refused = list[str]()
    if proposal.key != key:
        refused.append(f"it is for request {proposal.key!r}, and {key!r} was asked")
    if tip != proposal.tip:
        refused.append(f"the bundle holds {tip[:12]}, the proposal says {proposal.tip[:12]}")
    if not on_base:
        refused.append(f"its base {proposal.base[:12]} is not on the branch it is for")
    if not builds_on(proposal.base):
        refused.append(f"its tip does not build on its base {proposal.base[:12]}")
    if remote_tip and not builds_on(remote_tip):
        refused.append(f"the branch has commits that it would lose (it is at {remote_tip[:12]})")
    if not 0 < len(commits) <= MOST_COMMITS:
        refused.append(f"it has {len(commits)} commits, expected 1 to {MOST_COMMITS}")
    if not refused:
        refused += _changes(Tree(repository, proposal.base), repository, tip, policy)
    if not refused and (planned is not None or policy.approved_only):
        refused += _unplanned(Tree(repository, proposal.base), repository, tip, remote_tip, planned)
    unproven = _unproven(proposal, repository, tip, builds_on)
    if unproven and policy.proven_only:
        refused.append(f"only proven work is published: {unproven}")
    return Checked(refused=tuple(refused), unproven=unproven)


def _changes(base: Tree, repository: Repository, tip: str, policy: Policy) -> list[str]:
    after = {entry.path: entry for entry in repository.entries(tip)}
    changed = sorted(
        path
        for path in base.entries.keys() | after.keys()
        if _kind(base.entries.get(path)) != _kind(after.get(path))
    )
    if not changed:
        return ["it changes nothing"]
    if len(changed) > MOST_FILES:
        return [f"it changes {len(changed)} files, at most {MOST_FILES} may be"]
    refused = list[str]()
    before_texts, after_texts = dict[str, str | None](), dict[str, str | None]()
    names = {folded(path) for path in base.entries}
    for path in changed:
        try:
            check_path(path)
        except DiffError as error:
            refused.append(str(error))
            continue
        entry = after.get(path)
        if entry is not None and entry.mode not in REGULAR:
            refused.append(f"{path} is no regular file")
        elif entry is not None and path not in base.entries and folded(path) in names:
            refused.append(f"{path} differs from another file in case alone")
        elif reason := base.refusal(path):
            refused.append(f"{path} {reason}")
        else:
            before_texts[path] = base.on_base(path)
            after_texts[path] = (
                None if entry is None else repository.read(entry.oid).decode("utf-8", "surrogateescape")
            )
    lines = 0
    for path, text in after_texts.items():
        if any("\udc80" <= letter <= "\udcff" for letter in text or "") or "\0" in (text or ""):
            refused.append(f"{path} is not UTF-8 text")
            continue
        if secrets.added("\n".join(known or "" for known in before_texts.values()), text or ""):
            refused.append(f"{path} gains a line that looks like it holds a credential")
            continue
        diff = diffs.between({path: (before_texts[path], text)})
        lines += diff.added + diff.removed
    if lines > policy.diff_lines:
        refused.append(f"it changes {lines} lines, at most {policy.diff_lines} may be")
    if not refused and not policy.allow_test_changes:
        found = tampering.find(before_texts, after_texts, is_test=testing.is_test_path)
        refused += [tampering.told(found)] if found else []
    return refused


def _unplanned(
    base: Tree, repository: Repository, tip: str, remote_tip: str, planned: Collection[str] | None
) -> list[str]:
    """What it changes that is in no approved plan; a new file of tests goes with any plan."""
    after = {entry.path: _kind(entry) for entry in repository.entries(tip)}
    before = {path: _kind(entry) for path, entry in base.entries.items()}
    earlier = {entry.path: _kind(entry) for entry in repository.entries(remote_tip)} if remote_tip else before
    changed = [
        path
        for path in sorted(before.keys() | after.keys() | earlier.keys())
        if after.get(path) not in (before.get(path), earlier.get(path))
    ]
    if planned is None:
        return [f"it changes {changed[0]}, and no plan for that was approved"] if changed else []
    known = before.keys() | earlier.keys()
    return [
        f"it changes {path}, which the approved plan is not about"
        for path in changed
        if path not in planned and not (path not in known and testing.is_test_path(path))
    ][:MOST_COMMITS]


def _kind(entry: FileEntry | None) -> tuple[str, int] | None:
    return None if entry is None else (entry.oid, entry.mode)


def _unproven(proposal: Proposal, repository: Repository, tip: str, builds_on: Callable[[str], bool]) -> str:
    """Why the certificate does not count, "" if it does. Its tests run again only by `gitagent verify`."""
    if not proposal.certificate:
        return "there is no certificate"
    try:
        certificate = certificates.read(proposal.certificate)
    except RequestError as error:
        return str(error)
    # Where a branch was carried on with, the tests ran on its earlier tip and on the new one.
    earlier = certificate.base.commit
    known = earlier == proposal.base or (earlier != tip and builds_on(earlier))
    found = certificates.problems(
        certificate,
        commit=tip,
        tree=repository.tree(tip),
        base_tree=repository.tree(earlier) if known else None,
        environment=certificate.environment,
        command=certificate.command,
    )
    return "; ".join(found)


def as_summary(proposal: Proposal, checked: Checked | None) -> Mapping[str, str]:
    """What became of it, in a few words by name, for logs and outputs."""
    state = "nothing" if not proposal.tip else "refused" if checked and checked.refused else proposal.state
    return {"state": state, "branch": proposal.branch, "run": proposal.run}
