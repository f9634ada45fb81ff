"""One run of the pipeline for a request that came from elsewhere than the command line."""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gitagent.core import intake

if TYPE_CHECKING:
    from gitagent.adapters.git import GitRepository
    from gitagent.core.plan_files import SavedPlan
    from gitagent.ports import Planner
    from gitagent.records import Plan, Report, Request


def new_run() -> str:
    """A name for a run: when it began, in UTC, and four random hex digits."""
    return time.strftime("%Y%m%d-%H%M%S-", time.gmtime()) + os.urandom(2).hex()


def branch_of_key(repository: "GitRepository", request: "Request") -> str:
    """The branch that an earlier run of this request left on the remote, whatever its title was; else a new one."""
    start = f"refs/remotes/origin/gitagent/{request.key}-"
    found = [name.removeprefix("refs/remotes/origin/") for name in repository.refs(start)]
    return sorted(found)[0] if found else intake.branch_of(request)


def follow_remote(repository: "GitRepository", branch: str) -> None:
    """Bring a scratch branch to where the remote's was last seen, if that is further on and nobody stands on it."""
    from gitagent.adapters.git_objects import refusals
    from gitagent.adapters.git_worktrees import holder_of

    ref = f"refs/heads/{branch}"
    remote, local = repository.tip_of(f"refs/remotes/origin/{branch}"), repository.tip_of(ref)
    if not remote or remote == local:
        return
    with refusals(f"branch {branch} cannot be brought to the remote's"):
        if not local:
            repository.git.references.create(ref, remote)
        elif repository.is_ancestor(local, remote) and not holder_of(repository.common_directory, ref):
            repository.git.references[ref].set_target(remote, "gitagent: as on the remote")


def run(
    repository: "GitRepository",
    request: "Request",
    *,
    branch: str,
    base_branch: str,
    plan: "SavedPlan | None" = None,
    planning: "Callable[[Planner], Planner] | None" = None,
    approval: "Callable[[Callable[[], None]], Callable[[Plan], bool]] | None" = None,
    steered: Callable[[], Sequence[str]] = tuple,
    flags: "Mapping[str, object] | None" = None,
) -> "Report":
    """Run it with the settings in force; the pull request stays in the repository.

    `plan` is to be carried out as it is; else `planning` makes the only planner out of the one there is. `approval`
    gives what is asked about the plan, `steered` the corrections that came from elsewhere since it was last asked.
    """
    from gitagent.adapters.local_forge import LocalForge
    from gitagent.cli import building, carrying

    flags = {**(flags or {}), "forge.name": "local"}
    config = building.config_for(repository, flags)
    more: dict[str, Any] = {"base_branch": base_branch, "candidates": None, "branch": branch, "carry_on": True}
    more["planned"] = plan is not None or planning is not None
    with carrying.ended_by_signals():
        return carrying.carried_out(
            repository=repository,
            config=config,
            forge=LocalForge(repository),
            request=request,
            options=carrying.options_for(config, run=new_run(), **more),
            start=carrying.started(request, flags, more),
            files={},
            plan=plan,
            planning=planning,
            approval=approval,
            steered=steered,
        )
